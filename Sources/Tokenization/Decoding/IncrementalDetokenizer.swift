// SPDX-License-Identifier: Apache-2.0

/// Turns the tokens of one answer into text as they come.
///
/// Never cuts a UTF-8 scalar and never emits U+FFFD for one that a later token completes; the
/// concatenation of all that ``push(_:)`` and ``finish()`` return is what
/// ``Tokenizer/decode(_:skipSpecialTokens:)`` gives for all tokens. With byte fallback a run of
/// byte tokens is held until it ends, because one bad byte turns the whole run into U+FFFD.
package struct IncrementalDetokenizer: Sendable {
    private let tokenizer: Tokenizer
    private let skipSpecialTokens: Bool
    private var stream: DecoderStream

    package init(_ tokenizer: Tokenizer, skipSpecialTokens: Bool) {
        self.tokenizer = tokenizer
        self.skipSpecialTokens = skipSpecialTokens
        stream = DecoderStream(tokenizer.decoder)
    }

    /// Continues after `context`, for example the prompt's tokens: their text is not emitted, but
    /// a leading space of the first new token is then kept.
    package init(
        _ tokenizer: Tokenizer, skipSpecialTokens: Bool, after context: some Sequence<Int32>
    ) {
        self.init(tokenizer, skipSpecialTokens: skipSpecialTokens)
        for id in context { _ = push(id) }
    }

    /// The text that can be emitted now that `id` is known; unknown ids add nothing.
    package mutating func push(_ id: Int32) -> String {
        guard let token = tokenizer.tokenString(id) else { return "" }
        if skipSpecialTokens, tokenizer.isSpecial(id) { return "" }
        return String(decoding: stream.push(token), as: UTF8.self)
    }

    /// What was held back at the end of the answer.
    package mutating func finish() -> String {
        String(decoding: stream.finish(), as: UTF8.self)
    }
}
