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
    let cache: KeyValueCache
    /// The rows of mixtures, and what their gates read and write.
    var gating: GatePlan { plan.gating }
    let isGated: Bool
    var gates: GateMemory { executor.gates }
    let lists: LinearLists
    let timeline: StepTimeline?
    var times = StepTimes()
    private let clock = ContinuousClock()

    /// A pass with these keys and values.
    init(
        executor: Executor, step: ExecutorStep, plan: StepPlan, cache: KeyValueCache,
        timeline: StepTimeline?
    ) {
        self.executor = executor
        lists = executor.lists
        self.timeline = timeline
        self.cache = cache
        isGated = !plan.gating.isEmpty
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
        runBlocks()
        beforeHead()
        times.head += elapsed { head(logits) }
    }

    /// Leaves the normed final hidden states of all rows where gates read them.
    mutating func runForGates() {
        runBlocks()
        let stride = RowBuffer.stride(for: configuration.hiddenSize)
        let (hidden, target) = (scratch.hidden, RowBuffer(base: gates.hidden, stride: stride))
        forRows(.norm, StepPhase.noLayer, rows) { range in
            kernels.norm(
                hidden.row(range.lowerBound), hidden.stride, model.finalNorm,
                configuration.normEpsilon, configuration.hiddenSize, range.count,
                target.row(range.lowerBound), target.stride)
        }
    }

    private mutating func runBlocks() {
        embed()
        if isGated {
            times.adapters += elapsed {
                weigh(at: GatePlaces.tokens, layer: StepPhase.noLayer, .nothing)
                weigh(at: GatePlaces.finalHidden, layer: StepPhase.noLayer, .finalHidden)
            }
        }
        for layer in 0..<configuration.layerCount { run(layer: layer) }
    }

    private mutating func run(layer: Int) {
        let tensors = model.layers[layer]
        if isGated {
            times.adapters += elapsed {
                weigh(
                    at: GatePlaces.blockInput(layer), layer: layer,
                    .rows(scratch.hidden, width: configuration.hiddenSize))
            }
        }
        norm(tensors.inputNorm, layer: layer)
        times.adapters += elapsed { shrink(layer: layer, .queryKeyValue, scratch.normed) }
        times.linears += elapsed { projectQueriesKeysValues(layer: layer) }
        times.attention += elapsed { attend(layer: layer) }
        times.adapters += elapsed { shrink(layer: layer, .output, scratch.attended) }
        times.linears += elapsed {
            quantize(scratch.attended, configuration.inputSize(of: .o), layer: layer)
            projectBack(layer: layer, .output, scratch.attended)
        }
        norm(tensors.postAttentionNorm, layer: layer)
        times.adapters += elapsed { shrink(layer: layer, .gateUp, scratch.normed) }
        times.linears += elapsed { activate(layer: layer) }
        times.adapters += elapsed { shrink(layer: layer, .down, scratch.activated) }
        times.linears += elapsed {
            quantize(scratch.activated, configuration.inputSize(of: .down), layer: layer)
            projectBack(layer: layer, .down, scratch.activated)
        }
    }

    private func elapsed(_ body: () -> Void) -> Duration {
        let start = clock.now
        body()
        return clock.now - start
    }

    // MARK: - Rows

    /// A loop of the whole team, recorded if anybody asked for that.
    func loop(
        _ phase: StepPhase, _ layer: Int, _ count: Int,
        _ body: (_ index: Int, _ member: Int) -> Void
    ) {
        guard let timeline else { return team.parallel(count, body) }
        timeline.record(phase, layer: layer, count, on: team, body)
    }

    /// Calls `body` with ranges that cover `0..<count`; on this thread alone if they are few.
    func forRows(_ phase: StepPhase, _ layer: Int, _ count: Int, _ body: (Range<Int>) -> Void) {
        let block = 8
        loop(phase, layer, count > block ? count.dividedUp(by: block) : min(count, 1)) { index, _ in
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
        forRows(.embed, StepPhase.noLayer, rows) { range in
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
        // A row that was not finite may have left anything in the columns that are to be zero.
        (row + size).update(repeating: 0, count: shape.hidden - size)
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
    private func norm(_ weight: UnsafePointer<Float>, layer: Int) {
        let (hidden, normed) = (scratch.hidden, scratch.normed)
        forRows(.norm, layer, rows) { range in
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
    private func quantize(_ x: RowBuffer, _ width: Int, layer: Int) {
        guard scratch.integers != nil else { return }
        forRows(.quantize, layer, rows) { quantize(x, width, $0) }
    }

    /// The last norm and the output head, for the last rows of chunks, as many as want logits.
    private func head(_ logits: LogitsBuffer) {
        let wanted = plan.wantedRows
        guard !wanted.isEmpty else { return }
        let (hidden, normed) = (scratch.hidden, scratch.normed)
        loop(.norm, StepPhase.noLayer, 1) { _, _ in
            for (row, source) in wanted.enumerated() {
                kernels.norm(
                    hidden.row(source), hidden.stride, model.finalNorm, configuration.normEpsilon,
                    configuration.hiddenSize, 1, normed.row(row), normed.stride)
            }
            quantize(normed, configuration.hiddenSize, 0..<wanted.count)
        }
        let target = RowBuffer(base: logits.base, stride: logits.stride)
        let tasks = PanelTasks(model.outputHead, rows: wanted.count)
        loop(.head, StepPhase.noLayer, tasks.count) { index, _ in
            let panels = tasks[index]
            var product = tasks.matrix.product(
                panels, x: normed, integers: scratch.integers ?? KernelIntegers(),
                rows: wanted.count,
                y: RowBuffer(
                    base: target.base + panels.lowerBound * PackedMatrix.panelWidth,
                    stride: target.stride))
            let next = min(tasks.matrix.panels - 1, (index + team.memberCount) * tasks.step)
            product.next = tasks.matrix.panel(next)
            kernels.product(&product)
        }
    }
}
