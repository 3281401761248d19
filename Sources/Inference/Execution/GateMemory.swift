// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// What the gates of a step read and write, in memory that is kept.
final class GateMemory {
    /// For each segment `[rows, sets, experts]`.
    private var weightMemory = GrowingScratch(for: "the weights of experts")
    private var featureMemory = GrowingScratch(for: "what gates read")
    private var stateMemory = GrowingScratch(for: "the states of gates")
    private var tallyMemory = GrowingScratch(for: "the means of experts' weights")
    /// For each chunk whether its gate has failed, how many sets of weights it has given, and each
    /// expert's sum.
    private var tallyStride = 0
    private let failures = Mutex<[InferenceError]>([])
    /// The final hidden states of a pass of the base model, and for each chunk of the step the
    /// first of its rows there.
    private var hiddenMemory = GrowingScratch(for: "the hidden states that gates read")
    private(set) var hiddenRows: [Int] = []

    /// Makes room for a step and forgets the one before.
    func prepare(_ plan: GatePlan) throws(InferenceError) {
        tallyStride = 2 + plan.maximumExperts
        try weightMemory.reserve(plan.weightFloats, 1)
        try featureMemory.reserve(plan.rows.count, plan.width)
        try stateMemory.reserve(plan.rows.count, plan.stateFloats)
        try tallyMemory.reserve(plan.chunks.count, 2 * tallyStride)
        for index in plan.chunks.indices {
            tally(of: index).update(repeating: 0, count: tallyStride)
        }
        failures.withLock { $0.removeAll() }
        hiddenRows.removeAll(keepingCapacity: true)
    }

    var weights: UnsafeMutablePointer<Float> { weightMemory.base }
    var features: UnsafeMutablePointer<Float> { featureMemory.base }
    var states: UnsafeMutablePointer<Float> { stateMemory.base }

    // MARK: - The pass of the base model

    /// Makes room for the hidden states of `rows` rows.
    func reserveHidden(rows: Int, stride: Int) throws(InferenceError) {
        try hiddenMemory.reserve(rows, stride)
    }

    /// Says where a chunk's rows begin among the hidden states; chunks come in their order.
    func placeHidden(at row: Int) { hiddenRows.append(row) }

    var hidden: UnsafeMutablePointer<Float> { hiddenMemory.base }

    // MARK: - What came of the gates

    private func tally(of chunk: Int) -> UnsafeMutablePointer<Double> {
        UnsafeMutableRawPointer(tallyMemory.base).assumingMemoryBound(to: Double.self)
            + chunk * tallyStride
    }

    /// Whether the gate of a chunk of the plan has failed in this step.
    func hasFailed(_ chunk: Int) -> Bool { tally(of: chunk)[0] != 0 }

    /// Notes that the gate of a chunk of the plan failed.
    func fail(_ chunk: Int, _ error: InferenceError) {
        tally(of: chunk)[0] = 1
        failures.withLock { $0.append(error) }
    }

    /// Adds sets of weights of a chunk of the plan to its means.
    func count(_ weights: UnsafeMutableBufferPointer<Float>, experts: Int, of chunk: Int) {
        let tally = tally(of: chunk)
        tally[1] += Double(weights.count / experts)
        var index = 0
        while index < weights.count {
            for expert in 0..<experts { tally[2 + expert] += Double(weights[index + expert]) }
            index += experts
        }
    }

    /// What the gates of a step with so many chunks came to.
    func summary(of plan: GatePlan, chunkCount: Int) -> GateSummary {
        var summary = GateSummary(
            chunkCount: chunkCount, experts: plan.maximumExperts,
            failures: failures.withLock { $0 }.sorted { ($0.chunk ?? 0) < ($1.chunk ?? 0) })
        for (index, chunk) in plan.chunks.enumerated() where !hasFailed(index) {
            let tally = tally(of: index)
            summary.set(
                chunk.index,
                UnsafeBufferPointer(
                    start: tally + 2, count: plan.segments[chunk.segment].expertCount),
                over: max(1, tally[1]))
        }
        return summary
    }
}

/// States of gates beside the keys and values: for each token of a page one record, in it the
/// states of all points one behind the other.
struct GateStates {
    let floatsPerToken: Int
    private let memory: AlignedMemory

    init(pageCount: Int, floatsPerToken: Int) throws(InferenceError) {
        self.floatsPerToken = floatsPerToken
        var plan = MemoryPlan(for: "the states of gates")
        _ = try plan.reserve(pageCount, ExecutorConfiguration.pageTokens, floatsPerToken, 4)
        memory = try plan.allocate()
    }

    var byteCount: Int { memory.byteCount }

    /// The record of a token in a page.
    func record(page: Int32, slot: Int) -> UnsafeMutablePointer<Float> {
        memory.base.assumingMemoryBound(to: Float.self)
            + (Int(page) * ExecutorConfiguration.pageTokens + slot) * floatsPerToken
    }
}

/// What the gates of a step gave.
struct GateSummary: Sendable {
    /// One for each chunk whose gate failed.
    let failures: [InferenceError]
    private let stride: Int
    private var counts: [Int]
    private var means: [Float]

    init(chunkCount: Int, experts: Int, failures: [InferenceError]) {
        self.failures = failures
        stride = experts
        counts = Array(repeating: 0, count: chunkCount)
        means = Array(repeating: 0, count: chunkCount * experts)
    }

    mutating func set(_ chunk: Int, _ sums: UnsafeBufferPointer<Double>, over count: Double) {
        counts[chunk] = sums.count
        for (expert, sum) in sums.enumerated() {
            means[chunk * stride + expert] = Float(sum / count)
        }
    }

    func means(ofChunk index: Int) -> [Float] {
        guard counts.indices.contains(index) else { return [] }
        return Array(means[index * stride..<index * stride + counts[index]])
    }
}
