// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import ModelLoading

/// A matrix of the model, with the names of the linear layers of that shape.
struct ProductShape {
    let kinds: [LinearKind]
    let outputs: Int
    let inputs: Int

    /// Without kinds it is the output head.
    var text: String {
        let names = kinds.isEmpty ? "head" : kinds.map(\.rawValue).joined(separator: "/")
        return "\(names) \(outputs) x \(inputs)"
    }
}

/// The inputs of a product as integers, which only int8 weights read.
private struct InputIntegers {
    private let integers: KernelIntegers
    private let memory: AlignedMemory

    init(
        _ inputs: WorkingSet, rows: Int, width: Int, for type: WeightType
    ) throws(InferenceError) {
        var plan = MemoryPlan(for: "the inputs of a product")
        let place = try IntegerRows(rows: rows, width: type == .int8 ? width : 0, in: &plan)
        memory = try plan.allocate()
        integers = place.placed(at: memory.base)
        if type == .int8 {
            try InstructionSet.portable.kernels().quantize(
                inputs.floats(0), inputs.copyBytes / 4, width, rows, integers)
        }
    }

    func rows(from row: Int) -> KernelIntegers { integers.rows(from: row) }
}

extension KernelBenchmark {
    /// The shapes of the seven linear layers and of the output head, each once.
    var productShapes: [ProductShape] {
        var shapes: [ProductShape] = []
        for kind in LinearKind.allCases
        where !shapes.contains(where: { $0.kinds.contains(kind) }) {
            let (outputs, inputs) = (model.outputSize(of: kind), model.inputSize(of: kind))
            let alike = LinearKind.allCases.filter {
                model.outputSize(of: $0) == outputs && model.inputSize(of: $0) == inputs
            }
            shapes.append(ProductShape(kinds: alike, outputs: outputs, inputs: inputs))
        }
        return shapes + [
            ProductShape(kinds: [], outputs: model.vocabularySize, inputs: model.hiddenSize)
        ]
    }

    /// One layer of the model, packed; its rows of vocabulary only if they are asked for.
    func layer(_ type: WeightType, withHead: Bool) throws(InferenceError) -> PackedModel {
        var configuration = model
        if !withHead { configuration.vocabularySize = 32 }
        do {
            return try PackedModel(
                ModelWeights.synthetic(configuration, name: "one layer", seed: 1), type: type,
                threads: mostThreads)
        } catch let error as InferenceError {
            throw error
        } catch {
            throw InferenceError(.unsupportedModel, "no random weights of this shape: \(error)")
        }
    }

    func products(
        _ shape: ProductShape, _ type: WeightType
    ) throws(InferenceError) -> [KernelCase] {
        let source = try layer(type, withHead: shape.kinds.isEmpty)
        let matrix = shape.kinds.first.map { source.linears[$0.ordinal] } ?? source.outputHead
        let set = try WorkingSet(
            of: matrix.weights, bytes: matrix.byteCount, filling: workingSetBytes)
        let most = rows.max() ?? 1
        let x = try WorkingSet.random(floats: RowBuffer.stride(for: shape.inputs), bytes: 0)
        let stride = x.copyBytes / 4
        let inputs = try WorkingSet(of: x[0], bytes: x.copyBytes, filling: most * x.copyBytes)
        let integers = try InputIntegers(inputs, rows: most, width: shape.inputs, for: type)
        let blockFloats = StepShape.rowBlock * StepShape.panelBlock * PackedMatrix.panelWidth
        let scratch = try WorkingSet(copyBytes: blockFloats * 4, bytes: blockFloats * 4)
        let outputs = try WorkingSet(
            of: scratch[0], bytes: scratch.copyBytes, filling: mostThreads * scratch.copyBytes)
        // The head sees at most one row of each sequence.
        let counts = shape.kinds.isEmpty ? rows.filter { $0 <= 64 || $0 == rows.min() } : rows
        return counts.map { rows in
            let panels = min(matrix.panels, matrix.panelsPerTask(rows: rows))
            let blocks = matrix.panels / panels
            let values = Double(panels * PackedMatrix.panelWidth * matrix.inputs)
            return KernelCase(
                kernel: .product, shape: shape.text, rows: rows, type: type,
                bytes: Double(panels * matrix.panelBytes), operations: 2 * values * Double(rows),
                callCount: set.count * blocks
            ) { kernels, index, member in
                // The working set was copied out of it, but not what else a matrix refers to.
                withExtendedLifetime(source) {
                    var copy = matrix
                    copy.weights = UnsafeRawPointer(set[index / blocks])
                    let first = index % blocks * panels
                    var row = 0
                    while row < rows {
                        let count = min(StepShape.rowBlock, rows - row)
                        var product = copy.product(
                            first..<first + panels,
                            x: RowBuffer(base: inputs.floats(row), stride: stride),
                            integers: integers.rows(from: row), rows: count,
                            y: RowBuffer(
                                base: outputs.floats(member),
                                stride: panels * PackedMatrix.panelWidth))
                        kernels.product(&product)
                        row += count
                    }
                }
            }
        }
    }

