// SPDX-License-Identifier: Apache-2.0

import Inference
import ModelLoading
import TestSupport
import Testing

@testable import Composition

/// What the executor makes of a composed adapter.
struct ServedCompositionTests {
    private func logits(
        _ executor: Executor, _ adapters: [AdapterUse]
    ) throws -> [Float] {
        let tokens: [Int32] = [1, 5, 9, 2, 14, 7, 3, 3, 21]
        let output = try executor.run(
            ExecutorStep(chunks: [
                SequenceChunk(tokens: tokens, position: 0, pages: [0], adapters: adapters)
            ]))
        return output.logits.withRow(0) { Array($0) }
    }

    /// Written, read and served, it is the sum of the adapters that the executor can add itself.
    @Test(arguments: [CompositionMethod.concatenate, .svd])
    func theSumIsServedAsTheAdaptersTogether(method: CompositionMethod) throws {
        let folder = try TemporaryFolder()
        let model = try PackedModel(
            ModelWeights.open(folder: "\(Golden.folder)/base"), type: .f32, threads: 1)
        let executor = try Executor(
            model: model,
            configuration: ExecutorConfiguration(
                pageCount: 4, maximumTokens: 64, maximumSequences: 4, contextLength: 64, threads: 1)
        )
        let adapters = [
            WeightedAdapter(try Golden.adapter("patterned"), weight: 0.75),
            WeightedAdapter(try Golden.adapter("qv-rslora-r4"), weight: -0.5),
            WeightedAdapter(try Golden.adapter("wide-r32"), weight: 0.25),
        ]
        try AdapterComposition(adapters, by: method, for: model.configuration)
            .run(name: "sum").write(to: "\(folder.path)/sum")
        let read = try AdapterWeights.open(
            folder: "\(folder.path)/sum", name: "sum", for: model.configuration)
        let composed = try logits(executor, [AdapterUse(try PackedAdapter(read, for: model))])
        let together = try logits(
            executor,
            adapters.map {
                AdapterUse(try PackedAdapter($0.adapter, for: model), factor: Float($0.weight))
            })
        let base = try logits(executor, [])
        let most = base.map(abs).max() ?? 0
        #expect(zip(composed, together).allSatisfy { abs($0 - $1) <= 1e-3 * most })
        #expect(zip(composed, base).contains { abs($0 - $1) > 0.1 * most })
    }
}
