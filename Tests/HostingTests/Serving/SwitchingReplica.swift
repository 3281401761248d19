// SPDX-License-Identifier: Apache-2.0

import ModelLoading
import PolicyKit
import Scheduling
import TestSupport

@testable import Inference

/// A scheduler and an executor with everything real between them: adapters are packed at each load
/// and freed when they leave, merged copies are built in slices between steps and dropped.
///
/// Memory of what leaves is used again for what comes, as in a host.
struct SwitchingReplica {
    let base: PackedModel
    private(set) var scheduler: ReplicaScheduler
    private(set) var answers: [RequestID: ReplicaRun.Answer] = [:]

    /// Requests that have ended, in order.
    private(set) var ended: [RequestID] = []
    private(set) var residents: [AdapterID: PackedAdapter] = [:]
    private(set) var copies: [AdapterID: MergedModel] = [:]

    /// The mode of the last step.
    private(set) var mode = BatchMode.unmerged
    private let steering = Steering()
    private let executor: Executor
    private let team: ThreadTeam
    private var weights: [AdapterID: AdapterWeights] = [:]
    private var tokens: [RequestID: [Int32]] = [:]
    private var build: (id: AdapterID, work: MergedModelBuild)?
    private var loads: [AdapterID] = []

    /// How many loads wait, for a test that delays them.
    var pendingLoads: Int { loads.count }
    private static let now = Instant(nanoseconds: 0)

    init(base: PackedModel, adapterBytes: Int, copies: Int, pages: Int = 40) throws {
        self.base = base
        var configuration = ReplicaConfiguration(
            id: ReplicaID(rawValue: 0), batchRequests: 6, batchTokens: 50, pages: pages,
            adapterBytes: adapterBytes)
        configuration.pageTokens = ExecutorConfiguration.pageTokens
        configuration.sharesPrefixes = true
        configuration.mergedCopies = copies
        var policies = ReplicaPolicies()
        policies.batching = NamedPolicy(name: "steered", policy: steering)
        scheduler = ReplicaScheduler(configuration, policies: policies, clock: { Self.now })
        executor = try Executor(
            model: base,
            configuration: ExecutorConfiguration(
                pageCount: pages, maximumTokens: 50, maximumSequences: 6, contextLength: 512,
                threads: 1))
        team = try ThreadTeam(members: 1)
    }

    // MARK: - Adapters

    mutating func register(_ adapter: AdapterWeights, as id: AdapterID) {
        weights[id] = adapter
        let description = AdapterDescription(
            id: id, bytes: adapter.byteCount, rank: adapter.maximumRank)
        precondition(
            scheduler.register(description, at: Self.now) == nil, "an adapter is refused")
    }

    /// Takes a generation out of service, as an update or an unload does.
    mutating func retire(_ id: AdapterID) {
        scheduler.retire(id, at: Self.now)
        takeActions()
    }

    // MARK: - Requests

    mutating func ask(_ question: ReplicaRun.Question, as id: RequestID) {
        var new = NewRequest(
            id: id, adapter: question.adapter, arrival: Instant(nanoseconds: Int64(id.rawValue)),
            promptTokens: question.prompt.count)
        new.prompt = question.prompt
        new.maximumTokens = question.count
        precondition(scheduler.submit(new, at: Self.now) == nil, "a question is refused")
        tokens[id] = question.prompt
        answers[id] = ReplicaRun.Answer()
        takeActions()
    }

    /// The adapters of unfinished requests that can run now.
    var runnable: [AdapterID] {
        let adapters = scheduler.snapshots.filter { $0.isAdapterResident && !$0.adapter.isBase }
            .map(\.adapter)
        return Set(adapters).sorted()
    }

    /// Carries out the oldest load.
    mutating func load() throws {
        guard !loads.isEmpty else { return }
        let id = loads.removeFirst()
        guard let adapter = weights[id] else { return }
        let packed = try PackedAdapter(adapter, for: base)
        residents[id] = packed
        _ = scheduler.adapterLoaded(
            id, bytes: packed.byteCount, time: .milliseconds(1), at: Self.now)
        takeActions()
    }

    /// Runs a step in the mode that is wished for, where that is possible.
    ///
    /// - Returns: false where there was nothing to do.
    mutating func step(_ wish: BatchMode) throws -> Bool {
        steering.wish = wish
        guard let plan = scheduler.planStep(at: Self.now) else { return false }
        takeActions()
        try takeMergeActions()
        let chunks = try plan.entries.map { entry in
            SequenceChunk(
                tokens: Array(
                    tokens[entry.id, default: []][entry.position..<entry.position + entry.tokens]),
                position: entry.position, pages: entry.pages,
                adapters: try uses(of: entry.adapter, mergedOn: plan.mode.mergedAdapter),
                logitRows: entry.samples ? 1 : 0)
        }
        var stepWeights = StepWeights.base
        if let merged = plan.mode.mergedAdapter {
            guard let copy = copies[merged] else {
                throw InferenceError(.invalidStep, "there is no copy of \(merged.rawValue)")
            }
            stepWeights = .merged(copy)
        }
        let output = try executor.run(ExecutorStep(weights: stepWeights, chunks: chunks))
        complete(plan, output)
        mode = plan.mode
        try buildOn()
        takeActions()
        return true
    }

