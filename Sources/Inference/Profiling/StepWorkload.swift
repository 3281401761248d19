// SPDX-License-Identifier: Apache-2.0

package import ModelLoading

/// A step that is run again and again to be looked at: some sequences, some tokens of each.
package struct StepWorkload: Sendable {
    /// Sequences of the step.
    package var batch = 16
    /// Tokens of each: 1 is decoding, more are a prompt's.
    package var tokens = 1
    /// Tokens that each has in its pages already.
    package var context = 64
    /// Distinct synthetic adapters that the sequences use in turn; 0 is the base alone.
    package var adapters = 0
    package var rank = 16
    package var type = WeightType.bf16
    package var threads = 1
    package var instructionSet: InstructionSet?

    package init() {}

    /// Packs `weights`, runs two steps that nobody looks at, and records the `steps` after them.
    ///
    /// Throws `invalidConfiguration` for sizes that are impossible or beyond the model's context.
    package func record(
        _ weights: ModelWeights, steps: Int
    ) throws(InferenceError) -> StepTimeline {
        try check(weights.configuration)
        let model = try PackedModel(weights, type: type, threads: threads)
        var packed: [PackedAdapter] = []
        for index in 0..<adapters {
            packed.append(
                try PackedAdapter(
                    AdapterWeights.synthetic(
                        name: "synthetic-\(index)", rank: rank, seed: UInt64(index),
                        for: weights.configuration),
                    for: model))
        }
        let pages = ExecutorConfiguration.pages(for: context + tokens)
        let executor = try Executor(
            model: model,
            configuration: ExecutorConfiguration(
                pageCount: batch * pages, maximumTokens: batch * tokens, maximumSequences: batch,
                contextLength: context + tokens, threads: threads, instructionSet: instructionSet))
        let vocabulary = weights.configuration.vocabularySize
        let step = ExecutorStep(
            chunks: (0..<batch).map { index in
                SequenceChunk(
                    tokens: (0..<tokens).map { Int32((index * 7919 + $0 * 104_729) % vocabulary) },
                    position: context, pages: (0..<pages).map { Int32(index * pages + $0) },
                    adapters: packed.isEmpty ? [] : [AdapterUse(packed[index % adapters])])
            })
        for _ in 0..<2 { _ = try executor.run(step) }
        let timeline = try StepTimeline(
            steps: steps, layers: weights.configuration.layerCount, members: threads)
        executor.timeline = timeline
        for _ in 0..<steps { _ = try executor.run(step) }
        return timeline
    }

    private func check(_ model: ModelConfiguration) throws(InferenceError) {
        func require(
            _ value: Int, _ name: String, in range: ClosedRange<Int>
        ) throws(InferenceError) {
            guard range.contains(value) else {
                throw InferenceError(
                    .invalidConfiguration,
                    "\(name) is \(value); it must be \(range.lowerBound) to \(range.upperBound)")
            }
        }
        try require(batch, "batch", in: 1...4096)
        try require(tokens, "tokens", in: 1...model.contextLength)
        try require(context, "context", in: 0...(model.contextLength - tokens))
        try require(adapters, "adapters", in: 0...batch)
        try require(rank, "rank", in: AdapterWeights.ranks)
    }
}
