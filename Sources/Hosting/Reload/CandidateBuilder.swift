// SPDX-License-Identifier: Apache-2.0

internal import LoopIO
internal import ManifestLoading
internal import ModelLoading
internal import PluginLoading
internal import PolicyKit
internal import Scheduling

/// What is to be built, and what it is compared with.
nonisolated struct BuildOrder: Sendable {
    enum Source: Sendable {
        /// The file is read when it is this order's turn.
        case file(String)
        case text(ManifestText)
        /// A generation that has been, with the code that it had.
        case generation(KeptGeneration)
    }

    var ticket: Int
    var source: Source
    var live: GenerationFacts
    /// Digests that were rolled back, with the reason; they are refused.
    var bad: [String: String] = [:]
    /// Whether it is built though its digest is that of the live generation.
    var isForced = false
}

/// A generation that may come back.
nonisolated struct KeptGeneration: Sendable {
    let facts: GenerationFacts
    let loaded: LoadedManifest
}

/// An order that was carried out.
nonisolated struct BuildAnswer: Sendable {
    var ticket: Int
    var outcome: BuildOutcome
    var stages: [StageTime]
    /// Private copies of plugin libraries that are mapped.
    var loadedLibraries: Int
}

/// Builds candidates, on a thread of its own: reading, trying, loading and opening all block.
nonisolated struct CandidateBuilder {
    let model: ServedModel
    let replicas: Int

    /// The folders that plugins may come from, as they were at the start.
    let searchFolders: [String]

    /// `nil` builds without a trial.
    let preflight: Preflight?

    /// Policies that are not used unless somebody insists.
    let quarantine: QuarantineList

    private var cache: LibraryCache
    private var stages: [StageTime] = []
    private var isTried = false

    init(
        model: ServedModel, replicas: Int, searchFolders: [String],
        trial: (preflight: Preflight?, quarantine: QuarantineList), cache: LibraryCache
    ) {
        self.model = model
        self.replicas = replicas
        self.searchFolders = searchFolders
        self.preflight = trial.preflight
        self.quarantine = trial.quarantine
        self.cache = cache
    }

    /// Carries out an order.
    mutating func answer(_ order: BuildOrder) -> BuildAnswer {
        stages = []
        isTried = false
        let outcome: BuildOutcome
        do throws(BuildOutcome.Refusal) {
            outcome = try build(order)
        } catch {
            outcome = .refused(error)
        }
        return BuildAnswer(
            ticket: order.ticket, outcome: outcome, stages: stages,
            loadedLibraries: cache.loadedCopies.count)
    }

    private mutating func build(_ order: BuildOrder) throws(BuildOutcome.Refusal) -> BuildOutcome {
        let loaded: LoadedManifest
        let facts: GenerationFacts
        if case .generation(let kept) = order.source {
            (loaded, facts) = (
                kept.loaded,
                try stage(.read) { _ throws(HostError) in
                    try GenerationFacts(kept.loaded, from: kept.facts.text)
                }
            )
            isTried = true
        } else {
            let text = try stage(.read) { builder throws(HostError) in
                try builder.text(of: order.source)
            }
            (loaded, facts) = try validated(text, isForced: order.isForced)
        }
        if facts.digest == order.live.digest, !order.isForced { return .unchanged }
        if let reason = order.bad[facts.digest], !order.isForced {
            throw refusal(
                .validate,
                "this was tried and rolled back: \(reason); change it, or apply it "
                    + "with --force", facts.digest)
        }
        let comparison = GenerationComparison(from: order.live, to: facts)
        let restarts = comparison.restarts
        guard restarts.isEmpty else {
            var refusal = refusal(
                .validate, Self.message(of: restarts, in: facts.text.file), facts.digest)
            refusal.changes = comparison.changes
            throw refusal
        }
        if comparison.needsTrial {
            try tryOut(facts.text, facts.digest)
        }
        return .built(
            try stage(.build, facts.digest) { builder throws(HostError) in
                try builder.candidate(loaded, facts, comparison)
            })
    }

    /// Loads what the manifest needs, after a trial where a library is new, and checks it whole.
    private mutating func validated(
        _ text: ManifestText, isForced: Bool
    ) throws(BuildOutcome.Refusal) -> (LoadedManifest, GenerationFacts) {
        let document = text.document
        let hasNewLibraries = try stage(.validate) { builder throws(HostError) in
            try builder.checkFolders(of: document)
            return builder.hasNewLibraries(for: document)
        }
        if hasNewLibraries { try tryOut(text, nil) }
        return try stage(.validate) { builder throws(HostError) in
            var loaded = try ManifestReader.load(text, cache: &builder.cache)
            if !isForced { _ = builder.quarantine.apply(to: &loaded) }
            return (loaded, try GenerationFacts(loaded, from: text))
        }
    }

    private func text(of source: BuildOrder.Source) throws(HostError) -> ManifestText {
        switch source {
        case .file(let path): try ManifestText(contentsOf: path)
        case .text(let text): text
        case .generation(let kept): kept.facts.text
        }
    }

    /// Plugins come only from the folders of the start, whoever sends the manifest.
    private func checkFolders(of document: ManifestDocument) throws(HostError) {
        let strange = ManifestReader.searchFolders(of: document).filter {
            !searchFolders.contains($0)
        }
        guard !strange.isEmpty else { return }
        throw HostError([
            document.diagnostic(
                "the host started without the folder \(strange.joined(separator: ", ")), and loads "
                    + "plugins only from \(searchFolders.joined(separator: ", ")): start it anew",
                at: nil, path: "spec.plugins.search")
        ])
    }

    private func hasNewLibraries(for document: ManifestDocument) -> Bool {
        // A folder that cannot be read is a fault that validation reports with its position.
        let new = try? cache.unknown(in: ManifestReader.searchFolders(of: document))
        return !(new ?? []).isEmpty
    }

    private mutating func tryOut(
        _ text: ManifestText, _ digest: String?
    ) throws(BuildOutcome.Refusal) {
        guard let preflight, !isTried else { return }
        isTried = true
        try stage(.preflight, digest) { _ throws(HostError) in try preflight.run(text) }
    }

    // MARK: - Building

    private func candidate(
        _ loaded: LoadedManifest, _ facts: GenerationFacts, _ comparison: GenerationComparison
    ) throws(HostError) -> Candidate {
        let assembly = PolicyAssembly(loaded)
        var sets: [ReplicaPolicies] = []
        for replica in 0..<replicas {
            sets.append(try assembly.replicaPolicies(of: replica, comparison.kinds))
        }
        var fleet = FleetPolicies()
        if comparison.kinds.contains(.dispatch) { fleet.dispatch = try assembly.dispatch(seed: 0) }
        if comparison.kinds.contains(.migration) {
            fleet.migration = try assembly.migration(seed: 0)
        }
        let opening = ModelOpening(loaded: loaded, threads: 1, created: 0)
        let opened = try opening.open(comparison.openedAdapters, for: model)
        return Candidate(
            facts: facts, loaded: loaded, comparison: comparison,
            policies: PolicyReplacement(of: comparison.kinds, replicas: sets, fleet: fleet),
            adapters: opened, mixtures: try mixtures(opening, opened, facts, comparison),
            keys: try KeyRing(facts.manifest), shares: ServiceShares(facts))
    }

    private func mixtures(
        _ opening: ModelOpening, _ opened: [OpenedAdapter], _ facts: GenerationFacts,
        _ comparison: GenerationComparison
    ) throws(HostError) -> [OpenedMixture] {
        let wanted = comparison.openedMixtures
        let names = facts.adapters.map(\.name)
        var experts = Set(
            facts.manifest.spec.mixtures.filter { wanted.contains($0.name.value) }
                .flatMap { $0.experts.map(\.value) })
        experts.subtract(opened.map(\.weights.name))
        let others = try opening.open(
            facts.adapters.filter { experts.contains($0.name) }, for: model)
        return try opening.mixtures(of: opened + others, among: names, for: model) {
            wanted.contains($0)
        }
    }

    // MARK: - Stages

    private mutating func stage<Value>(
        _ stage: ReloadStage, _ digest: String? = nil,
        _ body: (inout CandidateBuilder) throws(HostError) -> Value
    ) throws(BuildOutcome.Refusal) -> Value {
        let start = EventLoop.now
        defer { note(stage, since: start) }
        do throws(HostError) {
            return try body(&self)
        } catch {
            throw refusal(stage, error.description, digest)
        }
    }

    private mutating func note(_ stage: ReloadStage, since start: UInt64) {
        let seconds = Double(EventLoop.now &- start) / 1e9
        if let index = stages.firstIndex(where: { $0.stage == stage }) {
            stages[index].seconds += seconds
        } else {
            stages.append(StageTime(stage: stage, seconds: seconds))
        }
    }

    private func refusal(
        _ stage: ReloadStage, _ message: String, _ digest: String?
    ) -> BuildOutcome.Refusal {
        BuildOutcome.Refusal(stage: stage, message: message, digest: digest)
    }

    private static func message(of restarts: [ManifestChange], in file: String) -> String {
        restarts.map { change in
            let place = change.line.map { ":\($0):\(change.column ?? 1)" } ?? ""
            return "\(file)\(place): error: spec.\(change.item): \(change.text): only a new start "
                + "of the host can change this"
        }.joined(separator: "\n")
    }
}
