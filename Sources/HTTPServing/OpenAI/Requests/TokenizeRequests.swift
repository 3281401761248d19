// SPDX-License-Identifier: Apache-2.0

import StrictJSON

/// The body of `POST /tokenize`.
nonisolated package struct TokenizeRequest: Sendable, Equatable {
    /// What is to be tokenized.
    package enum Input: Sendable, Equatable {
        case text(String)
        case chat(ChatInput)
    }

    package var model: String?
    package var input: Input
    /// By default true for a prompt, false for a chat.
    package var addsSpecialTokens: Bool
    package var returnsTokenStrings: Bool

    package init(body: [UInt8], limits: RequestLimits = RequestLimits()) throws(APIError) {
        let fields = try RequestFields(body: body, limits: limits.json)
        model = try fields.modelName()
        returnsTokenStrings = try fields.boolean("return_token_strs") ?? false
        if let text = try fields.string("prompt", byteLimit: .max) {
            guard fields["messages"] == nil else {
                throw fields.failure("messages", "came with a prompt: send one of the two.")
            }
            input = .text(text)
        } else {
            guard fields["messages"] != nil else {
                throw fields.failure("prompt", "is missing: send a string, or send messages.")
            }
            try fields.refuseUnsupported(for: .chatCompletions)
            input = .chat(try fields.chat(limits: limits))
        }
        let isText = if case .text = input { true } else { false }
        addsSpecialTokens = try fields.boolean("add_special_tokens") ?? isText
    }
}

/// The body of `POST /detokenize`.
nonisolated package struct DetokenizeRequest: Sendable, Equatable {
    package var model: String?
    package var tokens: [Int]

    package init(body: [UInt8], limits: RequestLimits = RequestLimits()) throws(APIError) {
        let fields = try RequestFields(body: body, limits: limits.json)
        model = try fields.modelName()
        guard let items = try fields.array("tokens", limit: limits.json.valueCount) else {
            throw fields.failure("tokens", "is missing: send a list of token ids.")
        }
        tokens = try fields.tokens(items, "tokens")
    }
}
