// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import HTTPServing
internal import Logging
internal import LoopIO
internal import ManifestLoading
internal import PluginLoading
internal import PolicyKit

/// Moves the host from one generation to the next. Loop thread only; what blocks has a thread of its
/// own.
final class Reloader {
    /// A wish that is under way.
    struct Pending {
        var source: BuildOrder.Source
        var file: String
        var isForced: Bool
        var answer: BuildAnswer?
        var states: [CarriedState] = []
        var faults: [String] = []
        var then: (ReloadReply) -> Void
    }

    /// More copies of plugin libraries than this are worth a warning: each stays in memory.
    static let manyLibraries = 500

    /// Digests of what was rolled back that are remembered; beyond them all are forgotten.
    static let mostBad = 256

    let engine: Engine
    private let host: ServingHost
    let log: Logger
    var machine: ReloadMachine
    var history = GenerationHistory()
    var pending: [Int: Pending] = [:]
    var planned: [Int: (Candidate) -> Void] = [:]
    var candidate: Candidate?
    private var nextTicket = 1
    var bad: [String: String] = [:]
    private let builder: JobThread<BuildOrder>
    private var inbox: LoopInbox<BuildAnswer>?
    let timer: LoopTimer
    var watcher: ManifestWatcher?

    private let searchFolders: [String]

    /// The file that a signal has read again.
    var sourceFile: String

    /// How many private copies of plugin libraries are mapped.
    private(set) var loadedLibraries = 0

    /// Called when a change is begun, and when it has come to an end, good or bad.
    var onBegin: () -> Void = {}
    var onEnd: () -> Void = {}

    /// The kinds whose policies the live generation has brought.
    var watchedKinds: Set<PolicyKind> = []

    /// - Throws: `HostError` where what the manifest names cannot be listed any more.
    init(
        _ loaded: LoadedManifest, host: ServingHost, loop: EventLoop,
        trial: (preflight: Preflight?, quarantine: QuarantineList)
    ) throws(HostError) {
        engine = host.engine
        self.host = host
        log = host.log
        let facts = try GenerationFacts(loaded, from: loaded.text)
        engine.facts = facts
        engine.journalPolicies()
        sourceFile = loaded.text.file
        searchFolders = ManifestReader.searchFolders(of: loaded.document)
        machine = ReloadMachine(rules: ProbationRules(facts.manifest), digest: facts.digest)
        loadedLibraries = loaded.libraries.loadedCopies.count
        let relay = Relay()
        do {
            let inbox = try LoopInbox<BuildAnswer>(loop: loop) { relay.deliver($0) }
            self.inbox = inbox
            timer = try LoopTimer(loop: loop)
            builder = Self.thread(
                CandidateBuilder(
                    model: engine.model, replicas: engine.replicas.count,
                    searchFolders: searchFolders,
                    trial: trial, cache: loaded.libraries),
                inbox)
        } catch {
            throw HostError(.cannotStart, error.description)
        }
        history.commit(
            GenerationRecord(
                number: 1, outcome: .live, origin: .start, file: loaded.text.file,
                digest: facts.digest, at: Date().timeIntervalSince1970),
            KeptGeneration(facts: facts, loaded: loaded))
        engine.metrics.began(generation: 1, digest: facts.digest)
        engine.metrics.loaded(libraries: loadedLibraries)
        relay.deliver = { [weak self] answers in
            for answer in answers { self?.take(answer) }
        }
    }

    /// Has the thread end after what it does now, and takes no more answers.
    func close() {
        watcher?.close()
        builder.close()
        timer.close()
        inbox?.close()
        inbox = nil
    }

    var digest: String { machine.digest }
    var generation: Int { history.live }
    var liveText: ManifestText? { engine.facts?.text }

    /// Looks for changes of the manifest and what it names, and reloads by itself.
    func watch(on loop: EventLoop) throws(LoopError) {
        let watcher = try ManifestWatcher(loop: loop, pluginFolders: searchFolders, log: log) {
            [weak self] in self?.reload(by: .watch)
        }
        self.watcher = watcher
        if let facts = engine.facts { watcher.follow(facts, file: sourceFile) }
    }

    // MARK: - Wishes

    /// Reads the manifest again from where it came.
    func reload(by origin: ReloadOrigin, then: @escaping (ReloadReply) -> Void = { _ in }) {
        begin(
            ReloadWish(ticket: makeTicket(), origin: origin), .file(sourceFile), file: sourceFile,
            then: then)
    }

    /// Puts a manifest in force, or only plans it.
    ///
    /// `onPlanned` is given what was built for a plan, before `then` is called.
    func apply(
        _ text: ManifestText, _ terms: ApplyTerms, onPlanned: ((Candidate) -> Void)? = nil,
        then: @escaping (ReloadReply) -> Void
    ) {
        var wish = ReloadWish(ticket: makeTicket(), origin: .admin)
        wish.base = terms.base
        wish.isPlan = terms.isPlan
        planned[wish.ticket] = onPlanned
        begin(wish, .text(text), file: text.file, isForced: terms.isForced, then: then)
    }

    /// Goes back to a generation that has been, by default the last one that did well.
    ///
    /// - Throws: 404 where it is not kept.
    func rollBack(
        to number: Int?, then: @escaping (ReloadReply) -> Void
    ) throws(APIError) {
        guard let target = number ?? history.rollbackTarget, let kept = history[target],
            target != history.live
        else {
            let known = history.previous.map { "\($0)" }.joined(separator: ", ")
            let what = number.map { "Generation \($0) cannot come back" }
            throw APIError(
                .notFound,
                (what ?? "There is nothing to go back to")
                    + (known.isEmpty ? "." : ": there are \(known)."))
        }
        begin(
            ReloadWish(ticket: makeTicket(), origin: .rollback), .generation(kept),
            file: kept.facts.text.file, isForced: true, then: then)
    }

