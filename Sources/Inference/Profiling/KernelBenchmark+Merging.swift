// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import ModelLoading

extension KernelBenchmark {
    /// Panels of weights that an adapter is added into, one in each call.
    func merges(_ type: WeightType) throws(InferenceError) -> [KernelCase] {
        let source = try layer(type, withHead: false)
        let adapter = try adapter()
        let group = adapter.group(layer: 0, .queryKeyValue)
        let matrix = source.linears[LinearKind.q.ordinal]
        guard let a = group.a, let scales = group.scales,
            let b = group.part(0).matrix(type: group.type)
        else { return [] }
        let panels = try WorkingSet(
            of: matrix.weights, bytes: matrix.panelBytes, filling: workingSetBytes / 2)
        let targets = try WorkingSet(
            of: matrix.weights, bytes: matrix.panelBytes, filling: workingSetBytes / 2)
        let (rank, width) = (group.part(0).rank, PackedMatrix.panelWidth)
        let inputs = try WorkingSet(copyBytes: group.depth * rank.roundedUp(to: 2) * 4, bytes: 0)
        try InstructionSet.portable.kernels().merge_inputs(
            a, group.type.kernelType, group.depth, rank, scales, inputs.floats(0))
        let outputs = rank.roundedUp(to: 2) * width
        let floats = (outputs + group.depth * width).roundedUp(to: 16)
        let scratch = try WorkingSet(copyBytes: floats * 4, bytes: mostThreads * floats * 4)
        return [
            KernelCase(
                kernel: .merge, shape: "panel of \(matrix.inputs), rank \(rank)", rows: 1,
                type: type, bytes: Double(2 * matrix.panelBytes),
                operations: Double(2 * matrix.depth * width * rank), callCount: panels.count
            ) { kernels, index, member in
                var merge = KernelMerge(
                    weights: panels[index], target: targets[index],
                    panel_bytes: matrix.panelBytes, panels: 1, type: type.kernelType,
                    depth: matrix.depth, b: b.panel(index % matrix.panels),
                    b_panel_bytes: b.panelBytes, adapter_type: b.type.kernelType, rank: rank,
                    inputs: inputs.floats(0), outputs: scratch.floats(member),
                    sums: scratch.floats(member) + outputs)
                withExtendedLifetime(adapter) { kernels.merge(&merge) }
            }
        ]
    }

    /// What sampling reads and makes of a row of logits.
    func samplings() throws(InferenceError) -> [KernelCase] {
        let count = model.vocabularySize
        let logits = try WorkingSet.random(floats: count, bytes: workingSetBytes / 2)
        let results = try WorkingSet(copyBytes: count * 4, bytes: workingSetBytes / 2)
        func item(
            _ kernel: KernelName, bytes: Int, operations: Int,
            _ call: @escaping (KernelTable, Int) -> Void
        ) -> KernelCase {
            KernelCase(
                kernel: kernel, shape: "row of \(count)", rows: 1, type: nil,
                bytes: Double(bytes * count), operations: Double(operations * count),
                callCount: min(logits.count, results.count)
            ) { kernels, index, _ in call(kernels, index) }
        }
        return [
            item(.peak, bytes: 4, operations: 1) { kernels, index in
                _ = kernels.peak(logits.floats(index), count)
            },
            item(.weights, bytes: 8, operations: Self.exponentialOperations + 3) { kernels, index in
                _ = kernels.weights(logits.floats(index), count, 1, 1, results.floats(index))
            },
        ]
    }
}
