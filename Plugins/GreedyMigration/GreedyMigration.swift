// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Rebalancing

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([GreedyMigration.self])
}

/// The objective of dLoRA's co-migration (OSDI '24, §5.2), by list scheduling and local search.
final class GreedyMigration: MigrationPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "greedy-migration", version: "1.0.0",
            summary: "Moves requests and adapters off replicas that keep others waiting or run out "
                + "of memory, in a fraction of a millisecond: the objective of dLoRA's program, "
                + "solved nearly.")
    }

    /// Above this it is solved away from the loop.
    private static let fewRequests = 256

    private let settings: RebalancingSettings
    private var trigger: RebalancingTrigger

    init(parameters: Parameters, seed: UInt64) throws(PolicyError) {
        var settings = RebalancingSettings()
        settings.pairs = parameters.pairs
        settings.movePenalty = parameters.movePenalty.inSeconds
        settings.affinity = parameters.affinity.inSeconds
        self.settings = settings
        trigger = RebalancingTrigger(
            queueDelay: parameters.queueDelay, memory: parameters.memory,
            coolDown: parameters.coolDown)
    }

    func isDue(among replicas: Span<ReplicaSnapshot>, at now: Instant) -> Bool {
        trigger.isDue(among: replicas, at: now)
    }

    func propose(for fleet: FleetSnapshot) throws(PolicyError) -> MigrationProposal {
        trigger.propose(at: fleet.now)
        let settings = settings
        if fleet.requests.count <= Self.fewRequests {
            let plan = Self.plan(for: fleet, settings)
            return plan.isEmpty ? .none : .plan(plan)
        }
        return .solve { () throws(PolicyError) -> MigrationPlan in Self.plan(for: fleet, settings) }
    }

    func observe(_ outcome: MigrationOutcome, at now: Instant) {
        trigger.observe(outcome, at: now)
    }

    private static func plan(
        for fleet: FleetSnapshot, _ settings: RebalancingSettings
    ) -> MigrationPlan {
        guard let problem = RebalancingProblem(fleet, settings) else { return MigrationPlan() }
        return problem.plan(for: GreedySolver.solve(problem))
    }
}
