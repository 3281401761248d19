// SPDX-License-Identifier: Apache-2.0

internal import StrictJSON

/// The path and the shape of generation requests.
package enum GenerationPath: String, Sendable, CaseIterable {
    case completions, chat

    var path: String { self == .chat ? "/v1/chat/completions" : "/v1/completions" }
}

/// The body of one generation request: greedy, streamed, with usage at the end.
package struct GenerationBody: Sendable {
    package enum Prompt: Sendable, Equatable {
        case tokens([Int])
        case text(String)
    }

    var path: GenerationPath
    var model: String
    var prompt: Prompt
    var outputTokens: Int
    /// Whether it goes on to `outputTokens` whatever the model says.
    var ignoresEnd: Bool

    var json: [UInt8] {
        var writer = JSONWriter(reserving: 512)
        writer.beginObject()
        writer.key("model")
        writer.value(model)
        switch (path, prompt) {
        case (.completions, .tokens(let ids)):
            writer.key("prompt")
            writer.value(ids)
            // Tokens of a model without a tokenizer have no text to show when they come.
            writer.key("return_token_ids")
            writer.value(true)
        case (.completions, .text(let text)):
            writer.key("prompt")
            writer.value(text)
        case (.chat, let prompt):
            writeMessage(prompt, to: &writer)
        }
        writer.key("max_tokens")
        writer.value(outputTokens)
        writer.key("temperature")
        writer.value(0)
        if ignoresEnd {
            writer.key("ignore_eos")
            writer.value(true)
        }
        writer.key("stream")
        writer.value(true)
        writer.key("stream_options")
        writer.beginObject()
        writer.key("include_usage")
        writer.value(true)
        writer.endObject()
        writer.endObject()
        return writer.bytes
    }

    private func writeMessage(_ prompt: Prompt, to writer: inout JSONWriter) {
        writer.key("messages")
        writer.beginArray()
        writer.beginObject()
        writer.key("role")
        writer.value("user")
        writer.key("content")
        switch prompt {
        case .text(let text): writer.value(text)
        case .tokens(let ids): writer.value(ids.map(String.init).joined(separator: " "))
        }
        writer.endObject()
        writer.endArray()
    }
}
