// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit

/// Where a fleet is in moving requests: what it waits for, and what has come of it.
struct FleetMigration {
    /// One request that is to move.
    struct PendingMove {
        let move: RequestMove

        /// Whether it is kept out of plans already.
        var isHeld = false

        /// Whether its adapter was asked for on the target.
        var hasAsked = false
    }

    struct Solving {
        let ticket: Int
        let fleet: FleetSnapshot
    }

    struct Moving {
        let plan: MigrationPlan
        var pending: [PendingMove]
        let deadline: Instant
        var outcome = MigrationOutcome()
    }

    enum Stage {
        /// Can transition to `solving`, `moving`.
        case idle
        /// Can transition to `moving`, `idle`.
        case solving(Solving)
        /// Can transition to `idle`.
        case moving(Moving)
    }

    var policy: PolicyGuard<any MigrationPolicy>
    var rules: MigrationRules
    var stage = Stage.idle
    var counters = MigrationCounters()
    var nextCheck = Instant(nanoseconds: .min)
    var nextPlacement: Instant?
    var tickets = 0
    var completed: [CompletedMove] = []

    /// Replicas with something to carry out.
    var touched: Set<Int> = []

    init(policy: PolicyGuard<any MigrationPolicy>, rules: MigrationRules) {
        self.policy = policy
        self.rules = rules
    }

    var isIdle: Bool {
        if case .idle = stage { true } else { false }
    }
}

extension PolicyGuard where Instance == any MigrationPolicy {
    /// A policy is asked what to move far less often than others are asked anything, and may take ten
    /// times as long.
    static func migration(
        _ chosen: NamedPolicy<Instance>?, rules: ContainmentRules, clock: @escaping PolicyClock
    ) -> Self {
        var rules = rules
        rules.budget = rules.budget * 10
        return Self(
            chosen,
            builtIn: NamedPolicy(name: NoMigration.descriptor.type, policy: NoMigration()),
            kind: .migration, rules: rules, clock: clock)
    }
}
