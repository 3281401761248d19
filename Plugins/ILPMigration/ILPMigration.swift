// SPDX-License-Identifier: Apache-2.0

import IntegerRebalancing
import PolicyKit
import Rebalancing

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([ILPMigration.self])
}

/// dLoRA's reactive mechanism (OSDI '24, §5.2): request-adapter co-migration as an integer program.
final class ILPMigration: MigrationPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "ilp-migration", version: "1.0.0",
            summary: "Moves requests and adapters off replicas that keep others waiting or run out "
                + "of memory, by dLoRA's integer program on the CBC solver, away from the loop.")
    }

    private let settings: RebalancingSettings
    private let solver: IntegerSolver
    private var trigger: RebalancingTrigger

    init(parameters: Parameters, seed: UInt64) throws(PolicyError) {
        var settings = RebalancingSettings()
        settings.pairs = parameters.pairs
        settings.movePenalty = parameters.movePenalty.inSeconds
        settings.affinity = parameters.affinity.inSeconds
        self.settings = settings
        var solver = IntegerSolver()
        solver.isExact = parameters.exact
        solver.timeLimit = parameters.timeLimit.inSeconds
        self.solver = solver
        trigger = RebalancingTrigger(
            queueDelay: parameters.queueDelay, memory: parameters.memory,
            coolDown: parameters.coolDown)
    }

    func isDue(among replicas: Span<ReplicaSnapshot>, at now: Instant) -> Bool {
        trigger.isDue(among: replicas, at: now)
    }

    func propose(for fleet: FleetSnapshot) throws(PolicyError) -> MigrationProposal {
        trigger.propose(at: fleet.now)
        let (settings, solver) = (settings, solver)
        return .solve { () throws(PolicyError) -> MigrationPlan in
            guard let problem = RebalancingProblem(fleet, settings) else { return MigrationPlan() }
            // Without a solution in time everything stays.
            let solution = solver.solve(problem, from: problem.present)
            return problem.plan(for: solution?.assignment ?? problem.present)
        }
    }

    func observe(_ outcome: MigrationOutcome, at now: Instant) {
        trigger.observe(outcome, at: now)
    }
}
