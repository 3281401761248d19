// SPDX-License-Identifier: Apache-2.0

internal import CKernels

/// Rows of a step that one adapter acts on in one place of their lists of adapters.
///
/// Plain pointers on purpose: threads would contend for reference counts. The step keeps the
/// adapter alive.
struct AdapterSegment {
    let slot: Int
    let firstRow: Int
    var rowCount: Int
    let groups: UnsafeMutablePointer<AdapterGroup>
    let factor: Float
    /// The number of its gate in the plan if it is a mixture; nil otherwise.
    let gate: Int?
}

/// A piece of the first half of an adapter: some rows, some of the ranks.
struct ShrinkTask {
    let segment: Int
    let firstRow: Int
    let rowCount: Int
    let slice: Int
    let slices: Int
}

/// Consecutive rows of one chunk that attend with one key and value head.
struct AttentionTask {
    var firstRow: Int
    var rowCount: Int
    /// Position of the first row in its sequence.
    var position: Int
    var pagesOffset: Int
    var head: Int
    /// Tokens to attend to: all, or one segment.
    var firstToken: Int
    var endToken: Int
    /// Where its state goes when several tasks share the context; nil otherwise.
    var stateIndex: Int?
    /// For the task that joins: how many states follow `stateIndex`.
    var segmentCount = 1
}

/// How the rows of a step are laid out and shared out, decided before any arithmetic.
///
/// Nothing here changes the numbers: each row's operations are the same in any plan. An executor
/// keeps one and prepares it for each step, so that its lists need no new memory.
struct StepPlan {
    struct Chunk {
        let index: Int
        let firstRow: Int
        let rowCount: Int
        let position: Int
        let pagesOffset: Int
        let logitRows: Int
    }

    /// Where one row stands in its sequence.
    struct Place {
        let token: Int32
        let position: Int
        let pagesOffset: Int
    }

    private(set) var places: [Place] = []
    private(set) var chunks: [Chunk] = []
    /// By adapter list first, so that rows of one adapter lie together.
    private(set) var segments: [AdapterSegment] = []
    /// The rows of mixtures.
    let gating = GatePlan()
    /// The longest list of adapters of a chunk.
    private(set) var slots = 0
    /// The most stacked ranks of any adapter of the step.
    private(set) var stackedRank = 0
    private(set) var shrinkTasks: [ShrinkTask] = []
    private(set) var attentionTasks: [AttentionTask] = []
    private(set) var joinTasks: [AttentionTask] = []
    /// States that tasks which share a context need.
    private(set) var stateCount = 0

    /// The last rows of chunks, as many as want logits.
    private(set) var wantedRows: [Int] = []

    var rowCount: Int { places.count }

    private let shape: StepShape
    private let kvHeads: Int
    private let threads: Int
    private var order = AdapterOrder()

    init(shape: StepShape, kvHeads: Int, threads: Int) {
        self.shape = shape
        self.kvHeads = kvHeads
        self.threads = threads
    }

    /// Plans `step`, which has been validated.
    mutating func prepare(_ step: ExecutorStep) {
        order.sort(step.chunks)
        planRows(step)
        planAdapters(step)
        planShrinking()
        planAttention()
    }

    private mutating func planRows(_ step: ExecutorStep) {
        places.removeAll(keepingCapacity: true)
        chunks.removeAll(keepingCapacity: true)
        wantedRows.removeAll(keepingCapacity: true)
        var pagesOffset = 0
        for index in order.indices {
            let chunk = step.chunks[index]
            chunks.append(
                Chunk(
                    index: index, firstRow: rowCount, rowCount: chunk.tokens.count,
                    position: chunk.position, pagesOffset: pagesOffset,
                    logitRows: chunk.logitRows))
            for (offset, token) in chunk.tokens.enumerated() {
                places.append(
                    Place(
                        token: token, position: chunk.position + offset,
                        pagesOffset: pagesOffset))
            }
            for row in rowCount - chunk.logitRows..<rowCount { wantedRows.append(row) }
            pagesOffset += ExecutorConfiguration.pages(
                for: chunk.position + chunk.tokens.count)
        }
    }

