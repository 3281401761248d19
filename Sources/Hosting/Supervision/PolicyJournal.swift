// SPDX-License-Identifier: Apache-2.0

internal import LoopIO
internal import ManifestLoading
internal import PolicyKit
internal import Scheduling
package import Supervision

/// The name under which the crash journal knows a policy: what tells it from all others, so that a
/// rebuilt one is another.
nonisolated struct JournalName: Sendable, Equatable {
    var kind: String
    var instance: String
    var type: String
    var build: String

    init(kind: PolicyKind, _ identity: PolicyIdentity) {
        self.kind = kind.rawValue
        instance = identity.name
        type = identity.type
        build = identity.build ?? "built in"
    }

    var text: String { "\(kind) policy '\(instance)' (\(type), \(build))" }
}

extension Engine {
    /// Writes into the journal when a policy of the manifest is entered and left, from now on and
    /// under the names of the live generation.
    func journalPolicies() {
        guard let journal, let facts else { return }
        let thread = CrashJournal.loopThread
        var names: [String] = []
        fleet.setWitnesses { kind, _ in
            guard let identity = facts.policies[kind], identity.build != nil else { return nil }
            let name = JournalName(kind: kind, identity).text
            // Replicas share a name, as they share the code.
            let index = names.firstIndex(of: name) ?? names.count
            if index == names.count { names.append(name) }
            guard index < CrashJournal.mostNames else { return nil }
            journal.name(index, name)
            return PolicyWitness(
                enter: { journal.enter(index, thread: thread, at: EventLoop.now) },
                leave: { journal.leave(thread: thread) })
        }
    }
}

/// The policies that are not used, as they have brought a host down.
nonisolated package struct QuarantineList: Sendable {
    package private(set) var quarantines: [Quarantine]

    package init(_ quarantines: [Quarantine] = []) { self.quarantines = quarantines }

    /// Puts the built-in default in the place of each policy that is quarantined. A mixture whose gate
    /// is goes out of service, as another gate would give other answers.
    ///
    /// - Returns: what was replaced.
    func apply(to loaded: inout LoadedManifest) -> [Quarantine] {
        guard !quarantines.isEmpty else { return [] }
        var replaced: [Quarantine] = []
        for kind in PolicyKind.pipeline {
            let identity = PolicyIdentity(
                loaded.manifest.selection(of: kind), in: loaded.registry)
            let name = JournalName(kind: kind, identity).text
            guard let found = quarantines.first(where: { $0.name == name }) else { continue }
            loaded.manifest = loaded.manifest.withBuiltInPolicy(of: kind)
            replaced.append(found)
        }
        for mixture in loaded.manifest.spec.mixtures {
            let selection = loaded.manifest.gating(of: mixture)
            let name = JournalName(
                kind: .gating, PolicyIdentity(selection, in: loaded.registry)
            ).text
            guard let found = quarantines.first(where: { $0.name == name }) else { continue }
            loaded.manifest.spec.mixtures.removeAll { $0.name == mixture.name }
            loaded.outOfService.append(
                ServedMixture(
                    name: mixture.name.value, experts: mixture.experts.map(\.value),
                    gating: selection, fault: "its gate is set aside, as \(found.reason)"))
            replaced.append(found)
        }
        return replaced
    }
}
