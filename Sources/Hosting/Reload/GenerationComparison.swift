// SPDX-License-Identifier: Apache-2.0

internal import ManifestLoading
internal import PolicyKit

/// What changes from one generation to another.
nonisolated struct GenerationComparison {
    private(set) var changes: [ManifestChange] = []

    /// The kinds of the pipeline whose policies change, be it their code alone.
    private(set) var kinds: Set<PolicyKind> = []

    /// Adapters to be opened, by what they are or by what their files hold.
    private(set) var openedAdapters: [DeclaredAdapter] = []
    private(set) var removedAdapters: [String] = []

    /// Adapters that stay and are pinned, let go or weighed anew.
    private(set) var changedTerms: [DeclaredAdapter] = []

    /// Mixtures to be opened, for their gate, their experts or an expert's weights.
    private(set) var openedMixtures: Set<String> = []
    private(set) var removedMixtures: [String] = []

    /// Whether other policy tests are named, or these have changed.
    private let testsChange: Bool

    init(from old: GenerationFacts, to new: GenerationFacts) {
        testsChange =
            old.manifest.spec.tests != new.manifest.spec.tests
            || !new.manifest.spec.tests.isEmpty && old.files != new.files
        for setting in ManifestSettings.all { compare(setting, old.manifest, new.manifest) }
        for kind in PolicyKind.pipeline { comparePolicies(kind, old, new) }
        compareAdapters(old.adapters, new.adapters)
        compareMixtures(old, new)
        for (file, stamp) in new.files.sorted(by: { $0.key < $1.key })
        where old.files[file].map({ $0 != stamp }) ?? false {
            note(.rebuilt, "file \(file)", "it has changed", nil)
        }
    }

    /// Whether code is to be run that has not run with these words.
    var needsTrial: Bool {
        !kinds.isEmpty || !openedMixtures.isEmpty || testsChange
    }

    /// The changes that only a new start brings about.
    var restarts: [ManifestChange] { changes.filter(\.needsRestart) }

    private mutating func note(
        _ sign: ManifestChange.Sign, _ item: String, _ text: String, _ position: SourcePosition?,
        needsRestart: Bool = false
    ) {
        changes.append(
            ManifestChange(
                sign: sign, item: item, text: text, needsRestart: needsRestart,
                line: position?.line, column: position?.column))
    }

    // MARK: - Parts

    private mutating func compare(
        _ setting: ManifestSetting, _ old: Manifest, _ new: Manifest
    ) {
        let (before, after) = (setting.text(old), setting.text(new))
        guard before != after else { return }
        note(
            .changed, setting.path, "\(before) → \(after)", setting.position(new),
            needsRestart: setting.needsRestart)
    }

    private mutating func comparePolicies(
        _ kind: PolicyKind, _ old: GenerationFacts, _ new: GenerationFacts
    ) {
        guard let before = old.policies[kind], let after = new.policies[kind], before != after
        else { return }
        kinds.insert(kind)
        notePolicies(kind.rawValue, before, after, new.manifest.selection(of: kind).position)
    }

    private mutating func notePolicies(
        _ item: String, _ old: PolicyIdentity, _ new: PolicyIdentity, _ position: SourcePosition?
    ) {
        if old.type != new.type {
            return note(.changed, item, "\(old.type) → \(new.type)", position)
        }
        if old.name != new.name {
            note(.changed, item, "instance \(old.name) → \(new.name)", position)
        }
        let names = Set(old.parameters.keys).union(new.parameters.keys).sorted()
        for name in names where old.parameters[name] != new.parameters[name] {
            let before = old.parameters[name]?.text ?? "default"
            let after = new.parameters[name]?.text ?? "default"
            note(.changed, "\(item) \(new.name).\(name)", "\(before) → \(after)", position)
        }
        if old.isolatedMemory != new.isolatedMemory {
            note(.changed, "\(item) \(new.name)", "\(old.place) → \(new.place)", position)
        }
        if old.build != new.build {
            note(.rebuilt, "\(item) \(new.type)", Self.rebuilt(old, new), position)
        } else if old.files != new.files {
            note(.rebuilt, "\(item) \(new.type)", "its files have changed", position)
        }
    }

    private static func rebuilt(_ old: PolicyIdentity, _ new: PolicyIdentity) -> String {
        let versions =
            old.version == new.version ? new.version : "\(old.version) → \(new.version)"
        return "\(versions), library \(old.build ?? "built in") → \(new.build ?? "built in")"
    }

    private mutating func compareAdapters(_ old: [DeclaredAdapter], _ new: [DeclaredAdapter]) {
        let before = Dictionary(old.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        for adapter in new {
            let item = "adapter \(adapter.name)"
            guard let was = before[adapter.name] else {
                openedAdapters.append(adapter)
                note(.added, item, adapter.source.root, adapter.position)
                continue
            }
            if was.source != adapter.source {
                openedAdapters.append(adapter)
                let text = "\(was.source.root) → \(adapter.source.root)"
                note(.changed, item, text, adapter.position)
            } else if was.stamps != adapter.stamps {
                openedAdapters.append(adapter)
                note(.rebuilt, item, "its files have changed", adapter.position)
            }
            guard was.isPinned != adapter.isPinned || was.share != adapter.share else { continue }
            if was.hasWeights(of: adapter) { changedTerms.append(adapter) }
            note(.changed, item, "\(was.terms) → \(adapter.terms)", adapter.position)
        }
        let names = Set(new.map(\.name))
        for adapter in old where !names.contains(adapter.name) {
            removedAdapters.append(adapter.name)
            note(.removed, "adapter \(adapter.name)", "", nil)
        }
    }

    private mutating func compareMixtures(_ old: GenerationFacts, _ new: GenerationFacts) {
        let before = Dictionary(
            old.manifest.spec.mixtures.map { ($0.name.value, $0) },
            uniquingKeysWith: { first, _ in first })
        let touched = Set(openedAdapters.map(\.name)).union(removedAdapters)
        for mixture in new.manifest.spec.mixtures {
            let name = mixture.name.value
            let item = "mixture \(name)"
            guard let was = before[name], let gate = old.gates[name] else {
                openedMixtures.insert(name)
                note(.added, item, mixture.expertsText, mixture.name.position)
                continue
            }
            if was.experts != mixture.experts {
                openedMixtures.insert(name)
                note(
                    .changed, item, "\(was.expertsText) → \(mixture.expertsText)",
                    mixture.name.position)
            } else if mixture.experts.contains(where: { touched.contains($0.value) }) {
                openedMixtures.insert(name)
                note(.rebuilt, item, "an expert has changed", mixture.name.position)
            }
            if let newGate = new.gates[name], newGate != gate {
                openedMixtures.insert(name)
                notePolicies("\(item) gating", gate, newGate, mixture.gating.position)
            }
            if was.share != mixture.share {
                note(.changed, item, "its share of service", mixture.name.position)
            }
        }
        let names = Set(new.manifest.spec.mixtures.map(\.name.value))
        for name in before.keys.sorted() where !names.contains(name) {
            removedMixtures.append(name)
            note(.removed, "mixture \(name)", "", nil)
        }
    }
}

nonisolated extension PolicyIdentity {
    /// Where it runs.
    fileprivate var place: String {
        isolatedMemory.map { "in a process of \($0.bytes >> 20) MiB" } ?? "in the host"
    }
}

nonisolated extension DeclaredAdapter {
    /// What the manifest says of it beside its weights.
    fileprivate var terms: String {
        let service = share.serviceClass.map { ", class \($0)" } ?? ""
        return "\(isPinned ? "pinned" : "not pinned"), weight \(share.weight)\(service)"
    }
}

nonisolated extension Manifest.Mixture {
    fileprivate var expertsText: String {
        "[\(experts.map(\.value).joined(separator: ", "))]"
    }
}

nonisolated extension ParameterValue {
    /// As people read it.
    fileprivate var text: String {
        switch self {
        case .boolean(let value): "\(value)"
        case .integer(let value): "\(value)"
        case .number(let value): "\(value)"
        case .string(let value): value
        case .duration(let value): "\(value)"
        case .size(let value): "\(value.bytes) B"
        @unknown default: "\(self)"
        }
    }
}