    /// Puts every kind on its built-in default, by nothing but a swap: no file is read, nothing is
    /// built, and no plugin is asked.
    func reset(then: @escaping (ReloadReply) -> Void) {
        guard let kept = history[history.live] else { return }
        var loaded = kept.loaded
        loaded.manifest = loaded.manifest.withBuiltInPolicies
        let facts = kept.facts.reset(loaded)
        let number = history.nextNumber
        let states = engine.resetPolicies(facts, loaded, numbered: number)
        machine.reset(to: facts.digest)
        endShadow()
        timer.cancel()
        var record = GenerationRecord(
            number: number, outcome: .live, origin: .reset, file: facts.text.file,
            digest: facts.digest, at: Date().timeIntervalSince1970)
        record.changes = GenerationComparison(from: kept.facts, to: facts).changes
        record.states = states
        history.commit(record, KeptGeneration(facts: facts, loaded: loaded))
        engine.metrics.reloaded(succeeded: true, generation: number, digest: facts.digest)
        log.warning("generation \(number): every policy is the built-in default, as was asked for")
        var reply = ReloadReply(outcome: .live, generation: number, digest: facts.digest)
        reply.changes = record.changes
        reply.states = states
        then(reply)
    }

    func begin(
        _ wish: ReloadWish, _ source: BuildOrder.Source, file: String, isForced: Bool = false,
        then: @escaping (ReloadReply) -> Void
    ) {
        pending[wish.ticket] = Pending(
            source: source, file: file, isForced: isForced, then: then)
        if !wish.isPlan { onBegin() }
        perform(machine.wish(wish))
    }

    func makeTicket() -> Int {
        defer { nextTicket += 1 }
        return nextTicket
    }

    // MARK: - Actions

    func perform(_ actions: [ReloadMachine.Action]) {
        for action in actions {
            switch action {
            case .build(let wish): build(wish)
            case .commit(let wish): commit(wish)
            case .answer(let wish, let answer): reply(to: wish, answer)
            case .rollBack(let reason): takeBack(because: reason)
            case .settle: settle()
            }
        }
    }

    private func build(_ wish: ReloadWish) {
        guard let wanted = pending[wish.ticket], let facts = engine.facts else { return }
        builder.post(
            BuildOrder(
                ticket: wish.ticket, source: wanted.source, live: facts, bad: bad,
                isForced: wanted.isForced))
    }

    private func take(_ answer: BuildAnswer) {
        loadedLibraries = answer.loadedLibraries
        engine.metrics.loaded(libraries: loadedLibraries)
        if loadedLibraries == Self.manyLibraries {
            log.warning(
                """
                \(loadedLibraries) builds of plugin libraries are in memory, where they stay: start \
                the host anew when it suits
                """)
        }
        pending[answer.ticket]?.answer = answer
        switch answer.outcome {
        case .built(let built):
            candidate = built
            perform(machine.built(.candidate))
        case .unchanged: perform(machine.built(.unchanged))
        case .refused: perform(machine.built(.refused))
        }
    }

    private func commit(_ wish: ReloadWish) {
        guard let candidate else { return }
        self.candidate = nil
        if let lack = engine.lack(for: candidate) {
            let refusal = BuildOutcome.Refusal(
                stage: .commit, message: lack, digest: candidate.facts.digest)
            pending[wish.ticket]?.answer?.outcome = .refused(refusal)
            return perform(machine.commitFailed())
        }
        let start = EventLoop.now
        let before = health
        let states = engine.carryStates(into: candidate)
        let number = history.nextNumber
        host.adopt(candidate.facts.manifest, candidate.keys, candidate.shares)
        let faults = engine.commit(candidate, numbered: number)
        engine.tokenGaps.removeAll()
        if !candidate.comparison.kinds.isEmpty { endShadow() }
        pending[wish.ticket]?.states = states
        pending[wish.ticket]?.faults = faults
        pending[wish.ticket]?.answer?.stages.append(
            StageTime(stage: .commit, seconds: Double(EventLoop.now &- start) / 1e9))
        note(candidate, wish, number)
        machine.rules = ProbationRules(candidate.facts.manifest)
        watchedKinds = candidate.comparison.kinds
        machine.committed(candidate.facts.digest, health: before, at: Self.seconds)
        if machine.isOnProbation { startProbation() }
        watcher?.follow(candidate.facts, file: sourceFile)
        let committed = EventLoop.now
        if engine.unacknowledged.isEmpty { return acknowledged(wish, since: committed) }
        engine.onAcknowledged = { [weak self] in self?.acknowledged(wish, since: committed) }
    }

    private func acknowledged(_ wish: ReloadWish, since committed: UInt64) {
        pending[wish.ticket]?.answer?.stages.append(
            StageTime(stage: .acknowledge, seconds: Double(EventLoop.now &- committed) / 1e9))
        perform(machine.acknowledged())
    }

    // MARK: - Inside

    private static func thread(
        _ builder: CandidateBuilder, _ inbox: LoopInbox<BuildAnswer>
    ) -> JobThread<BuildOrder> {
        let handover = BuilderHandover(builder: builder)
        return JobThread(name: "reload") { orders in
            var builder = handover.builder
            while let order = orders.next() { inbox.post(builder.answer(order)) }
        }
    }

    private final class Relay {
        var deliver: ([BuildAnswer]) -> Void = { _ in }
    }
}

/// The builder on its way to its thread.
///
/// Safety of the unchecked conformance: whoever makes it keeps nothing of it.
private nonisolated struct BuilderHandover: @unchecked Sendable {
    let builder: CandidateBuilder
}
