// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import HTTPServing
internal import Logging
internal import ManifestLoading
internal import ModelLoading
internal import PolicyKit
internal import Scheduling

/// What became of what a kind's policies remembered.
nonisolated package struct CarriedState: Codable, Sendable, Equatable {
    package enum Fate: String, Codable, Sendable {
        /// The new policies took it.
        case carried
        /// They begin afresh.
        case lost
        /// There was none to carry.
        case none
    }

    package var kind: String
    package var instance: String
    package var fate: Fate
    /// The layout that was carried, or why it was lost.
    package var detail: String
}

// A generation takes the place of another in one turn of the loop. Queues, pages, streams and steps
// under way belong to the host and are not touched.
extension Engine {
    /// Why the host has no room for a candidate, or `nil`.
    func lack(for candidate: Candidate) -> String? {
        for mixture in candidate.mixtures {
            if let lack = lack(for: mixture) { return "mixture '\(mixture.name)': \(lack)" }
        }
        let pinned = Set(candidate.facts.adapters.filter(\.isPinned).map(\.name))
        let bytes = adapterBytes(with: candidate)
        let held = pinned.reduce(0) { $0 + (bytes[$1] ?? 0) }
        let budgets = fleet.replicas.map(\.residency.budgetBytes)
        guard let most = budgets.max() else { return nil }
        for (name, needed) in bytes.sorted(by: { $0.key < $1.key }) {
            let free = most - held + (pinned.contains(name) ? needed : 0)
            if needed > free {
                return "adapter '\(name)' takes \(needed) bytes and a replica has \(free) beside "
                    + "the pinned ones: raise replicas.adapterMemory, or pin fewer"
            }
        }
        return nil
    }

    private func adapterBytes(with candidate: Candidate) -> [String: Int] {
        let removed = Set(candidate.comparison.removedAdapters)
        var bytes: [String: Int] = [:]
        for entry in catalog.entries where !removed.contains(entry.name) {
            bytes[entry.name] = entry.byteCount
        }
        for adapter in candidate.adapters {
            bytes[adapter.weights.name] = adapter.weights.byteCount
        }
        for mixture in candidate.mixtures { bytes[mixture.name] = mixture.byteCount }
        return bytes
    }

    /// What becomes of what policies remember, by trying it on the candidate's, which take it.
    func carryStates(into candidate: Candidate) -> [CarriedState] {
        let kinds = candidate.comparison.kinds
        let states = fleet.exportStates(of: kinds)
        return PolicyKind.pipeline.filter(kinds.contains).map { kind in
            carry(kind, of: states, into: candidate)
        }
    }

    private func carry(
        _ kind: PolicyKind, of states: PolicyStates, into candidate: Candidate
    ) -> CarriedState {
        let selection = candidate.facts.manifest.selection(of: kind)
        func fate(_ fate: CarriedState.Fate, _ detail: String) -> CarriedState {
            CarriedState(
                kind: kind.rawValue, instance: selection.name, fate: fate, detail: detail)
        }
        let exported: [PolicyState?] =
            switch kind {
            case .dispatch, .migration: [states.fleet[kind]]
            default: states.replicas.map { $0[kind] }
            }
        guard let some = exported.lazy.compactMap({ $0 }).first else { return fate(.none, "") }
        let live = facts?.policies[kind]?.type
        guard live == selection.type else {
            return fate(.lost, "\(live ?? "the policy before") is of another type")
        }
        for (state, heir) in zip(exported, candidate.policies.instances(of: kind)) {
            guard let state, let heir else { continue }
            do throws(PolicyError) {
                try heir.importState(state)
            } catch {
                return fate(.lost, error.description)
            }
        }
        return fate(.carried, some.schema)
    }

    /// Puts a candidate in force.
    ///
    /// - Returns: what could not be done of it, which the log has too.
    func commit(_ candidate: Candidate, numbered number: Int) -> [String] {
        let now = Self.now
        let spec = candidate.facts.manifest.spec
        fleet.replacePolicies(candidate.policies, at: now)
        for kind in candidate.comparison.kinds {
            for replica in replicas.indices { reported["\(replica)/\(kind.rawValue)"] = nil }
        }
        fleet.limitCalls(to: spec.plugins.budget.value)
        fleet.limits.queue = spec.limits.queue.value
        let assembly = PolicyAssembly(candidate.loaded)
        makeGating = { selection throws(HostError) in try assembly.gating(selection) }
        facts = candidate.facts
        generation = number
        journalPolicies()
        let faults = changeAdapters(candidate, at: now)
        unacknowledged = Set(replicas.indices)
        advance()
        return faults
    }

