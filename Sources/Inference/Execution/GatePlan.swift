// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit

/// Neighbouring rows of a step whose ranks one gate weighs: those of a segment of a mixture.
///
/// Plain pointers, as in `AdapterSegment`: the step keeps the mixture alive.
struct GateSegment {
    let mixture: Unmanaged<PackedMixture>
    let points: UnsafeMutablePointer<Int32>
    let groups: UnsafeMutablePointer<GatedGroup>
    let expertCount: Int
    let maximumSets: Int
    let slot: Int
    let firstRow: Int
    var rowCount = 0
    /// Where its weights begin among those of the step.
    var weightsOffset = 0

    init(_ mixture: PackedMixture, slot: Int, firstRow: Int) {
        self.mixture = .passUnretained(mixture)
        points = mixture.points
        groups = mixture.groups
        expertCount = mixture.expertCount
        maximumSets = mixture.maximumSets
        self.slot = slot
        self.firstRow = firstRow
    }
}

/// One chunk's rows in front of the gate of its mixture.
struct GateChunk {
    let segment: Int
    /// Its index in the step.
    let index: Int
    let firstRow: Int
    let rowCount: Int
    let position: Int
    let pagesOffset: Int
    /// Its first row among those that are weighed.
    let firstGateRow: Int
    let mask: UInt64
}

/// Which rows of a step are weighed by which gate.
///
/// A gate is asked chunk by chunk: so it fails chunk by chunk, and many are asked at once.
final class GatePlan {
    private(set) var segments: [GateSegment] = []
    private(set) var chunks: [GateChunk] = []
    private(set) var rows: [GateRow] = []
    /// The most floats of a row that any gate reads, and keeps at a point.
    private(set) var width = 0
    private(set) var stateFloats = 0
    private(set) var maximumExperts = 0
    private(set) var weightFloats = 0

    var isEmpty: Bool { segments.isEmpty }

    func removeAll() {
        guard !segments.isEmpty else { return }
        segments.removeAll(keepingCapacity: true)
        chunks.removeAll(keepingCapacity: true)
        rows.removeAll(keepingCapacity: true)
        width = 0
        stateFloats = 0
        maximumExperts = 0
        weightFloats = 0
    }

    /// Begins the rows of a mixture and returns their number.
    func open(_ mixture: PackedMixture, slot: Int, firstRow: Int) -> Int {
        segments.append(GateSegment(mixture, slot: slot, firstRow: firstRow))
        width = max(width, mixture.maximumWidth)
        stateFloats = max(stateFloats, mixture.pointStateFloats)
        maximumExperts = max(maximumExperts, mixture.expertCount)
        return segments.count - 1
    }

    /// Adds the rows of a chunk to the segment that was opened last.
    func add(_ chunk: StepPlan.Chunk, tokens: [Int32], gating: ChunkGating) {
        let last = segments.count - 1
        segments[last].rowCount += chunk.rowCount
        chunks.append(
            GateChunk(
                segment: last, index: chunk.index, firstRow: chunk.firstRow,
                rowCount: chunk.rowCount, position: chunk.position,
                pagesOffset: chunk.pagesOffset, firstGateRow: rows.count, mask: gating.masked))
        for (offset, token) in tokens.enumerated() {
            rows.append(
                GateRow(
                    token: token, position: Int32(clamping: chunk.position + offset),
                    promptTokens: Int32(clamping: gating.promptTokens),
                    ordinal: Int32(clamping: offset + 1), masked: gating.masked))
        }
    }

    /// Places the weights of all segments; none is added afterwards.
    func close() {
        for index in segments.indices {
            let segment = segments[index]
            segments[index].weightsOffset = weightFloats
            weightFloats += segment.rowCount * segment.maximumSets * segment.expertCount
        }
    }
}
