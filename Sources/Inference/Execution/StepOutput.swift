// SPDX-License-Identifier: Apache-2.0

/// Logits of one step, written by the executor before it hands them out.
///
/// The executor uses a buffer again once nobody else refers to it.
///
/// Safety of the unchecked conformance: only the executor writes, and only while it holds the
/// sole reference.
package final class LogitsBuffer: @unchecked Sendable {
    package let vocabularySize: Int
    /// Rows there is room for.
    let capacity: Int
    /// Floats from one row to the next.
    let stride: Int
    /// For each chunk of the step, the rows of its logits; empty where none were wanted.
    private(set) var chunkRows: [Range<Int>] = []
    private let memory: AlignedMemory

    init(rows: Int, vocabularySize: Int) throws(InferenceError) {
        capacity = max(rows, 1)
        self.vocabularySize = vocabularySize
        stride = vocabularySize.roundedUp(to: PackedMatrix.panelWidth)
        var plan = MemoryPlan(for: "logits")
        _ = try plan.reserve(capacity, stride, 4)
        memory = try plan.allocate()
    }

    /// Says which rows belong to which of the step's chunks, which are in the order of their rows.
    func place(_ chunks: [StepPlan.Chunk]) {
        chunkRows.removeAll(keepingCapacity: true)
        for _ in chunks { chunkRows.append(0..<0) }
        var row = 0
        for chunk in chunks {
            chunkRows[chunk.index] = row..<row + chunk.logitRows
            row += chunk.logitRows
        }
    }

    /// Makes a NaN of every logit of a chunk.
    func invalidate(chunk: Int) {
        for row in chunkRows[chunk] {
            (base + row * stride).update(repeating: .nan, count: vocabularySize)
        }
    }

    var base: UnsafeMutablePointer<Float> {
        memory.base.assumingMemoryBound(to: Float.self)
    }

    /// Calls `body` with the `vocabularySize` logits of a row, valid only during the call.
    package func withRow<R, E: Error>(
        _ row: Int, _ body: (UnsafeBufferPointer<Float>) throws(E) -> R
    ) throws(E) -> R {
        precondition((0..<capacity).contains(row), "row \(row) of \(capacity)")
        defer { extendLifetime(memory) }
        return try body(UnsafeBufferPointer(start: base + row * stride, count: vocabularySize))
    }
}

/// Wall-clock time of a step and of its parts.
package struct StepTimes: Sendable, Equatable {
    package var total: Duration = .zero
    /// The pass of the base model that goes before where gates read final hidden states.
    package var scalingPass: Duration = .zero
    /// Products with the weights, including the second half of the adapters.
    package var linears: Duration = .zero
    /// The first half of the adapters, and the gates.
    package var adapters: Duration = .zero
    package var attention: Duration = .zero
    /// The output head.
    package var head: Duration = .zero

    package init() {}
}

/// What a step computed.
package struct StepOutput: Sendable {
    package let logits: LogitsBuffer
    package let times: StepTimes
    /// Tokens of all chunks.
    package let tokenCount: Int
    /// What gates gave; nil for a step without mixtures.
    let gates: GateSummary?

    /// Each expert's weight, the mean over the rows and points of a chunk of a mixture; empty for
    /// other chunks, and where the gate failed.
    package func gateMeans(ofChunk index: Int) -> [Float] { gates?.means(ofChunk: index) ?? [] }

    /// Why gates failed, one error for each chunk that it happened to. The logits of these chunks are
    /// NaN, their keys and values are of no use, and all other chunks are as if nothing had been.
    package var gateFailures: [InferenceError] { gates?.failures ?? [] }

    /// For each chunk of the step, the rows of its logits; empty where none were wanted.
    package var rows: [Range<Int>] { logits.chunkRows }
}
