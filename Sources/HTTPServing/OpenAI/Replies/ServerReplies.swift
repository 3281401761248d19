// SPDX-License-Identifier: Apache-2.0

import StrictJSON

/// The small replies that are not about generation.
nonisolated package enum ServerReply {
    /// `GET /version`.
    package static func version(_ version: String) -> [UInt8] {
        var writer = JSONWriter(reserving: 32)
        writer.beginObject()
        writer.key("version")
        writer.value(version)
        writer.endObject()
        return writer.bytes
    }

    /// The status of `GET /health`; its body is empty, as in vLLM.
    package static func healthStatus(isServing: Bool) -> Int { isServing ? 200 : 503 }

    /// `GET /livez` and `GET /readyz`: how it is, in one word.
    package static func state(_ word: String) -> [UInt8] {
        var writer = JSONWriter(reserving: 32)
        writer.beginObject()
        writer.key("status")
        writer.value(word)
        writer.endObject()
        return writer.bytes
    }

    /// `POST /tokenize`; `tokenStrings` only when the request asked for them.
    package static func tokenize(
        tokens: [Int], tokenStrings: [String]?, maxModelLength: Int
    ) -> [UInt8] {
        var writer = JSONWriter(reserving: 96 + 8 * tokens.count)
        writer.beginObject()
        writer.key("count")
        writer.value(tokens.count)
        writer.key("max_model_len")
        writer.value(maxModelLength)
        writer.key("tokens")
        writer.value(tokens)
        writer.key("token_strs")
        if let tokenStrings {
            writer.beginArray()
            for text in tokenStrings { writer.value(text) }
            writer.endArray()
        } else {
            writer.null()
        }
        writer.endObject()
        return writer.bytes
    }

    /// `POST /detokenize`.
    package static func detokenize(_ prompt: String) -> [UInt8] {
        var writer = JSONWriter(reserving: 32 + prompt.utf8.count)
        writer.beginObject()
        writer.key("prompt")
        writer.value(prompt)
        writer.endObject()
        return writer.bytes
    }
}
