// SPDX-License-Identifier: Apache-2.0

import StrictJSON

/// Why a choice ended, in OpenAI's and vLLM's words.
nonisolated package enum FinishReason: String, Sendable, CaseIterable {
    /// The model ended it, or a stop did.
    case stop
    /// The token limit or the context did.
    case length
    /// The client or an operator did.
    case abort
    case error
}

/// Which stop ended a choice; the model's own end token is none.
nonisolated package enum StopReason: Sendable, Equatable {
    case text(String)
    case token(Int)
}

/// How many tokens a request took and gave.
nonisolated package struct TokenUsage: Sendable, Equatable {
    package var promptTokens: Int
    package var completionTokens: Int
    /// Prompt tokens whose keys and values were cached; nil leaves the detail out as `null`.
    package var cachedTokens: Int?

    package init(promptTokens: Int, completionTokens: Int, cachedTokens: Int? = nil) {
        self.promptTokens = promptTokens
        self.completionTokens = completionTokens
        self.cachedTokens = cachedTokens
    }

    func encode(into writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("prompt_tokens")
        writer.value(promptTokens)
        writer.key("total_tokens")
        writer.value(promptTokens + completionTokens)
        writer.key("completion_tokens")
        writer.value(completionTokens)
        writer.key("prompt_tokens_details")
        if let cachedTokens {
            writer.beginObject()
            writer.key("cached_tokens")
            writer.value(cachedTokens)
            writer.endObject()
        } else {
            writer.null()
        }
        writer.endObject()
    }
}

/// How much an expert of a mixture has counted in a choice.
nonisolated package struct ExpertWeight: Sendable, Equatable {
    package var expert: String
    /// The mean over the tokens that were computed and the points at which the gate was asked.
    package var weight: Double

    package init(expert: String, weight: Double) {
        self.expert = expert
        self.weight = weight
    }
}

/// One choice of a reply, or what one chunk of a stream adds to it.
nonisolated package struct ReplyChoice: Sendable, Equatable {
    package var index: Int
    /// The text, without what came in earlier chunks.
    package var text: String
    /// One entry for each token of `text`; nil writes `null`.
    package var logprobs: [TokenLogprob]?
    /// Unicode scalars in the earlier chunks of this choice; `text_offset` counts on from there.
    package var textOffset = 0
    /// Nil while it goes on.
    package var finishReason: FinishReason?
    package var stopReason: StopReason?
    /// The prompt, when token ids were asked for: of a whole reply, or of the first chunk.
    package var promptTokenIDs: [Int]?
    /// The tokens of `text`, when token ids were asked for.
    package var tokenIDs: [Int]?
    /// In the order of the mixture, when they were asked for: of a whole choice, or of the chunk
    /// that ends it.
    package var gate: [ExpertWeight]?

    package init(index: Int, text: String) {
        self.index = index
        self.text = text
    }

    /// What both shapes have behind their text.
    func encodeEnd(_ endpoint: GenerationEndpoint, into writer: inout JSONWriter) {
        writer.key("logprobs")
        switch (logprobs, endpoint) {
        case (nil, _): writer.null()
        case (let logprobs?, .completions):
            logprobs.encodeCompletion(textOffset: textOffset, into: &writer)
        case (let logprobs?, .chatCompletions): logprobs.encodeChat(into: &writer)
        }
        writer.key("finish_reason")
        writer.value(finishReason?.rawValue)
        writer.key("stop_reason")
        switch stopReason {
        case nil: writer.null()
        case .text(let text): writer.value(text)
        case .token(let token): writer.value(token)
        }
        if endpoint == .completions, let promptTokenIDs {
            writer.key("prompt_token_ids")
            writer.value(promptTokenIDs)
        }
        if let tokenIDs {
            writer.key("token_ids")
            writer.value(tokenIDs)
        }
        if let gate {
            writer.key("gate")
            writer.beginObject()
            for weight in gate {
                writer.key(weight.expert)
                writer.value(weight.weight)
            }
            writer.endObject()
        }
    }
}