    private mutating func planAdapters(_ step: ExecutorStep) {
        segments.removeAll(keepingCapacity: true)
        gating.removeAll()
        stackedRank = 0
        slots = step.chunks.reduce(0) { max($0, $1.adapters.count) }
        for slot in 0..<slots {
            var previous: Int?
            for chunk in chunks {
                guard let key = order.key(of: chunk.index, slot: slot) else {
                    previous = nil
                    continue
                }
                let use = step.chunks[chunk.index].adapters[slot]
                stackedRank = max(stackedRank, use.adapter.maximumStackedRank)
                if key == previous {
                    segments[segments.count - 1].rowCount += chunk.rowCount
                } else {
                    let gate = use.adapter.mixture.map {
                        gating.open($0, slot: slot, firstRow: chunk.firstRow)
                    }
                    segments.append(
                        AdapterSegment(
                            slot: slot, firstRow: chunk.firstRow, rowCount: chunk.rowCount,
                            groups: use.adapter.groups, factor: use.factor, gate: gate))
                }
                if use.adapter.isMixture, let own = step.chunks[chunk.index].gating {
                    gating.add(chunk, tokens: step.chunks[chunk.index].tokens, gating: own)
                }
                previous = key
            }
        }
        gating.close()
    }

    private mutating func planShrinking() {
        shrinkTasks.removeAll(keepingCapacity: true)
        let rowsPerTask = 32
        let blocks = segments.reduce(0) { $0 + $1.rowCount.dividedUp(by: rowsPerTask) }
        // Few blocks: share out the ranks as well.
        let slices = blocks == 0 ? 1 : min(8, (4 * threads).dividedUp(by: blocks))
        for (index, segment) in segments.enumerated() {
            for first in stride(from: 0, to: segment.rowCount, by: rowsPerTask) {
                for slice in 0..<slices {
                    shrinkTasks.append(
                        ShrinkTask(
                            segment: index, firstRow: segment.firstRow + first,
                            rowCount: min(rowsPerTask, segment.rowCount - first), slice: slice,
                            slices: slices))
                }
            }
        }
    }

    private mutating func planAttention() {
        attentionTasks.removeAll(keepingCapacity: true)
        joinTasks.removeAll(keepingCapacity: true)
        stateCount = 0
        let blocks = chunks.reduce(0) { $0 + $1.rowCount.dividedUp(by: shape.attentionRows) }
        let scarce = blocks * kvHeads < 8 * threads
        for chunk in chunks {
            // The last rows see the most tokens: their tasks come first.
            for block in (0..<chunk.rowCount.dividedUp(by: shape.attentionRows)).reversed() {
                let first = block * shape.attentionRows
                let rows = min(shape.attentionRows, chunk.rowCount - first)
                let position = chunk.position + first
                for head in 0..<kvHeads {
                    let task = AttentionTask(
                        firstRow: chunk.firstRow + first, rowCount: rows, position: position,
                        pagesOffset: chunk.pagesOffset, head: head, firstToken: 0,
                        endToken: position + rows)
                    if scarce && task.endToken > 2 * Int(KERNEL_SEGMENT_TOKENS) {
                        share(task)
                    } else {
                        attentionTasks.append(task)
                    }
                }
            }
        }
    }

    private mutating func share(_ task: AttentionTask) {
        let segment = Int(KERNEL_SEGMENT_TOKENS)
        var join = task
        join.stateIndex = stateCount
        join.segmentCount = task.endToken.dividedUp(by: segment)
        joinTasks.append(join)
        for first in stride(from: 0, to: task.endToken, by: segment) {
            var part = task
            part.firstToken = first
            part.endToken = min(first + segment, task.endToken)
            part.stateIndex = stateCount
            attentionTasks.append(part)
            stateCount += 1
        }
    }
}
