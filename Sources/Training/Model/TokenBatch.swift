// SPDX-License-Identifier: Apache-2.0

/// A sequence to learn from: the prompt, then the tokens whose likelihood is the loss.
package struct TrainingSequence: Sendable, Equatable {
    package let tokens: [Int32]
    package let promptTokens: Int

    /// `promptTokens` of `tokens` must lie between 1 and their count minus 1.
    package init(tokens: [Int32], promptTokens: Int) {
        precondition((1..<max(2, tokens.count)).contains(promptTokens) && tokens.count > 1)
        self.tokens = tokens
        self.promptTokens = promptTokens
    }
}

/// Whole sequences one after the other, a row for each token that something is computed for.
///
/// The last token of a sequence is only a target, so it has no row.
struct TokenBatch {
    struct Span {
        let rows: Range<Int>
        let promptTokens: Int
    }

    let spans: [Span]
    let tokens: [Int32]
    /// Of each row in its sequence.
    let positions: [Int]
    /// The rows whose next token counts, and that token.
    let targets: [(row: Int, token: Int32)]

    var rowCount: Int { tokens.count }

    init(_ sequences: some Sequence<TrainingSequence>) {
        var spans: [Span] = []
        var tokens: [Int32] = []
        var positions: [Int] = []
        var targets: [(row: Int, token: Int32)] = []
        for sequence in sequences {
            let start = tokens.count
            let count = sequence.tokens.count - 1
            spans.append(Span(rows: start..<start + count, promptTokens: sequence.promptTokens))
            tokens += sequence.tokens.dropLast()
            positions += 0..<count
            for index in sequence.promptTokens...count {
                targets.append((start + index - 1, sequence.tokens[index]))
            }
        }
        self.spans = spans
        self.tokens = tokens
        self.positions = positions
        self.targets = targets
    }
}
