// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import ModelLoading

/// One linear layer of a group in one layer, with what is added to its product.
///
/// Plain pointers into the executor's lists, good until the next group is prepared.
struct LinearPart {
    let tasks: PanelTasks
    let bias: UnsafePointer<Float>?
    /// First column of its outputs in the group's row.
    let column: Int
    let expansions: UnsafeBufferPointer<KernelExpansion>
    /// What the first half of the adapters reads after this layer.
    let later: UnsafeBufferPointer<KernelRange>
}

/// What the linear layers of one group need beside their weights, listed anew for each group.
struct LinearLists {
    /// For each linear layer of a group, at most three.
    let expansions = (
        StepList<KernelExpansion>(), StepList<KernelExpansion>(), StepList<KernelExpansion>()
    )
    let later = StepList<KernelRange>()
}

/// How the panels of a matrix are shared out among tasks.
struct PanelTasks {
    let matrix: PackedMatrix
    /// Panels of one task.
    let step: Int
    let count: Int

    init(_ matrix: PackedMatrix, rows: Int) {
        self.matrix = matrix
        step = matrix.panelsPerTask(rows: rows)
        count = matrix.panels.dividedUp(by: step)
    }

    /// The panels of one task.
    subscript(index: Int) -> Range<Int> {
        index * step..<min(matrix.panels, (index + 1) * step)
    }

    /// Where the weights of a task begin, or of the matrix that is computed next.
    func start(of task: Int, then following: PanelTasks? = nil) -> UnsafeRawPointer? {
        if task < count { return matrix.panel(task * step) }
        return following?.start(of: task - count)
    }
}

/// A block of outputs that one task computes: some panels of one linear layer, some rows.
struct OutputBlock {
    let panels: Range<Int>
    let rows: Range<Int>
    /// The first row's first column of the block.
    let y: UnsafeMutablePointer<Float>
    let stride: Int

    /// Which task computes it, of how many: it fetches this share of what is read later; nil
    /// where another block of the task does.
    let share: (index: Int, count: Int)?
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
            case ...StepShape.streamedRows: 1
            default: 4 * StepShape.taskBytes
            }
        return min(StepShape.panelBlock, max(1, bytes / panelBytes))
    }
}

extension ForwardPass {
    /// The linear layers of one group in one layer, whose lists it prepares; a group of fewer than
    /// three repeats its first.
    private func parts(
        layer: Int, _ group: LinearGroup
    ) -> (LinearPart, LinearPart, LinearPart) {
        let index = adapterGroup(layer: layer, group)
        listFactors(after: index)
        func part(
            _ kind: LinearKind, _ place: Int, _ list: StepList<KernelExpansion>
        ) -> LinearPart {
            listExpansions(place, group: index, into: list)
            return LinearPart(
                tasks: PanelTasks(matrix(layer: layer, kind), rows: rows),
                bias: model.layers[layer].biases[kind.ordinal], column: shape.column(of: kind),
                expansions: list.buffer, later: lists.later.buffer)
        }
        let own = lists.expansions
        switch group {
        case .queryKeyValue: return (part(.q, 0, own.0), part(.k, 1, own.1), part(.v, 2, own.2))
        case .gateUp:
            let gate = part(.gate, 0, own.0)
            return (gate, part(.up, 1, own.1), gate)
        case .output, .down:
            let only = part(group == .output ? .o : .down, 0, own.0)
            return (only, only, only)
        }
    }

    /// A linear layer's weights; behind the last layer, the output head.
    private func matrix(layer: Int, _ kind: LinearKind) -> PackedMatrix {
        guard layer < configuration.layerCount else { return model.outputHead }
        return linears[layer * LinearKind.allCases.count + kind.ordinal]
    }

    private func adapterGroup(layer: Int, _ group: LinearGroup) -> Int {
        layer * LinearGroup.allCases.count + group.rawValue
    }

    // MARK: - The four groups

    /// Queries, keys and values of all rows, into `projections`.
    func projectQueriesKeysValues(layer: Int) {
        let (q, k, v) = parts(layer: layer, .queryKeyValue)
        let count = q.tasks.count + k.tasks.count + v.tasks.count
        let target = scratch.projections
        let following = PanelTasks(matrix(layer: layer, .o), rows: rows)
        // A task of the three matrices in turn: whose it is, and its place there.
        func place(_ task: Int) -> (part: LinearPart, task: Int) {
            if task < q.tasks.count { return (q, task) }
            let rest = task - q.tasks.count
            return rest < k.tasks.count ? (k, rest) : (v, rest - k.tasks.count)
        }
        loop(.queryKeyValue, layer, count) { index, _ in
            let (part, own) = place(index)
            let turn = index + team.memberCount
            let ahead = place(turn)
            let next = ahead.part.tasks.start(of: ahead.task, then: following)
            let panels = part.tasks[own]
            forRowBlocks { rows in
                let block = OutputBlock(
                    panels: panels, rows: rows,
                    y: target.row(rows.lowerBound) + part.column
                        + panels.lowerBound * PackedMatrix.panelWidth,
                    stride: target.stride, share: (index, count), next: next)
                compute(part, block, x: scratch.normed)
            }
        }
    }

