// SPDX-License-Identifier: Apache-2.0

package import StrictJSON

/// What every reply and every chunk of one request repeats.
nonisolated package struct ReplyHead: Sendable, Equatable {
    package var endpoint: GenerationEndpoint
    /// With its prefix: `cmpl-…` or `chatcmpl-…`.
    package var id: String
    /// Seconds since 1970.
    package var created: Int
    /// The name that the request used: of the base, an adapter or a mixture.
    package var model: String
    /// Left out when nil.
    package var systemFingerprint: String?

    package init(
        endpoint: GenerationEndpoint, id: String, created: Int, model: String,
        systemFingerprint: String? = nil
    ) {
        self.endpoint = endpoint
        self.id = id
        self.created = created
        self.model = model
        self.systemFingerprint = systemFingerprint
    }

    fileprivate func encode(object: String, into writer: inout JSONWriter) {
        writer.key("id")
        writer.value(id)
        writer.key("object")
        writer.value(object)
        writer.key("created")
        writer.value(created)
        writer.key("model")
        writer.value(model)
        if let systemFingerprint {
            writer.key("system_fingerprint")
            writer.value(systemFingerprint)
        }
    }
}

/// A whole reply, for a request that does not stream.
nonisolated package struct GenerationReply: Sendable, Equatable {
    package var head: ReplyHead
    /// In the order of their indices.
    package var choices: [ReplyChoice]
    package var usage: TokenUsage

    package init(head: ReplyHead, choices: [ReplyChoice], usage: TokenUsage) {
        self.head = head
        self.choices = choices
        self.usage = usage
    }

    package var json: [UInt8] {
        let size = choices.reduce(512) { $0 + $1.text.utf8.count + 256 }
        var writer = JSONWriter(reserving: size)
        encode(into: &writer)
        return writer.bytes
    }

    /// Appends a `text_completion` or a `chat.completion`.
    package func encode(into writer: inout JSONWriter) {
        let isChat = head.endpoint == .chatCompletions
        writer.beginObject()
        head.encode(object: isChat ? "chat.completion" : "text_completion", into: &writer)
        writer.key("choices")
        writer.beginArray()
        for choice in choices {
            writer.beginObject()
            writer.key("index")
            writer.value(choice.index)
            if isChat {
                encodeMessage(choice.text, into: &writer)
            } else {
                writer.key("text")
                writer.value(choice.text)
            }
            choice.encodeEnd(head.endpoint, into: &writer)
            writer.endObject()
        }
        writer.endArray()
        writer.key("usage")
        usage.encode(into: &writer)
        if isChat { encodePrompt(of: choices, into: &writer) }
        writer.endObject()
    }

    private func encodeMessage(_ text: String, into writer: inout JSONWriter) {
        writer.key("message")
        writer.beginObject()
        writer.key("role")
        writer.value("assistant")
        writer.key("content")
        writer.value(text)
        writer.key("refusal")
        writer.null()
        writer.endObject()
    }
}

/// One event of a stream.
nonisolated package struct ReplyChunk: Sendable, Equatable {
    /// What a chunk says about usage.
    package enum Usage: Sendable, Equatable {
        /// Nothing; for a stream without `include_usage`.
        case omitted
        /// `null`; for the chunks before the last of a stream with `include_usage`.
        case pending
        case counted(TokenUsage)
    }

    package var head: ReplyHead
    /// Empty in the chunk that only has usage.
    package var choices: [ReplyChoice]
    package var usage: Usage
    /// The first chunk of a chat choice, which has the role and an empty content.
    package var opens: Bool

    package init(
        head: ReplyHead, choices: [ReplyChoice], usage: Usage = .omitted, opens: Bool = false
    ) {
        self.head = head
        self.choices = choices
        self.usage = usage
        self.opens = opens
    }

    /// The first chunk of a chat choice; a stream of completions has none.
    package static func opening(
        head: ReplyHead, index: Int, promptTokenIDs: [Int]? = nil, usage: Usage = .omitted
    ) -> ReplyChunk {
        var choice = ReplyChoice(index: index, text: "")
        choice.promptTokenIDs = promptTokenIDs
        return ReplyChunk(head: head, choices: [choice], usage: usage, opens: true)
    }

    /// The last chunk of a stream with `include_usage`.
    package static func usage(head: ReplyHead, _ usage: TokenUsage) -> ReplyChunk {
        ReplyChunk(head: head, choices: [], usage: .counted(usage))
    }

    package var json: [UInt8] {
        var writer = JSONWriter(reserving: 384)
        encode(into: &writer)
        return writer.bytes
    }

    /// The chunk as a server-sent event: `data: {…}` and an empty line.
    package var event: [UInt8] {
        var writer = JSONWriter(reserving: 384)
        writer.raw("data: ")
        encode(into: &writer)
        writer.raw("\n\n")
        return writer.bytes
    }

    /// Appends a `text_completion` or a `chat.completion.chunk`.
    package func encode(into writer: inout JSONWriter) {
        let isChat = head.endpoint == .chatCompletions
        writer.beginObject()
        head.encode(object: isChat ? "chat.completion.chunk" : "text_completion", into: &writer)
        writer.key("choices")
        writer.beginArray()
        for choice in choices {
            writer.beginObject()
            writer.key("index")
            writer.value(choice.index)
            if isChat {
                encodeDelta(choice, into: &writer)
            } else {
                writer.key("text")
                writer.value(choice.text)
            }
            choice.encodeEnd(head.endpoint, into: &writer)
            writer.endObject()
        }
        writer.endArray()
        switch usage {
        case .omitted: break
        case .pending:
            writer.key("usage")
            writer.null()
        case .counted(let usage):
            writer.key("usage")
            usage.encode(into: &writer)
        }
        if isChat { encodePrompt(of: choices, into: &writer) }
        writer.endObject()
    }

    private func encodeDelta(_ choice: ReplyChoice, into writer: inout JSONWriter) {
        writer.key("delta")
        writer.beginObject()
        if opens {
            writer.key("role")
            writer.value("assistant")
        }
        if opens || !choice.text.isEmpty || choice.finishReason == nil {
            writer.key("content")
            writer.value(choice.text)
        }
        writer.endObject()
    }
}

/// A chat has one prompt, so its tokens stand beside the choices.
nonisolated private func encodePrompt(of choices: [ReplyChoice], into writer: inout JSONWriter) {
    guard let tokens = choices.lazy.compactMap(\.promptTokenIDs).first else { return }
    writer.key("prompt_token_ids")
    writer.value(tokens)
}

/// What ends or breaks a stream.
nonisolated package enum StreamEvent {
    /// The payload of the last event.
    package static let donePayload = "[DONE]"
    /// The last event, framed.
    package static let done = Array("data: \(donePayload)\n\n".utf8)

    /// An error inside a stream whose status is sent already, framed; `done` follows it.
    package static func failure(_ error: APIError) -> [UInt8] {
        var writer = JSONWriter()
        writer.raw("data: ")
        error.encode(into: &writer)
        writer.raw("\n\n")
        return writer.bytes
    }
}
