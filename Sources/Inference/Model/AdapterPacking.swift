// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import ModelLoading

/// Lays out an adapter's factors in one allocation, in the order in which a step reads them.
struct AdapterPacking {
    let adapter: AdapterWeights
    let model: PackedModel
    let type: WeightType
    var memoryPlan: MemoryPlan
    private var offsets: [Int] = []
    private var next = 0

    init(adapter: AdapterWeights, model: PackedModel) {
        self.adapter = adapter
        self.model = model
        memoryPlan = MemoryPlan(for: "adapter \(adapter.name)")
        let tensors = adapter.sites.values.flatMap { [$0.a, $0.b] }
        type = tensors.allSatisfy { $0.type == .bf16 } ? .bf16 : .f32
    }

    /// Checks every factor against the model's shape once more, since kernels check nothing.
    func check() throws(InferenceError) {
        let configuration = model.configuration
        for (site, factors) in adapter.sites {
            let outputs = configuration.outputSize(of: site.linear)
            let inputs = configuration.inputSize(of: site.linear)
            guard (0..<configuration.layerCount).contains(site.layer),
                AdapterWeights.ranks.contains(factors.rank),
                factors.a.shape == [factors.rank, inputs],
                factors.b.shape == [outputs, factors.rank]
            else {
                throw InferenceError(
                    .wrongModel,
                    "adapter \(adapter.name) does not fit this model at \(site.moduleName); "
                        + "load it for this model")
            }
        }
    }

    /// The sites of one group with the row at which each begins.
    private func stack(
        layer: Int, _ group: LinearGroup
    ) -> [(part: Int, offset: Int, kind: LinearKind, factors: LoRAFactors)] {
        var offset = 0
        var stack: [(part: Int, offset: Int, kind: LinearKind, factors: LoRAFactors)] = []
        for (part, kind) in group.kinds.enumerated() {
            guard let factors = adapter.sites[AdapterSite(layer: layer, linear: kind)] else {
                continue
            }
            stack.append((part, offset, kind, factors))
            offset += factors.rank.roundedUp(to: 2)
        }
        return stack
    }

    private func matrix(_ factors: LoRAFactors, at pointer: UnsafeRawPointer) -> PackedMatrix {
        PackedMatrix(
            weights: pointer, outputs: factors.b.shape[0], inputs: factors.rank, type: type)
    }

    mutating func reserve() throws(InferenceError) {
        let nowhere = UnsafeRawPointer(bitPattern: 64)!  // only sizes are asked for
        _ = try memoryPlan.reserve(model.nextAdapterOffset())
        for layer in 0..<model.configuration.layerCount {
            for group in LinearGroup.allCases {
                let stack = stack(layer: layer, group)
                guard let last = stack.last else { continue }
                let rank = last.offset + last.factors.rank.roundedUp(to: 2)
                let depth = last.factors.a.shape[1].roundedUp(to: 32)
                offsets.append(try memoryPlan.reserve(rank, 4))
                offsets.append(try memoryPlan.reserve(rank, depth, type.byteCount))
                for site in stack {
                    let size = matrix(site.factors, at: nowhere)
                    offsets.append(try memoryPlan.reserve(size.panels, size.panelBytes))
                }
            }
        }
    }

    mutating func place(in memory: AlignedMemory) -> [AdapterGroup] {
        var groups: [AdapterGroup] = []
        for layer in 0..<model.configuration.layerCount {
            for group in LinearGroup.allCases {
                groups.append(place(stack(layer: layer, group), in: memory))
            }
        }
        return groups
    }

    private mutating func place(
        _ stack: [(part: Int, offset: Int, kind: LinearKind, factors: LoRAFactors)],
        in memory: AlignedMemory
    ) -> AdapterGroup {
        var group = AdapterGroup()
        guard let last = stack.last else { return group }
        group.type = type
        group.rank = last.offset + last.factors.rank.roundedUp(to: 2)
        group.depth = last.factors.a.shape[1].roundedUp(to: 32)
        let scales = take(in: memory).assumingMemoryBound(to: Float.self)
        let a = take(in: memory)
        group.scales = UnsafePointer(scales)
        group.a = UnsafeRawPointer(a)
        for site in stack {
            let factors = site.factors
            for row in 0..<factors.rank {
                scales[site.offset + row] = factors.scale
                packRow(
                    factors.a, row: row, depth: group.depth,
                    into: a + (site.offset + row) * group.depth * type.byteCount)
            }
            let b = matrix(factors, at: take(in: memory))
            PackingTask(tensor: factors.b, matrix: b, panels: 0..<b.panels).run()
            group.set(
                AdapterPart(
                    weights: b.weights, rankOffset: site.offset, rank: factors.rank,
                    outputs: b.outputs),
                at: site.part)
        }
        return group
    }

    private mutating func take(in memory: AlignedMemory) -> UnsafeMutableRawPointer {
        defer { next += 1 }
        return memory.base + offsets[next]
    }

    private func packRow(
        _ tensor: TensorView, row: Int, depth: Int, into target: UnsafeMutableRawPointer
    ) {
        let columns = tensor.shape[1]
        tensor.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            kernel_pack_shrink_row(
                base + row * columns * tensor.type.byteCount, tensor.type.kernelType, columns,
                depth, type.kernelType, target)
        }
    }
}
