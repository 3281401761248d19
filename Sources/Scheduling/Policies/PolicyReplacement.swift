// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// Policies that take the places of others, all at once.
package struct PolicyReplacement {
    /// The kinds that change hands; all others keep their policies, with what these remember and
    /// what they are accused of.
    package var kinds: Set<PolicyKind>

    /// A set for each replica, as each policy keeps state of its own.
    package var replicas: [ReplicaPolicies]
    package var fleet: FleetPolicies

    package init(
        of kinds: Set<PolicyKind>, replicas: [ReplicaPolicies], fleet: FleetPolicies
    ) {
        self.kinds = kinds
        self.replicas = replicas
        self.fleet = fleet
    }
}

/// What the policies of a fleet remember, as far as they export it.
package struct PolicyStates: Sendable, Equatable {
    /// By replica; of the kinds that each replica asks.
    package var replicas: [[PolicyKind: PolicyState]]

    /// Of the kinds that the fleet asks.
    package var fleet: [PolicyKind: PolicyState] = [:]

    package init(replicas: Int) {
        self.replicas = Array(repeating: [:], count: replicas)
    }

    /// Whether nothing was exported.
    package var isEmpty: Bool { fleet.isEmpty && replicas.allSatisfy(\.isEmpty) }
}

extension Fleet {
    /// Lets policies take the places of others. Nothing else changes: queues, pages, adapters and
    /// steps under way belong to no policy. Moves that were planned are given up where the
    /// migration policy changes.
    package mutating func replacePolicies(_ policies: PolicyReplacement, at now: Instant) {
        precondition(
            policies.replicas.count == replicas.count,
            "\(policies.replicas.count) sets of policies for \(replicas.count) replicas")
        for (replica, set) in policies.replicas.enumerated() {
            replicas[replica].replacePolicies(set, of: policies.kinds)
        }
        if policies.kinds.contains(.dispatch) {
            dispatch = .dispatch(policies.fleet.dispatch, rules: containment, clock: clock)
            migration.nextPlacement = nil
        }
        if policies.kinds.contains(.migration) {
            abandonMoves(at: now)
            migration.stage = .idle
            migration.policy = .migration(
                policies.fleet.migration, rules: containment, clock: clock)
        }
    }

    /// What the policies of these kinds remember; those of the manifest, also while the built-in
    /// default stands in for one of them.
    package mutating func exportStates(of kinds: Set<PolicyKind>) -> PolicyStates {
        var states = PolicyStates(replicas: replicas.count)
        for replica in replicas.indices {
            states.replicas[replica] = replicas[replica].exportStates(of: kinds)
        }
        if kinds.contains(.dispatch) { states.fleet[.dispatch] = dispatch.exportState() }
        if kinds.contains(.migration) { states.fleet[.migration] = migration.policy.exportState() }
        return states
    }

    /// Gives each policy of the manifest somebody who is told of its calls; `replica` is `nil` for
    /// those of the fleet.
    package mutating func setWitnesses(
        _ witness: (_ kind: PolicyKind, _ replica: Int?) -> PolicyWitness?
    ) {
        dispatch.witness = witness(.dispatch, nil)
        migration.policy.witness = witness(.migration, nil)
        for index in replicas.indices {
            replicas[index].batching.witness = witness(.batching, index)
            replicas[index].fairness.witness = witness(.fairness, index)
            replicas[index].residency.policy.witness = witness(.residency, index)
        }
    }

    /// How long one call of a policy may take from now on.
    package mutating func limitCalls(to budget: Duration) {
        containment.budget = budget
        dispatch.rules.budget = budget
        migration.policy.rules.budget = budget
        for replica in replicas.indices { replicas[replica].limitCalls(to: budget) }
    }

    /// The states of all policies: those of each replica in turn, then those of the fleet.
    package var policyStatuses: [PolicyStatus] {
        replicas.flatMap(\.policyStatuses) + [dispatchStatus, migrationStatus]
    }
}

extension ReplicaScheduler {
    /// Puts other policies in the places of these kinds; call it between events.
    package mutating func replacePolicies(_ policies: ReplicaPolicies, of kinds: Set<PolicyKind>) {
        let rules = configuration.containment
        if kinds.contains(.batching) {
            batching = .batching(policies.batching, rules: rules, clock: clock)
            emptyPlans = 0
        }
        if kinds.contains(.fairness) {
            fairness = .fairness(policies.fairness, rules: rules, clock: clock)
        }
        if kinds.contains(.residency) {
            residency.policy = .residency(policies.residency, rules: rules, clock: clock)
        }
    }

    mutating func exportStates(of kinds: Set<PolicyKind>) -> [PolicyKind: PolicyState] {
        var states: [PolicyKind: PolicyState] = [:]
        if kinds.contains(.batching) { states[.batching] = batching.exportState() }
        if kinds.contains(.fairness) { states[.fairness] = fairness.exportState() }
        if kinds.contains(.residency) { states[.residency] = residency.policy.exportState() }
        return states
    }

    mutating func limitCalls(to budget: Duration) {
        configuration.containment.budget = budget
        batching.rules.budget = budget
        fairness.rules.budget = budget
        residency.policy.rules.budget = budget
    }
}

extension PolicyGuard {
    /// What the policy of the manifest remembers.
    mutating func exportState() -> PolicyState? {
        guard let policy = chosen as? any Policy else { return nil }
        witness?.enter()
        defer { witness?.leave() }
        return policy.exportState()
    }
}
