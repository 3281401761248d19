// SPDX-License-Identifier: Apache-2.0

import StrictJSON

/// The log probability of one generated token and of the likeliest ones at its place.
nonisolated package struct TokenLogprob: Sendable, Equatable {
    /// A token that was not drawn.
    package struct Alternative: Sendable, Equatable {
        package var text: String
        package var bytes: [UInt8]
        /// Natural logarithm.
        package var logprob: Float

        package init(text: String, bytes: [UInt8], logprob: Float) {
            self.text = text
            self.bytes = bytes
            self.logprob = logprob
        }
    }

    /// The token as text; a partial character has U+FFFD here and its truth in `bytes`.
    package var text: String
    package var bytes: [UInt8]
    /// Natural logarithm.
    package var logprob: Float
    /// The likeliest tokens, in falling order, as many as were asked for; the drawn token may be
    /// among them.
    package var likeliest: [Alternative]

    package init(text: String, bytes: [UInt8], logprob: Float, likeliest: [Alternative] = []) {
        self.text = text
        self.bytes = bytes
        self.logprob = logprob
        self.likeliest = likeliest
    }
}

nonisolated extension [TokenLogprob] {
    /// The four parallel lists of `/v1/completions`.
    func encodeCompletion(textOffset: Int, into writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("text_offset")
        writer.beginArray()
        var offset = textOffset
        for token in self {
            writer.value(offset)
            offset += token.text.unicodeScalars.count
        }
        writer.endArray()
        writer.key("token_logprobs")
        writer.beginArray()
        for token in self { writer.value(finite(token.logprob)) }
        writer.endArray()
        writer.key("tokens")
        writer.beginArray()
        for token in self { writer.value(token.text) }
        writer.endArray()
        writer.key("top_logprobs")
        writer.beginArray()
        for token in self { token.encodeByText(into: &writer) }
        writer.endArray()
        writer.endObject()
    }

    /// The nested objects of `/v1/chat/completions`.
    func encodeChat(into writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("content")
        writer.beginArray()
        for token in self {
            writer.beginObject()
            encodeEntry(token.text, token.logprob, token.bytes, into: &writer)
            writer.key("top_logprobs")
            writer.beginArray()
            for other in token.likeliest {
                writer.beginObject()
                encodeEntry(other.text, other.logprob, other.bytes, into: &writer)
                writer.endObject()
            }
            writer.endArray()
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
    }
}

nonisolated extension TokenLogprob {
    /// The drawn token first, then the likeliest; tokens of equal text are written once.
    fileprivate func encodeByText(into writer: inout JSONWriter) {
        writer.beginObject()
        var written = JSONObject()
        for (text, logprob) in [(self.text, self.logprob)]
            + likeliest.map({ ($0.text, $0.logprob) })
        where written.append(text, .null) {
            writer.key(text)
            writer.value(finite(logprob))
        }
        writer.endObject()
    }
}

nonisolated private func encodeEntry(
    _ text: String, _ logprob: Float, _ bytes: [UInt8], into writer: inout JSONWriter
) {
    writer.key("token")
    writer.value(text)
    writer.key("logprob")
    writer.value(finite(logprob))
    writer.key("bytes")
    writer.value(bytes.map { Int($0) })
}

/// JSON has no −∞; vLLM's floor for it is −9999.
nonisolated private func finite(_ logprob: Float) -> Float { Swift.max(logprob, -9999) }
