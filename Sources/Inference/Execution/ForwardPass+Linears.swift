// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import ModelLoading

/// One linear layer of a group in one layer, with what is added to its product.
struct LinearPart {
    let matrix: PackedMatrix
    let bias: UnsafePointer<Float>?
    /// First column of its outputs in the group's row.
    let column: Int
    let expansions: [KernelExpansion]
    /// What the first half of the adapters reads after this layer.
    let later: [KernelRange]
}

/// A block of outputs that one task computes: some panels of one linear layer, some rows.
struct OutputBlock {
    let panels: Range<Int>
    let rows: Range<Int>
    /// The first row's first column of the block.
    let y: UnsafeMutablePointer<Float>
    let stride: Int

    /// Which task computes it, of how many: it fetches this share of what is read later.
    let share: (index: Int, count: Int)
    /// The weights that its thread will probably read next.
    let next: UnsafeRawPointer?

    var columns: Int { panels.count * PackedMatrix.panelWidth }
    var firstColumn: Int { panels.lowerBound * PackedMatrix.panelWidth }
}

extension PackedMatrix {
    /// How many panels a task takes: as many as stream well and still share out evenly.
    func panelsPerTask(rows: Int) -> Int {
        let bytes =
            switch rows {
            case ...4: StepShape.taskBytes
            // The more rows, the longer a panel takes: one at a time is shared out best.
            case ...48: 1
            default: 4 * StepShape.taskBytes
            }
        return min(StepShape.panelBlock, max(1, bytes / panelBytes))
    }
}

extension ForwardPass {
    private func part(layer: Int, _ kind: LinearKind, _ index: Int) -> LinearPart {
        LinearPart(
            matrix: matrix(layer: layer, kind),
            bias: model.layers[layer].biases[kind.ordinal], column: shape.column(of: kind),
            expansions: expansions(
                index, group: adapterGroup(layer: layer, LinearGroup.of(kind))),
            later: kind != .up
                ? factors(after: adapterGroup(layer: layer, LinearGroup.of(kind))) : [])
    }

    /// A linear layer's weights; behind the last layer, the output head.
    private func matrix(layer: Int, _ kind: LinearKind) -> PackedMatrix {
        guard layer < configuration.layerCount else { return model.outputHead }
        return linears[layer * LinearKind.allCases.count + kind.ordinal]
    }

    /// Where the weights of a matrix's task begin, or of the matrix computed after it.
    private func start(
        of task: Int, _ matrix: PackedMatrix, then following: PackedMatrix? = nil
    ) -> UnsafeRawPointer? {
        let first = task * matrix.panelsPerTask(rows: rows)
        if first < matrix.panels { return matrix.panel(first) }
        guard let following else { return nil }
        let tasks = matrix.panels.dividedUp(by: matrix.panelsPerTask(rows: rows))
        return start(of: task - tasks, following)
    }

    private func adapterGroup(layer: Int, _ group: LinearGroup) -> Int {
        layer * LinearGroup.allCases.count + group.rawValue
    }

    // MARK: - The four groups

    /// Queries, keys and values of all rows, into `projections`.
    func projectQueriesKeysValues(layer: Int) {
        var tasks: [(part: LinearPart, panels: Range<Int>)] = []
        for (index, kind) in LinearGroup.queryKeyValue.kinds.enumerated() {
            let part = part(layer: layer, kind, index)
            tasks += ranges(part.matrix).map { (part, $0) }
        }
        let target = scratch.projections
        let following = matrix(layer: layer, .o)
        team.parallel(tasks.count) { index, _ in
            let (part, panels) = tasks[index]
            let turn = index + team.memberCount
            let next =
                turn < tasks.count
                ? tasks[turn].part.matrix.panel(tasks[turn].panels.lowerBound)
                : start(of: turn - tasks.count, following)
            forRowBlocks { rows in
                let block = OutputBlock(
                    panels: panels, rows: rows,
                    y: target.row(rows.lowerBound) + part.column
                        + panels.lowerBound * PackedMatrix.panelWidth,
                    stride: target.stride, share: (index, tasks.count), next: next)
                compute(part, block, x: scratch.normed)
            }
        }
    }

    /// The product of `o` or `down`, added to the residual stream.
    func projectBack(layer: Int, _ kind: LinearKind, _ x: RowBuffer) {
        let part = part(layer: layer, kind, 0)
        let tasks = ranges(part.matrix)
        let hidden = scratch.hidden
        let following = kind == .o ? matrix(layer: layer, .gate) : matrix(layer: layer + 1, .q)
        team.parallel(tasks.count) { index, member in
            let panels = tasks[index]
            let next = start(of: index + team.memberCount, part.matrix, then: following)
            forRowBlocks { rows in
                let block = OutputBlock(
                    panels: panels, rows: rows, y: scratch.members[member].block,
                    stride: panels.count * PackedMatrix.panelWidth,
                    share: (index, tasks.count), next: next)
                compute(part, block, x: x)
                kernels.add(
                    block.y, block.stride, block.columns, rows.count,
                    hidden.row(rows.lowerBound) + block.firstColumn, hidden.stride)
            }
        }
    }