    /// Puts every kind of the pipeline on its built-in default at once, and lets mixtures follow.
    ///
    /// - Returns: what was lost by it.
    func resetPolicies(
        _ facts: GenerationFacts, _ loaded: LoadedManifest, numbered number: Int
    ) -> [CarriedState] {
        let kinds = Set(PolicyKind.pipeline)
        let names = self.facts?.policies ?? [:]
        fleet.replacePolicies(
            PolicyReplacement(
                of: kinds, replicas: replicas.map { _ in ReplicaPolicies() },
                fleet: FleetPolicies()), at: Self.now)
        reported = [:]
        self.facts = facts
        generation = number
        let assembly = PolicyAssembly(loaded)
        makeGating = { selection throws(HostError) in try assembly.gating(selection) }
        for mixture in loaded.manifest.spec.mixtures {
            let name = mixture.name.value
            let selection = loaded.manifest.gating(of: mixture)
            guard let served = mixtures[name], served.gating != selection else { continue }
            mixtures[name]?.gating = selection
            renew(name) {}
        }
        advance()
        return PolicyKind.pipeline.compactMap { kind in
            guard let was = names[kind], was.type != facts.policies[kind]?.type else { return nil }
            return CarriedState(
                kind: kind.rawValue, instance: was.name, fate: .lost,
                detail: "the built-in default begins afresh")
        }
    }

    /// A replica has planned, or has nothing to plan, since policies were last replaced.
    func acknowledge(_ replica: Int) {
        guard unacknowledged.remove(replica) != nil, unacknowledged.isEmpty else { return }
        let onAcknowledged = onAcknowledged
        self.onAcknowledged = nil
        onAcknowledged?()
    }

    // MARK: - Adapters and mixtures

    private func changeAdapters(_ candidate: Candidate, at now: Instant) -> [String] {
        let created = Int(Date().timeIntervalSince1970)
        var faults: [String] = []
        func attempt(_ name: String, _ add: () throws(APIError) -> Void) {
            do throws(APIError) {
                try add()
            } catch {
                faults.append("'\(name)': \(error.message)")
                log.error("'\(name)' could not be served: \(error.message)")
            }
        }
        for name in candidate.comparison.removedMixtures {
            mixtures[name] = nil
            remove(adapter: name)
        }
        for name in candidate.comparison.removedAdapters { remove(adapter: name) }
        for adapter in candidate.adapters {
            attempt(adapter.weights.name) { () throws(APIError) in
                try add(
                    CheckedWeights(adapter.weights, from: adapter.source),
                    isPinned: adapter.isPinned, at: created)
            }
        }
        faults += changeTerms(candidate, at: now)
        for var mixture in candidate.mixtures {
            for index in mixture.source.experts.indices {
                let name = mixture.source.experts[index].name
                mixture.source.experts[index].generation = catalog[name]?.generation ?? 1
            }
            attempt(mixture.name) { () throws(APIError) in try add(mixture, at: created) }
        }
        return faults
    }

    /// Pins, lets go and weighs anew what stays.
    private func changeTerms(_ candidate: Candidate, at now: Instant) -> [String] {
        var faults: [String] = []
        for adapter in candidate.comparison.changedTerms {
            guard let entry = catalog[adapter.name] else { continue }
            let terms = AdapterTerms(isPinned: adapter.isPinned, weight: adapter.share.weight)
            if let refusal = fleet.change(entry.id, to: terms, at: now) {
                faults.append("'\(adapter.name)' cannot be pinned: \(refusal)")
                continue
            }
            catalog.count(entry.id) { $0.isPinned = adapter.isPinned }
        }
        for mixture in candidate.facts.manifest.spec.mixtures {
            guard let entry = catalog[mixture.name.value] else { continue }
            let terms = AdapterTerms(isPinned: false, weight: mixture.share.weight.value)
            _ = fleet.change(entry.id, to: terms, at: now)
        }
        return faults
    }
}

extension PolicyReplacement {
    /// The policies of a kind: one for each replica, or the one of the fleet.
    fileprivate func instances(of kind: PolicyKind) -> [(any Policy)?] {
        switch kind {
        case .batching: replicas.map { $0.batching?.policy }
        case .fairness: replicas.map { $0.fairness?.policy }
        case .residency: replicas.map { $0.residency?.policy }
        case .dispatch: [fleet.dispatch?.policy]
        case .migration: [fleet.migration?.policy]
        default: []
        }
    }
}
