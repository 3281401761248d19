// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit

extension StepValidation {
    /// Checks that a chunk says what the gate of its mixture needs, and that there is room for what
    /// the gate keeps.
    func checkGating(_ chunk: SequenceChunk, index: Int) throws(InferenceError) {
        func fail(_ message: String) -> InferenceError {
            InferenceError(.invalidStep, message, chunk: index)
        }
        guard chunk.gating != nil || chunk.adapters.contains(where: { $0.adapter.isMixture }) else {
            return
        }
        var found: (mixture: PackedMixture, factor: Float)?
        for use in chunk.adapters {
            guard let mixture = use.adapter.mixture else { continue }
            guard found == nil else {
                throw fail("mixture \(mixture.name) is not the chunk's only mixture")
            }
            found = (mixture, use.factor)
        }
        guard let (mixture, factor) = found else {
            guard chunk.gating == nil else { throw fail("gating is for chunks of mixtures") }
            return
        }
        guard let gating = chunk.gating, factor == 1 else {
            throw fail(
                "mixture \(mixture.name) needs gating and the factor 1, not the factor \(factor)"
                    + (chunk.gating == nil ? " without gating" : ""))
        }
        try check(gating, of: mixture, chunk, index: index)
    }

    private func check(
        _ gating: ChunkGating, of mixture: PackedMixture, _ chunk: SequenceChunk, index: Int
    ) throws(InferenceError) {
        func fail(_ code: InferenceError.Code, _ message: String) -> InferenceError {
            InferenceError(code, message, chunk: index)
        }
        let all = UInt64.max >> UInt64(64 - mixture.expertCount)
        guard gating.masked & ~all == 0, gating.masked != all else {
            throw fail(
                .invalidStep,
                "the mask \(gating.masked) of mixture \(mixture.name), which has "
                    + "\(mixture.expertCount) experts, names others or leaves out all")
        }
        guard (1...configuration.contextLength).contains(gating.promptTokens) else {
            throw fail(
                .invalidStep,
                "a prompt of \(gating.promptTokens) tokens; it has 1 to "
                    + "\(configuration.contextLength)")
        }
        let end = chunk.position + chunk.tokens.count
        if mixture.traits.needsWholePrompt, chunk.position < gating.promptTokens {
            guard chunk.position == 0, end >= gating.promptTokens else {
                throw fail(
                    .invalidStep,
                    "the gate of mixture \(mixture.name) needs the prompt of "
                        + "\(gating.promptTokens) tokens in one piece, not from token "
                        + "\(chunk.position) to \(end)")
            }
        }
        guard mixture.stateFloats <= configuration.gateStateFloats else {
            throw fail(
                .tooLarge,
                "the gate of mixture \(mixture.name) keeps \(mixture.stateFloats) floats for each "
                    + "token; there is room for \(configuration.gateStateFloats)")
        }
        guard !mixture.readsFinalHidden || configuration.keepsScalingPass else {
            throw fail(
                .invalidStep,
                "the gate of mixture \(mixture.name) reads final hidden states; the executor keeps "
                    + "no scaling pass")
        }
    }
}
