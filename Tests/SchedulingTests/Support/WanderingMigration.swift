// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import TestSupport

/// Keeps every rule, and moves whatever there is to anywhere.
final class WanderingMigration: MigrationPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(type: "wandering-migration", version: "1.0.0", summary: "Moves anything.")
    }

    private var random: SeededRandom

    init(parameters: NoParameters = NoParameters(), seed: UInt64) {
        random = SeededRandom(seed: seed)
    }

    func isDue(among replicas: Span<ReplicaSnapshot>, at now: Instant) -> Bool {
        random.chance(60)
    }

    func propose(for fleet: FleetSnapshot) throws(PolicyError) -> MigrationProposal {
        var plan = MigrationPlan()
        for request in fleet.requests where random.chance(40) {
            let target = ReplicaID(rawValue: random.below(fleet.replicas.count))
            guard target != request.replica else { continue }
            plan.requests.append(
                RequestMove(request.request.id, from: request.replica, to: target))
        }
        for adapter in fleet.adapters where random.chance(20) {
            let place = ReplicaID(rawValue: random.below(fleet.replicas.count))
            plan.adapters.append(
                AdapterMove(random.chance(50) ? .load : .unload, adapter.id, on: place))
        }
        if plan.isEmpty { return .none }
        let proposed = plan
        return random.chance(50)
            ? .plan(proposed) : .solve { () throws(PolicyError) -> MigrationPlan in proposed }
    }
}

/// Breaks the rules.
final class NastyMigration: MigrationPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(type: "nasty-migration", version: "1.0.0", summary: "Breaks the rules.")
    }

    private var random: SeededRandom

    init(parameters: NoParameters = NoParameters(), seed: UInt64) {
        random = SeededRandom(seed: seed)
    }

    func isDue(among replicas: Span<ReplicaSnapshot>, at now: Instant) -> Bool { true }

    func propose(for fleet: FleetSnapshot) throws(PolicyError) -> MigrationProposal {
        let here = fleet.requests.first
        let id = here?.request.id ?? RequestID(rawValue: .max)
        let source = here?.replica ?? ReplicaID(rawValue: 0)
        let other = ReplicaID(rawValue: source.rawValue == 0 ? 1 : 0)
        let move = RequestMove(id, from: source, to: other)
        let faults: [MigrationPlan] = [
            MigrationPlan(requests: [move, move]),
            MigrationPlan(requests: [RequestMove(id, from: other, to: source)]),
            MigrationPlan(requests: [RequestMove(id, from: source, to: source)]),
            MigrationPlan(requests: [
                RequestMove(id, from: source, to: ReplicaID(rawValue: .max))
            ]),
            MigrationPlan(requests: [RequestMove(id, from: source, to: ReplicaID(rawValue: -1))]),
            MigrationPlan(adapters: [
                AdapterMove(.load, AdapterID(rawValue: .max), on: source)
            ]),
            MigrationPlan(requests: here == nil ? [] : [move]),
        ]
        let plan = faults[random.below(faults.count)]
        switch random.below(4) {
        case 0: throw PolicyError("no")
        case 1: return .solve { () throws(PolicyError) -> MigrationPlan in throw PolicyError("no") }
        case 2: return .solve { () throws(PolicyError) -> MigrationPlan in plan }
        default: return .plan(plan)
        }
    }
}
