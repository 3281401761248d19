// SPDX-License-Identifier: Apache-2.0

import Inference
import ModelLoading
import PolicyKit
import Scheduling
import TestSupport

/// A scheduler and an executor that serve requests together, greedily, without a host around them.
struct ReplicaRun {
    /// What became of a request: the bits of all logits that gave it a token.
    struct Answer: Equatable {
        var tokens: [Int32] = []
        var logits: [[UInt32]] = []

        /// Whether it ran in unmerged steps only.
        var isUnmerged = true
    }

    struct Question {
        var prompt: [Int32]
        var adapter: AdapterID
        var count: Int
    }

    private(set) var scheduler: ReplicaScheduler
    private(set) var answers: [RequestID: Answer] = [:]
    private let model: SmallModel
    private let executor: Executor
    private var tokens: [RequestID: [Int32]] = [:]

    init(
        _ model: SmallModel, pages: Int, sharesPrefixes: Bool,
        batching: NamedPolicy<any BatchingPolicy>? = nil
    ) throws {
        self.model = model
        var configuration = ReplicaConfiguration(
            id: ReplicaID(rawValue: 0), batchRequests: 6, batchTokens: 50, pages: pages,
            adapterBytes: 100)
        configuration.pageTokens = ExecutorConfiguration.pageTokens
        configuration.sharesPrefixes = sharesPrefixes
        configuration.mergedCopies = model.merged.count
        var policies = ReplicaPolicies()
        policies.batching = batching
        scheduler = ReplicaScheduler(
            configuration, policies: policies, clock: { Instant(nanoseconds: 0) })
        executor = try Executor(
            model: model.base,
            configuration: ExecutorConfiguration(
                pageCount: pages, maximumTokens: 50, maximumSequences: 6, contextLength: 512,
                threads: 2))
        for id in model.adapters.keys.sorted() { register(id) }
    }

    private mutating func register(_ id: AdapterID) {
        _ = scheduler.register(
            AdapterDescription(id: id, bytes: 10, rank: 8), at: Instant(nanoseconds: 0))
    }

    mutating func ask(_ question: Question, as id: RequestID) {
        let now = Instant(nanoseconds: Int64(id.rawValue))
        var new = NewRequest(
            id: id, adapter: question.adapter, arrival: now, promptTokens: question.prompt.count)
        new.prompt = question.prompt
        new.maximumTokens = question.count
        precondition(scheduler.submit(new, at: now) == nil, "a question is refused")
        tokens[id] = question.prompt
        answers[id] = Answer()
        for action in scheduler.takeActions() {
            guard case .load(let id) = action else { continue }
            _ = scheduler.adapterLoaded(id, bytes: 10, time: .milliseconds(1), at: now)
        }
    }

    /// - Returns: false where there was nothing to do.
    mutating func step() throws -> Bool {
        let now = Instant(nanoseconds: 0)
        guard let plan = scheduler.planStep(at: now) else { return false }
        let chunks = plan.entries.map { entry in
            SequenceChunk(
                tokens: Array(
                    tokens[entry.id, default: []][entry.position..<entry.position + entry.tokens]),
                position: entry.position, pages: entry.pages,
                adapters: uses(of: entry.adapter, mergedOn: plan.mode.mergedAdapter),
                logitRows: entry.samples ? 1 : 0)
        }
        let weights = plan.mode.mergedAdapter.flatMap { model.merged[$0] }
        let output = try executor.run(
            ExecutorStep(weights: weights.map { .merged($0) } ?? .base, chunks: chunks))
        var outcome = StepOutcome(number: plan.number, stepTime: .milliseconds(1))
        for (entry, rows) in zip(plan.entries, output.rows) {
            if plan.mode != .unmerged { answers[entry.id]?.isUnmerged = false }
            guard let row = rows.first else { continue }
            let logits = output.logits.withRow(row) { Array($0) }
            let token = Int32(logits.indices.max { logits[$0] < logits[$1] } ?? 0)
            answers[entry.id]?.tokens.append(token)
            answers[entry.id]?.logits.append(logits.map(\.bitPattern))
            tokens[entry.id]?.append(token)
            outcome.tokens[entry.id] = [token]
        }
        _ = scheduler.complete(outcome, at: now)
        for case .build(let id) in scheduler.takeMergeActions() {
            scheduler.copyBuilt(id, bytes: 10, time: .milliseconds(1), at: now)
        }
        return true
    }

    private func uses(of adapter: AdapterID, mergedOn merged: AdapterID?) -> [AdapterUse] {
        guard adapter != merged else { return [] }
        let correction = merged.flatMap { model.adapters[$0] }.map { AdapterUse($0, factor: -1) }
        let own = model.adapters[adapter].map { AdapterUse($0) }
        return [correction, own].compactMap { $0 }
    }
}

/// A model of random weights, small enough to compute in no time, with three adapters.
struct SmallModel {
    let base: PackedModel
    let adapters: [AdapterID: PackedAdapter]
    let merged: [AdapterID: MergedModel]

    static let configuration = ModelConfiguration(
        family: .llama, hiddenSize: 48, intermediateSize: 101, layerCount: 2, headCount: 4,
        kvHeadCount: 2, headSize: 12, vocabularySize: 97, contextLength: 512,
        tiedEmbeddings: true)

    static func base(_ type: WeightType) throws -> PackedModel {
        try PackedModel(
            ModelWeights.synthetic(configuration, name: "small", seed: 11), type: type)
    }

    init(_ type: WeightType = .bf16) throws {
        let base = try Self.base(type)
        var adapters: [AdapterID: PackedAdapter] = [:]
        for id in 1...3 as ClosedRange<UInt32> {
            adapters[AdapterID(rawValue: id)] = try PackedAdapter(
                AdapterWeights.synthetic(
                    name: "a\(id)", rank: 4 * Int(id), seed: UInt64(id), for: Self.configuration),
                for: base)
        }
        self.base = base
        self.adapters = adapters
        let team = try ThreadTeam(members: 1)
        merged = try adapters.mapValues {
            try MergedModel.build(base: base, adapter: $0, team: team)
        }
    }

    /// Questions of which many begin alike, on the base and all adapters.
    func questions(_ count: Int, _ random: inout SeededRandom) -> [ReplicaRun.Question] {
        let beginnings: [[Int32]] = (0..<3).map { _ in
            (0..<90).map { _ in Int32(random.below(97)) }
        }
        return (0..<count).map { _ in
            let common = random.below(91)
            let rest = (0...random.below(40)).map { _ in Int32(random.below(97)) }
            return ReplicaRun.Question(
                prompt: beginnings[random.below(3)].prefix(common) + rest,
                adapter: AdapterID(rawValue: UInt32(random.below(4))),
                count: 1 + random.below(30))
        }
    }
}