    // MARK: - Adapters

    func adapter() throws(InferenceError) -> PackedAdapter {
        let base = try layer(.bf16, withHead: false)
        return try PackedAdapter(
            AdapterWeights.synthetic(
                name: "synthetic", rank: rank, seed: 1, for: base.configuration),
            for: base)
    }

    /// The stacked first factors of queries, keys and values, for one row and for a task of them.
    func shrinks() throws(InferenceError) -> [KernelCase] {
        let adapter = try adapter()
        let group = adapter.group(layer: 0, .queryKeyValue)
        guard let a = group.a, let scales = group.scales else { return [] }
        let bytes = group.rank * group.depth * group.type.byteCount
        let factors = try WorkingSet(of: a, bytes: bytes, filling: workingSetBytes)
        let x = try WorkingSet.random(floats: RowBuffer.stride(for: group.depth), bytes: 0)
        let inputs = try WorkingSet(of: x[0], bytes: x.copyBytes, filling: 32 * x.copyBytes)
        let stride = group.rank.roundedUp(to: 32)
        let results = try WorkingSet(
            copyBytes: 32 * stride * 4, bytes: mostThreads * 32 * stride * 4)
        return [1, 8, 32].map { rows in
            KernelCase(
                kernel: .shrink, shape: "\(group.rank) x \(model.hiddenSize)", rows: rows,
                type: group.type, bytes: Double(bytes),
                operations: Double(2 * group.rank * group.depth * rows), callCount: factors.count
            ) { kernels, index, member in
                withExtendedLifetime(adapter) {
                    var shrink = KernelShrink(
                        a: factors[index], type: group.type.kernelType, depth: group.depth,
                        rank: group.rank, scales: scales, factor: 1, x: inputs.floats(0),
                        x_stride: inputs.copyBytes / 4, rows: rows, h: results.floats(member),
                        h_stride: stride)
                    kernels.shrink(&shrink)
                }
            }
        }
    }

    /// Products of two inputs only, so that nearly all of the time goes into what is added.
    func expands() throws(InferenceError) -> [KernelCase] {
        let adapter = try adapter()
        let group = adapter.group(layer: 0, .gateUp)
        guard let matrix = group.part(0).matrix(type: group.type) else { return [] }
        let set = try WorkingSet(
            of: matrix.weights, bytes: matrix.byteCount, filling: workingSetBytes)
        let width = PackedMatrix.panelWidth
        let base = try WorkingSet(
            copyBytes: matrix.panels * width * 4, bytes: matrix.panels * width * 4)
        let short = PackedMatrix(
            weights: UnsafeRawPointer(base[0]), outputs: matrix.outputs, inputs: 2, type: .bf16)
        let most = 64
        let depth = max(matrix.depth, 32)
        let x = try WorkingSet.random(floats: most * depth, bytes: 0)
        let panels = min(matrix.panels, StepShape.panelBlock)
        let outputs = try WorkingSet(
            copyBytes: most * panels * width * 4, bytes: mostThreads * most * panels * width * 4)
        return [(1, 1), (8, 8), (16, 16), (16, 1), (64, 1)].map { rows, adapters in
            let blocks = matrix.panels / panels
            let own = rows / adapters
            return KernelCase(
                kernel: .expand,
                shape: "\(matrix.outputs) x \(rank), \(adapters) adapter\(adapters > 1 ? "s" : "")",
                rows: rows, type: group.type,
                bytes: Double(adapters * panels * matrix.panelBytes),
                operations: Double(2 * panels * width * matrix.inputs * rows),
                callCount: max(1, set.count / adapters) * blocks
            ) { kernels, index, member in
                let first = index % blocks * panels
                var product = short.product(
                    first..<first + panels, x: RowBuffer(base: x.floats(0), stride: depth),
                    rows: rows,
                    y: RowBuffer(base: outputs.floats(member), stride: panels * width))
                withUnsafeTemporaryAllocation(of: KernelExpansion.self, capacity: adapters) {
                    expansions in
                    for slot in 0..<adapters {
                        let copy = (index / blocks * adapters + slot) % set.count
                        expansions.initializeElement(
                            at: slot,
                            to: KernelExpansion(
                                weights: set[copy], panel_bytes: matrix.panelBytes,
                                type: matrix.type.kernelType, depth: matrix.depth,
                                x: x.floats(0) + slot * own * depth, x_stride: depth,
                                first_row: slot * own, rows: own))
                    }
                    product.expansions = UnsafePointer(expansions.baseAddress)
                    product.expansion_count = adapters
                    withExtendedLifetime(base) { kernels.product(&product) }
                }
            }
        }
    }
}