    /// silu(gate) * up of all rows, into `activated`.
    func activate(layer: Int) {
        let gate = part(layer: layer, .gate, 0)
        let up = part(layer: layer, .up, 1)
        let tasks = ranges(gate.matrix)
        let target = scratch.activated
        let following = matrix(layer: layer, .down)
        team.parallel(tasks.count) { index, member in
            let panels = tasks[index]
            let stride = panels.count * PackedMatrix.panelWidth
            let next = start(of: index + team.memberCount, gate.matrix, then: following)
            forRowBlocks { rows in
                let base = scratch.members[member].block
                let share = (index, tasks.count)
                let first = OutputBlock(
                    panels: panels, rows: rows, y: base, stride: 2 * stride, share: share,
                    next: up.matrix.panel(panels.lowerBound))
                let second = OutputBlock(
                    panels: panels, rows: rows, y: base + stride, stride: 2 * stride,
                    share: share, next: next)
                compute(gate, first, x: scratch.normed)
                compute(up, second, x: scratch.normed)
                kernels.swiglu(
                    first.y, second.y, first.stride, first.columns, rows.count,
                    target.row(rows.lowerBound) + first.firstColumn, target.stride)
            }
        }
    }

    // MARK: - Blocks

    private func ranges(_ matrix: PackedMatrix) -> [Range<Int>] {
        let step = matrix.panelsPerTask(rows: rows)
        return stride(from: 0, to: matrix.panels, by: step).map {
            $0..<min(matrix.panels, $0 + step)
        }
    }

    private func forRowBlocks(_ body: (Range<Int>) -> Void) {
        var first = 0
        while first < rows {
            let end = min(rows, first + StepShape.rowBlock)
            body(first..<end)
            first = end
        }
    }

    /// Product, then adapters, then bias: the same order for every row.
    private func compute(_ part: LinearPart, _ block: OutputBlock, x: RowBuffer) {
        var product = part.matrix.product(
            block.panels, x: RowBuffer(base: x.row(block.rows.lowerBound), stride: x.stride),
            integers: scratch.integers?.rows(from: block.rows.lowerBound) ?? KernelIntegers(),
            rows: block.rows.count, y: RowBuffer(base: block.y, stride: block.stride))
        product.first_row = block.rows.lowerBound
        product.next = block.next
        let share = block.share
        let first = part.later.count * share.index / share.count
        let end = part.later.count * (share.index + 1) / share.count
        part.expansions.withUnsafeBufferPointer { expansions in
            part.later.withUnsafeBufferPointer { later in
                product.expansions = expansions.baseAddress
                product.expansion_count = expansions.count
                product.later = later.baseAddress.map { $0 + first }
                product.later_count = end - first
                kernels.product(&product)
            }
        }
        if let bias = part.bias {
            kernels.add_bias(
                bias + block.firstColumn, block.columns, block.rows.count, block.y, block.stride)
        }
    }

    // MARK: - Adapters

    /// The first half of the adapters of `group`: ranks of each row, scaled, into `shrunk`.
    func shrink(layer: Int, _ group: LinearGroup, _ x: RowBuffer) {
        let index = adapterGroup(layer: layer, group)
        guard plan.segments.contains(where: { $0.groups[index].rank > 0 }) else { return }
        team.parallel(plan.shrinkTasks.count) { task, _ in
            let task = plan.shrinkTasks[task]
            let segment = plan.segments[task.segment]
            let factors = segment.groups[index]
            // Four ranks at a time share the loads of the activations.
            let quads = factors.rank.dividedUp(by: 4)
            let first = quads * task.slice / task.slices * 4
            let end = min(factors.rank, quads * (task.slice + 1) / task.slices * 4)
            guard first < end, let a = factors.a, let scales = factors.scales else { return }
            var shrink = KernelShrink(
                a: a + first * factors.depth * factors.type.byteCount,
                type: factors.type.kernelType, depth: factors.depth, rank: end - first,
                scales: scales + first, factor: segment.factor, x: x.row(task.firstRow),
                x_stride: x.stride, rows: task.rowCount,
                h: shrunk.row(segment.slot * rows + task.firstRow) + first,
                h_stride: shrunk.stride)
            kernels.shrink(&shrink)
        }
    }

    /// The first factors of the group that follows `group`, in pieces, if there are few rows:
    /// then they are not in the caches and their product is too short to wait for them.
    private func factors(after group: Int) -> [KernelRange] {
        let next = group + 1
        guard rows <= 48, next < configuration.layerCount * LinearGroup.allCases.count else {
            return []
        }
        let piece = 8192
        return plan.segments.flatMap { segment -> [KernelRange] in
            let factors = segment.groups[next]
            guard let a = factors.a else { return [] }
            let bytes = factors.rank * factors.depth * factors.type.byteCount
            return stride(from: 0, to: bytes, by: piece).map {
                KernelRange(start: a + $0, bytes: min(piece, bytes - $0))
            }
        }
    }

    /// The second half of the adapters of one linear layer.
    private func expansions(_ part: Int, group: Int) -> [KernelExpansion] {
        plan.segments.compactMap { segment in
            let factors = segment.groups[group]
            let own = factors.part(part)
            guard let matrix = own.matrix(type: factors.type) else { return nil }
            return KernelExpansion(
                weights: matrix.weights, panel_bytes: matrix.panelBytes,
                type: matrix.type.kernelType, depth: matrix.depth,
                x: shrunk.row(segment.slot * rows + segment.firstRow) + own.rankOffset,
                x_stride: shrunk.stride, first_row: segment.firstRow, rows: segment.rowCount)
        }
    }
}
