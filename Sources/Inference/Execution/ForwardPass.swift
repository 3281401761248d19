// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import ModelLoading

/// One step under way: the order of the computation. The parts are in the extensions.
struct ForwardPass {
    let executor: Executor
    let model: PackedModel
    let configuration: ModelConfiguration
    let kernels: KernelTable
    let shape: StepShape
    let scratch: StepScratch
    let team: ThreadTeam
    let step: ExecutorStep
    let plan: StepPlan
    let linears: [PackedMatrix]
    let rows: Int
    let shrunk: RowBuffer
    var times = StepTimes()
    private let clock = ContinuousClock()

    init(executor: Executor, step: ExecutorStep, plan: StepPlan) {
        self.executor = executor
        self.step = step
        self.plan = plan
        model = executor.model
        configuration = executor.model.configuration
        kernels = executor.kernels
        shape = executor.shape
        scratch = executor.scratch
        team = executor.team
        rows = plan.rowCount
        shrunk = RowBuffer(
            base: executor.shrunk.base, stride: plan.stackedRank.roundedUp(to: 32))
        switch step.weights {
        case .base: linears = executor.model.linears
        case .merged(let merged): linears = merged.linears
        }
    }

    /// Leaves the logits of the wanted rows in `logits`.
    mutating func run(logits: LogitsBuffer, beforeHead: () -> Void) {
        embed()
        for layer in 0..<configuration.layerCount { run(layer: layer) }
        beforeHead()
        times.head += elapsed { head(logits) }
    }

    private mutating func run(layer: Int) {
        let tensors = model.layers[layer]
        norm(tensors.inputNorm)
        times.adapters += elapsed { shrink(layer: layer, .queryKeyValue, scratch.normed) }
        times.linears += elapsed { projectQueriesKeysValues(layer: layer) }
        times.attention += elapsed { attend(layer: layer) }
        times.adapters += elapsed { shrink(layer: layer, .output, scratch.attended) }
        times.linears += elapsed {
            quantize(scratch.attended, configuration.inputSize(of: .o))
            projectBack(layer: layer, .o, scratch.attended)
        }
        norm(tensors.postAttentionNorm)
        times.adapters += elapsed { shrink(layer: layer, .gateUp, scratch.normed) }
        times.linears += elapsed { activate(layer: layer) }
        times.adapters += elapsed { shrink(layer: layer, .down, scratch.activated) }
        times.linears += elapsed {
            quantize(scratch.activated, configuration.inputSize(of: .down))
            projectBack(layer: layer, .down, scratch.activated)
        }
    }

    private func elapsed(_ body: () -> Void) -> Duration {
        let start = clock.now
        body()
        return clock.now - start
    }

    // MARK: - Rows

    /// Calls `body` with ranges that cover `0..<count`; on this thread alone if they are few.
    func forRows(_ count: Int, _ body: (Range<Int>) -> Void) {
        let block = 8
        guard count > block else { return body(0..<count) }
        team.parallel(count.dividedUp(by: block)) { index, _ in
            body(index * block..<min(count, (index + 1) * block))
        }
    }

    /// Rows of the embedding, page tables, and the angles of all positions.
    private func embed() {
        for chunk in plan.chunks {
            let pages = step.chunks[chunk.index].pages
            let used = ExecutorConfiguration.pages(for: chunk.position + chunk.rowCount)
            for slot in 0..<used { scratch.pages[chunk.pagesOffset + slot] = pages[slot] }
        }
        forRows(rows) { range in
            for row in range {
                embed(token: Int(plan.places[row].token), into: scratch.hidden.row(row))
                kernel_angles(
                    plan.places[row].position, model.ropeFrequencies, configuration.headSize / 2,
                    scratch.angles.row(row))
            }
        }
    }

    private func embed(token: Int, into row: UnsafeMutablePointer<Float>) {
        let size = configuration.hiddenSize
        guard let embedding = model.embedding else {
            let head = model.outputHead
            kernel_unpack_row(head.weights, head.type.kernelType, size, token, row)
            return
        }
        kernel_convert(
            embedding + token * size * model.type.unpackedType.byteCount,
            model.type.unpackedType.kernelType, size, row)
    }

    /// Normed rows of the residual stream.
    private func norm(_ weight: UnsafePointer<Float>) {
        let (hidden, normed) = (scratch.hidden, scratch.normed)
        forRows(rows) { range in
            kernels.norm(
                hidden.row(range.lowerBound), hidden.stride, weight, configuration.normEpsilon,
                configuration.hiddenSize, range.count, normed.row(range.lowerBound), normed.stride)
            quantize(normed, configuration.hiddenSize, range)
        }
    }

    /// With int8 weights, makes integers of some rows that a linear layer will read.
    func quantize(_ x: RowBuffer, _ width: Int, _ range: Range<Int>) {
        guard let integers = scratch.integers else { return }
        kernels.quantize(
            x.row(range.lowerBound), x.stride, width, range.count,
            integers.rows(from: range.lowerBound))
    }

    /// The same for all rows.
    private func quantize(_ x: RowBuffer, _ width: Int) {
        guard scratch.integers != nil else { return }
        forRows(rows) { quantize(x, width, $0) }
    }

    /// The last norm and the output head, for the last rows of chunks, as many as want logits.
    private func head(_ logits: LogitsBuffer) {
        let last = plan.chunks.flatMap { chunk in
            let end = chunk.firstRow + chunk.rowCount
            return end - chunk.logitRows..<end
        }
        guard !last.isEmpty else { return }
        let (hidden, normed) = (scratch.hidden, scratch.normed)
        for (row, source) in last.enumerated() {
            kernels.norm(
                hidden.row(source), hidden.stride, model.finalNorm, configuration.normEpsilon,
                configuration.hiddenSize, 1, normed.row(row), normed.stride)
        }
        quantize(normed, configuration.hiddenSize, 0..<last.count)
        let target = RowBuffer(base: logits.base, stride: logits.stride)
        let head = model.outputHead
        let block = head.panelsPerTask(rows: last.count)
        team.parallel(head.panels.dividedUp(by: block)) { index, _ in
            let panels = index * block..<min(head.panels, (index + 1) * block)
            var product = head.product(
                panels, x: normed, integers: scratch.integers ?? KernelIntegers(),
                rows: last.count,
                y: RowBuffer(
                    base: target.base + panels.lowerBound * PackedMatrix.panelWidth,
                    stride: target.stride))
            product.next = head.panel(min(head.panels - 1, (index + team.memberCount) * block))
            kernels.product(&product)
        }
    }
}
