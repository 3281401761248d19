// SPDX-License-Identifier: Apache-2.0

/// An adapter that acts on a chunk, times a factor.
package struct AdapterUse: Sendable {
    package var adapter: PackedAdapter
    /// 1 to add the adapter; -1 to take it out of weights it was merged into.
    package var factor: Float

    package init(_ adapter: PackedAdapter, factor: Float = 1) {
        self.adapter = adapter
        self.factor = factor
    }
}

/// What a chunk of a mixture needs beside its adapter.
package struct ChunkGating: Sendable {
    /// Tokens of the prompt of its sequence.
    package var promptTokens: Int
    /// The experts that the request leaves out, the lowest bit for the first; never all.
    package var masked: UInt64

    package init(promptTokens: Int, masked: UInt64 = 0) {
        self.promptTokens = promptTokens
        self.masked = masked
    }
}

/// Consecutive tokens of one sequence that a step computes: a piece of its prompt, or its newest
/// token and perhaps a guess of those that follow.
package struct SequenceChunk: Sendable {
    package var tokens: [Int32]
    /// Tokens of the sequence whose keys and values are in its pages already.
    package var position: Int
    /// The sequence's pages in order; they must cover `position + tokens.count` tokens.
    package var pages: [Int32]
    /// Applied in this order. Requests whose numbers are to be the same bit for bit, step after
    /// step, keep the same order.
    package var adapters: [AdapterUse]
    /// For how many of the last tokens the logits that follow are wanted.
    package var logitRows: Int
    /// For a sequence of a mixture, which then is one of `adapters` with the factor 1; nil for all
    /// others.
    package var gating: ChunkGating?

    package init(
        tokens: [Int32], position: Int, pages: [Int32], adapters: [AdapterUse] = [],
        logitRows: Int = 1, gating: ChunkGating? = nil
    ) {
        self.tokens = tokens
        self.position = position
        self.pages = pages
        self.adapters = adapters
        self.logitRows = logitRows
        self.gating = gating
    }
}

/// The weights of the linear layers in a step.
package enum StepWeights: Sendable {
    case base
    case merged(MergedModel)
}

/// One forward pass over a ragged batch, with references to all that it needs.
package struct ExecutorStep: Sendable {
    package var weights: StepWeights
    /// Each of another sequence. Pages that are written appear in one chunk only; pages before
    /// the written ones may be shared.
    package var chunks: [SequenceChunk]

    package init(weights: StepWeights = .base, chunks: [SequenceChunk]) {
        self.weights = weights
        self.chunks = chunks
    }
}
