// SPDX-License-Identifier: Apache-2.0

internal import Inference
internal import LoopIO
internal import ModelLoading
internal import PolicyKit

/// Runs steps of a calibration on a compute thread as the engine has them, each handed over while the one
/// before it is at its output head.
final class StepRunner {
    /// A step that has ended.
    struct Run {
        /// The index of its design.
        var design: Int
        var time: Double
        var head: Double

        /// From the end of the pass before it, in which so many tokens were drawn.
        var overhead: Double
        var drawn: Int
    }

    private let loop: EventLoop
    private let model: ServedModel
    private let compute: ReplicaCompute
    private var inbox: LoopInbox<EngineMessage>?
    let loader: AdapterLoader

    /// What steps use.
    var adapters: [PackedAdapter] = []
    var merged: MergedModel?

    private var next = 0
    private var underWay: [Int] = []
    private var drawn = 0
    private var number = 0
    private var designs: [StepDesign] = []
    private var order: [Int] = []
    private var isAhead = true
    private var runs: [Run] = []
    private var failure: HostError?
    private var onTransfer: ((EngineMessage) -> Void)?

    /// Starts the compute thread of the first replica and the one that loads adapters.
    init(_ parts: EngineParts, loop: EventLoop) throws(HostError) {
        self.loop = loop
        model = parts.model
        let relay = Relay()
        let inbox: LoopInbox<EngineMessage>
        do {
            inbox = try LoopInbox(loop: loop) { relay.deliver($0) }
        } catch {
            throw HostError(.cannotStart, error.description)
        }
        self.inbox = inbox
        loader = AdapterLoader(model: parts.model, inbox: inbox)
        compute = ReplicaCompute(
            index: 0, model: parts.model,
            ExecutorParts(configuration: parts.executors[0], pool: parts.pool), inbox: inbox)
        relay.deliver = { [weak self] messages in
            for message in messages { self?.take(message) }
        }
    }

    /// Lets the threads end; a second call does nothing.
    func close() {
        guard inbox != nil else { return }
        compute.close()
        loader.close()
        inbox?.close()
        inbox = nil
    }

    /// Runs the steps of `designs` in this order on the first replica.
    func run(
        _ order: [Int], of designs: [StepDesign], isAhead: Bool = true
    ) throws(HostError) -> [Run] {
        guard !order.isEmpty else { return [] }
        self.designs = designs
        self.order = order
        self.isAhead = isAhead
        runs = []
        next = 0
        underWay = []
        drawn = 0
        number = 0
        start()
        loop.run()
        if let failure { throw failure }
        return runs
    }

    /// Builds a merged copy while nothing else runs.
    func merge(_ adapter: PackedAdapter) throws(HostError) -> (MergedModel, Double) {
        compute.build(MergeJob(adapter: AdapterID(rawValue: 1), packed: adapter))
        guard case .merged(_, let result) = try transfer() else { throw Self.lost }
        do {
            return (try result.model.get(), result.time.seconds)
        } catch {
            throw HostError(.cannotStart, error.description)
        }
    }

    /// Loads an adapter while nothing else runs.
    func load(_ entry: CatalogEntry) throws(HostError) -> (PackedAdapter, Double) {
        loader.load(entry, for: ReplicaID(rawValue: 0))
        guard case .packed(let load) = try transfer() else { throw Self.lost }
        do {
            return (try load.packed.get(), load.time.seconds)
        } catch {
            throw HostError(.cannotStart, error.description)
        }
    }

    private static let lost = HostError(.cannotStart, "a thread gave no answer")

    /// Waits for the answer of a thread.
    private func transfer() throws(HostError) -> EngineMessage {
        var answer: EngineMessage?
        onTransfer = { [loop] message in
            answer = message
            loop.stop()
        }
        defer { onTransfer = nil }
        loop.run()
        guard let answer else { throw Self.lost }
        return answer
    }

    // MARK: - Steps

    private func take(_ message: EngineMessage) {
        switch message {
        case .nearlyStepped: if isAhead { start() }
        case .stepped(_, let result): ended(result)
        default: onTransfer?(message)
        }
    }

    private func ended(_ result: StepResult) {
        let index = underWay.removeFirst()
        switch result.output {
        case .success(let output):
            runs.append(
                Run(
                    design: index, time: output.times.total.seconds,
                    head: output.times.head.seconds, overhead: result.overhead.seconds,
                    drawn: drawn))
            drawn = designs[index].sequences
        case .failure(let error):
            failure = failure ?? HostError(.cannotStart, "a step failed: \(error)")
        }
        if !isAhead { start() }
        if underWay.isEmpty { loop.stop() }
    }

    /// Hands the replica its next step.
    private func start() {
        guard failure == nil, next < order.count else { return }
        let index = order[next]
        next += 1
        underWay.append(index)
        number += 1
        var job = StepJob(number: number, isAhead: isAhead && number > 1)
        job.followsAtOnce = number > 1
        do {
            job.rows = try rows(of: designs[index])
            if designs[index].isMerged, let merged { job.weights = .merged(merged) }
        } catch {
            job.fault = InferenceError(.invalidStep, error.description)
        }
        compute.start(job)
    }

    private func rows(of design: StepDesign) throws(SamplingError) -> [StepRow] {
        var page = Int32(design.firstPage)
        var rows: [StepRow] = []
        for index in 0..<design.sequences {
            let isDecode = index < design.decodes
            let position = isDecode ? design.context : design.promptPosition
            let count = isDecode ? 1 : design.promptTokens
            let pages = Int32(ExecutorConfiguration.pages(for: position + count))
            let chunk = SequenceChunk(
                tokens: (0..<count).map { token(index &* 7919 &+ $0 &* 104_729) },
                position: position, pages: Array(page..<page + pages),
                adapters: design.isMerged || design.adapters == 0
                    ? [] : [AdapterUse(adapters[index % design.adapters])])
            page += pages
            var parameters = SamplingParameters()
            parameters.temperature = 0
            let sampler = try Sampler(
                parameters, prompt: [], vocabularySize: model.configuration.vocabularySize,
                fallbackSeed: 1)
            rows.append(StepRow(chunk: chunk, sampler: SequenceSampler(sampler)))
        }
        return rows
    }

    private func token(_ number: Int) -> Int32 {
        Int32(number % model.configuration.vocabularySize)
    }
}

private final class Relay {
    var deliver: ([EngineMessage]) -> Void = { _ in }
}
