// SPDX-License-Identifier: Apache-2.0

/// Guesses how a text goes on: as it did after the last time that its last tokens were seen (prompt
/// lookup decoding).
package struct PromptLookup: Sendable, Equatable {
    /// The most tokens of one guess, and the most that are looked for.
    package static let maximumTokens = 16
    package static let maximumNgram = 16

    /// The most tokens to guess.
    package let tokens: Int
    /// How many of the last tokens must have been seen before, in this order.
    package let ngram: Int

    /// - Throws: what is out of range, naming the field as the API does.
    package init(tokens: Int = 5, ngram: Int = 3) throws(SamplingError) {
        for (name, value, limit) in [
            ("tokens", tokens, Self.maximumTokens), ("ngram", ngram, Self.maximumNgram),
        ]
        where !(1...limit).contains(value) {
            throw SamplingError(
                .invalidParameter, parameter: "speculation.\(name)",
                "must be from 1 to \(limit), found \(value)")
        }
        self.tokens = tokens
        self.ngram = ngram
    }

    /// Up to `tokens` tokens that may follow `text`; none where its end was not seen before.
    ///
    /// Linear in the text.
    package func guess(after text: [Int32]) -> ArraySlice<Int32> {
        let end = text.count - ngram
        guard end > 0 else { return [] }
        return text.withUnsafeBufferPointer { text in
            let last = text[end...]
            for start in stride(from: end - 1, through: 0, by: -1)
            where text[start..<start + ngram].elementsEqual(last) {
                return start + ngram..<min(start + ngram + tokens, text.count)
            }
            return 0..<0
        }.slice(of: text)
    }
}

extension Range<Int> {
    fileprivate func slice(of text: [Int32]) -> ArraySlice<Int32> { text[self] }
}
