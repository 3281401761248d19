// SPDX-License-Identifier: Apache-2.0

internal import ModelLoading

/// Checks a step against the executor's limits before any kernel sees it.
struct StepValidation {
    let model: PackedModel
    let configuration: ExecutorConfiguration
    /// More uses per chunk than any mode needs; bounds the scratch of a step.
    static let maximumUses = 16

    /// For each page the last step that wrote it, and for which chunk.
    private var writers: [(step: UInt64, chunk: Int32)]
    private var step: UInt64 = 0

    init(model: PackedModel, configuration: ExecutorConfiguration) {
        self.model = model
        self.configuration = configuration
        writers = Array(repeating: (0, 0), count: configuration.pageCount)
    }

    /// Throws for the first fault found; a step that passes cannot make a kernel leave its memory.
    mutating func check(_ step: ExecutorStep) throws(InferenceError) {
        if case .merged(let merged) = step.weights, merged.base !== model {
            throw InferenceError(.wrongModel, "the merged copy is of another base model")
        }
        guard step.chunks.count <= configuration.maximumSequences else {
            throw InferenceError(
                .tooLarge,
                "\(step.chunks.count) chunks; the limit is \(configuration.maximumSequences)")
        }
        var tokens = 0
        for (index, chunk) in step.chunks.enumerated() {
            try check(chunk, index: index)
            // No overflow: each chunk is at most as long as the context.
            tokens += chunk.tokens.count
        }
        guard tokens <= configuration.maximumTokens else {
            throw InferenceError(
                .tooLarge, "\(tokens) tokens; the limit is \(configuration.maximumTokens)")
        }
        try checkWrites(step.chunks)
    }

    private func check(_ chunk: SequenceChunk, index: Int) throws(InferenceError) {
        func fail(_ message: String) -> InferenceError {
            InferenceError(.invalidStep, message, chunk: index)
        }
        guard !chunk.tokens.isEmpty else { throw fail("no tokens; give at least one") }
        guard (0...chunk.tokens.count).contains(chunk.logitRows) else {
            throw fail("\(chunk.logitRows) rows of logits for \(chunk.tokens.count) tokens")
        }
        let (end, overflow) = chunk.position.addingReportingOverflow(chunk.tokens.count)
        guard chunk.position >= 0, !overflow, end <= configuration.contextLength else {
            throw fail(
                "\(chunk.tokens.count) tokens after \(chunk.position) exceed the context of "
                    + "\(configuration.contextLength)")
        }
        let needed = ExecutorConfiguration.pages(for: end)
        guard chunk.pages.count >= needed else {
            throw fail("\(chunk.pages.count) pages for \(end) tokens, which need \(needed)")
        }
        for page in chunk.pages.prefix(needed)
        where page < 0 || Int(page) >= configuration.pageCount {
            throw fail("page \(page) is not one of \(configuration.pageCount)")
        }
        for token in chunk.tokens
        where token < 0 || Int(token) >= model.configuration.vocabularySize {
            throw fail(
                "token \(token) is not in the vocabulary of \(model.configuration.vocabularySize)")
        }
        guard chunk.adapters.count <= Self.maximumUses else {
            throw fail("\(chunk.adapters.count) adapters; the limit is \(Self.maximumUses)")
        }
        for use in chunk.adapters {
            guard use.adapter.model === model else {
                throw InferenceError(
                    .wrongModel, "adapter \(use.adapter.name) was packed for another base model",
                    chunk: index)
            }
            guard use.factor.isFinite else { throw fail("factor \(use.factor) is not finite") }
        }
        try checkGating(chunk, index: index)
    }

    /// No page may be written by two chunks, or written by one and read by another.
    private mutating func checkWrites(_ chunks: [SequenceChunk]) throws(InferenceError) {
        step += 1
        for (index, chunk) in chunks.enumerated() {
            let end = chunk.position + chunk.tokens.count
            let last = ExecutorConfiguration.pages(for: end)
            for slot in (chunk.position / ExecutorConfiguration.pageTokens)..<last {
                let page = Int(chunk.pages[slot])
                guard writers[page].step != step else {
                    throw InferenceError(
                        .invalidStep, "page \(page) is written twice in this step", chunk: index)
                }
                writers[page] = (step, Int32(truncatingIfNeeded: index))
            }
        }
        for (index, chunk) in chunks.enumerated() {
            for slot in 0..<(chunk.position / ExecutorConfiguration.pageTokens) {
                let page = Int(chunk.pages[slot])
                if writers[page].step == step {
                    throw InferenceError(
                        .invalidStep,
                        "page \(page) is read here and written by chunk \(writers[page].chunk)",
                        chunk: index)
                }
            }
        }
    }
}