    /// The product of `o` or `down`, added to the residual stream.
    func projectBack(layer: Int, _ group: LinearGroup, _ x: RowBuffer) {
        let part = parts(layer: layer, group).0
        let tasks = part.tasks
        let hidden = scratch.hidden
        let following = PanelTasks(
            group == .output ? matrix(layer: layer, .gate) : matrix(layer: layer + 1, .q),
            rows: rows)
        loop(group == .output ? .output : .down, layer, tasks.count) { index, member in
            let panels = tasks[index]
            let next = tasks.start(of: index + team.memberCount, then: following)
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
        let (gate, up, _) = parts(layer: layer, .gateUp)
        let tasks = gate.tasks
        let target = scratch.activated
        let following = PanelTasks(matrix(layer: layer, .down), rows: rows)
        loop(.gateUp, layer, tasks.count) { index, member in
            let panels = tasks[index]
            let stride = panels.count * PackedMatrix.panelWidth
            let next = tasks.start(of: index + team.memberCount, then: following)
            forRowBlocks { rows in
                let base = scratch.members[member].block
                let share = (index, tasks.count)
                let first = OutputBlock(
                    panels: panels, rows: rows, y: base, stride: 2 * stride, share: share,
                    next: up.tasks.matrix.panel(panels.lowerBound))
                let second = OutputBlock(
                    panels: panels, rows: rows, y: base + stride, stride: 2 * stride,
                    share: nil, next: next)
                compute(gate, first, x: scratch.normed)
                compute(up, second, x: scratch.normed)
                kernels.swiglu(
                    first.y, second.y, first.stride, first.columns, rows.count,
                    target.row(rows.lowerBound) + first.firstColumn, target.stride)
            }
        }
    }

    // MARK: - Blocks

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
        var product = part.tasks.matrix.product(
            block.panels, x: RowBuffer(base: x.row(block.rows.lowerBound), stride: x.stride),
            integers: scratch.integers?.rows(from: block.rows.lowerBound) ?? KernelIntegers(),
            rows: block.rows.count, y: RowBuffer(base: block.y, stride: block.stride))
        product.first_row = block.rows.lowerBound
        product.next = block.next
        product.expansions = part.expansions.baseAddress
        product.expansion_count = part.expansions.count
        if let share = block.share, let later = part.later.baseAddress {
            let first = part.later.count * share.index / share.count
            product.later = later + first
            product.later_count = part.later.count * (share.index + 1) / share.count - first
        }
        kernels.product(&product)
        if let bias = part.bias {
            kernels.add_bias(
                bias + block.firstColumn, block.columns, block.rows.count, block.y, block.stride)
        }
    }

    // MARK: - Adapters

    /// The first half of the adapters of `group`: ranks of each row, scaled, into `shrunk`; those of
    /// mixtures weighed.
    func shrink(layer: Int, _ group: LinearGroup, _ x: RowBuffer) {
        let index = adapterGroup(layer: layer, group)
        if isGated {
            weigh(
                at: GatePlaces.input(layer, group), layer: layer,
                .rows(x, width: configuration.inputSize(of: group.kinds[0])))
        }
        shrinkRows(layer: layer, index, x)
        if isGated {
            weigh(at: GatePlaces.shrunk(layer, group), layer: layer, .ranks(group: index))
            weighLate(layer: layer, group: index)
        }
    }

    private func shrinkRows(layer: Int, _ index: Int, _ x: RowBuffer) {
        guard plan.segments.contains(where: { $0.groups[index].rank > 0 }) else { return }
        loop(.shrink, layer, plan.shrinkTasks.count) { task, _ in
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
            if let gate = segment.gate {
                weighEarly(
                    gating.segments[gate], group: index,
                    rows: task.firstRow..<task.firstRow + task.rowCount, ranks: first..<end)
            }
        }
    }

    /// Lists the first factors of the group that follows `group`, in pieces, if there are few rows:
    /// then they are not in the caches and their product is too short to wait for them.
    private func listFactors(after group: Int) {
        let next = group + 1
        lists.later.removeAll()
        guard rows <= StepShape.streamedRows,
            next < configuration.layerCount * LinearGroup.allCases.count
        else {
            return
        }
        let piece = 8192
        for segment in plan.segments {
            let factors = segment.groups[next]
            guard let a = factors.a else { continue }
            let bytes = factors.rank * factors.depth * factors.type.byteCount
            for start in stride(from: 0, to: bytes, by: piece) {
                lists.later.append(KernelRange(start: a + start, bytes: min(piece, bytes - start)))
            }
        }
    }

    /// Lists the second half of the adapters of one linear layer.
    private func listExpansions(
        _ part: Int, group: Int, into list: StepList<KernelExpansion>
    ) {
        list.removeAll()
        for segment in plan.segments {
            let factors = segment.groups[group]
            let own = factors.part(part)
            guard let matrix = own.matrix(type: factors.type) else { continue }
            list.append(
                KernelExpansion(
                    weights: matrix.weights, panel_bytes: matrix.panelBytes,
                    type: matrix.type.kernelType, depth: matrix.depth,
                    x: shrunk.row(segment.slot * rows + segment.firstRow) + own.rankOffset,
                    x_stride: shrunk.stride, first_row: segment.firstRow, rows: segment.rowCount))
        }
    }
}