    private mutating func complete(_ plan: Scheduling.StepPlan, _ output: StepOutput) {
        var outcome = StepOutcome(number: plan.number, stepTime: .milliseconds(1))
        for (entry, rows) in zip(plan.entries, output.rows) {
            if plan.mode != .unmerged { answers[entry.id]?.isUnmerged = false }
            guard let row = rows.first else { continue }
            let logits = output.logits.withRow(row) { Array($0) }
            let token = ReplicaRun.greedy(logits)
            answers[entry.id]?.tokens.append(token)
            answers[entry.id]?.logits.append(logits.map(\.bitPattern))
            tokens[entry.id]?.append(token)
            outcome.tokens[entry.id] = [token]
        }
        ended += scheduler.complete(outcome, at: Self.now)
    }

    private func uses(
        of adapter: AdapterID, mergedOn merged: AdapterID?
    ) throws -> [AdapterUse] {
        guard adapter != merged else { return [] }
        var uses: [AdapterUse] = []
        for (id, factor) in [(merged, -1), (adapter, 1)] as [(AdapterID?, Float)] {
            guard let id, !id.isBase else { continue }
            guard let resident = residents[id] else {
                throw InferenceError(.invalidStep, "adapter \(id.rawValue) is not in memory")
            }
            uses.append(AdapterUse(resident, factor: factor))
        }
        return uses
    }

    // MARK: - Actions

    private mutating func takeActions() {
        for action in scheduler.takeActions() {
            switch action {
            case .load(let id): loads.append(id)
            case .unload(let id): residents[id] = nil
            }
        }
    }

    private mutating func takeMergeActions() throws {
        for action in scheduler.takeMergeActions() {
            switch action {
            case .build(let id):
                guard let resident = residents[id] else {
                    throw InferenceError(.invalidStep, "\(id.rawValue) left before its merge")
                }
                build = (id, try MergedModelBuild(base: base, adapter: resident, members: 1))
            case .drop(let id): copies[id] = nil
            }
        }
    }

    /// Some slices after each step, so that other things happen while a copy is built.
    private mutating func buildOn() throws {
        try takeMergeActions()
        guard let (id, work) = build,
            let copy = work.advance(slices: max(1, work.remainingSlices / 2), with: team)
        else { return }
        build = nil
        copies[id] = copy
        scheduler.copyBuilt(id, bytes: copy.byteCount, time: .milliseconds(1), at: Self.now)
    }
}

/// Plans as the built-in default does, in the mode that a test wishes for where a plan may have it.
private final class Steering: BatchingPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(type: "steered", version: "1.0.0", summary: "Does as it is told.")
    }

    var wish = BatchMode.unmerged

    init() {}
    init(parameters: NoParameters, seed: UInt64) {}

    func plan(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) throws(PolicyError) {
        try FirstComeFirstServedBatching().plan(requests, in: context, into: &plan)
        let wish = wish
        guard let adapter = wish.mergedAdapter,
            requests.indices.contains(where: {
                requests[$0].adapter == adapter && requests[$0].isAdapterResident
            })
        else { return }
        if case .merged = wish {
            plan.entries.removeAll { requests[$0.index].adapter != adapter }
            if plan.entries.isEmpty {
                try FirstComeFirstServedBatching().plan(requests, in: context, into: &plan)
                return
            }
        }
        plan.mode = wish
    }
}

extension ReplicaRun {
    static func greedy(_ logits: [Float]) -> Int32 {
        Int32(logits.indices.max { logits[$0] < logits[$1] } ?? 0)
    }
}

/// Answers questions one at a time, unmerged, on weights that nothing else has touched.
struct PristineModel {
    let base: PackedModel
    private let executor: Executor
    private let team: ThreadTeam
    private var adapters: [AdapterID: PackedAdapter] = [:]

    init(_ type: WeightType) throws {
        base = try SmallModel.base(type)
        team = try ThreadTeam(members: 1)
        executor = try Executor(
            model: base,
            configuration: ExecutorConfiguration(
                pageCount: 32, maximumTokens: 512, maximumSequences: 1, contextLength: 512,
                threads: 1))
    }

    mutating func register(_ adapter: AdapterWeights, as id: AdapterID) throws {
        adapters[id] = try PackedAdapter(adapter, for: base)
    }

    func answer(_ question: ReplicaRun.Question) throws -> ReplicaRun.Answer {
        var answer = ReplicaRun.Answer()
        var next = question.prompt
        var position = 0
        let uses = adapters[question.adapter].map { [AdapterUse($0)] } ?? []
        while answer.tokens.count < question.count {
            let chunk = SequenceChunk(
                tokens: next, position: position, pages: Array(0..<32), adapters: uses,
                logitRows: 1)
            let output = try executor.run(ExecutorStep(weights: .base, chunks: [chunk]))
            let logits = output.logits.withRow(output.rows[0].lowerBound) { Array($0) }
            position += next.count
            next = [ReplicaRun.greedy(logits)]
            answer.tokens += next
            answer.logits.append(logits.map(\.bitPattern))
        }
        return answer
    }

    /// The bytes that a merged copy must have.
    func image(mergedOn id: AdapterID) throws -> [[UInt8]] {
        guard let adapter = adapters[id] else { return [] }
        return try MergedModel.build(base: base, adapter: adapter, team: team).image
    }
}

extension MergedModel {
    /// The bytes of each of its linear layers.
    var image: [[UInt8]] {
        linears.map { Array(UnsafeRawBufferPointer(start: $0.weights, count: $0.byteCount)) }
    }
}

extension PackedModel {
    /// All its bytes.
    var image: [UInt8] {
        Array(UnsafeRawBufferPointer(start: memory.base, count: memory.byteCount))
    }
}
