// SPDX-License-Identifier: Apache-2.0

import StrictJSON

/// A field that would change the reply and that is not implemented, so it is not ignored either.
nonisolated private struct UnsupportedField: Sendable {
    let name: String
    let why: String
    /// Values, beside `null`, that ask for nothing.
    let isHarmless: @Sendable (JSONValue) -> Bool

    init(
        _ name: String, _ why: String,
        unless isHarmless: @escaping @Sendable (JSONValue) -> Bool = { _ in false }
    ) {
        self.name = name
        self.why = why
        self.isHarmless = isHarmless
    }
}

nonisolated extension RequestFields {
    /// Refuses, by name, the first field that would change the reply and is not implemented.
    func refuseUnsupported(for endpoint: GenerationEndpoint) throws(APIError) {
        for field in Self.unsupported(for: endpoint) {
            guard let value = self[field.name], !field.isHarmless(value) else { continue }
            throw failure(
                field.name,
                "is not supported (\(field.why)), but it is \(value.shown): "
                    + "leave it out.")
        }
        try refuseBestOf()
    }

    /// `best_of` equal to `n` chooses nothing.
    private func refuseBestOf() throws(APIError) {
        guard let value = self["best_of"], value.exactInteger != 1,
            value.exactInteger == nil || value.exactInteger != self["n"]?.exactInteger
        else { return }
        throw failure(
            "best_of", "is not supported, but it is \(value.shown): use n and choose yourself.")
    }

    private static func unsupported(for endpoint: GenerationEndpoint) -> [UnsupportedField] {
        endpoint == .completions ? completionRequest : chatRequest
    }

    private static let completionRequest = completionFields + constraintFields + otherFields
    private static let chatRequest = chatFields + constraintFields + otherFields

    private static var completionFields: [UnsupportedField] {
        [
            UnsupportedField("echo", "the prompt is not repeated", unless: isFalse),
            UnsupportedField("suffix", "text is only continued", unless: { $0 == .string("") }),
            UnsupportedField("prompt_embeds", "prompts are text or token ids", unless: isEmpty),
        ]
    }

    private static var chatFields: [UnsupportedField] {
        [
            UnsupportedField("tools", "tool calls are not generated", unless: isEmpty),
            UnsupportedField(
                "tool_choice", "tool calls are not generated",
                unless: { $0 == .string("none") || $0 == .string("auto") }),
            UnsupportedField("functions", "tool calls are not generated", unless: isEmpty),
            UnsupportedField(
                "function_call", "tool calls are not generated",
                unless: { $0 == .string("none") || $0 == .string("auto") }),
            UnsupportedField("echo", "messages are not repeated", unless: isFalse),
            UnsupportedField(
                "continue_final_message", "a reply is always a new message", unless: isFalse),
            UnsupportedField("chat_template", "the model's own template is used"),
            UnsupportedField("documents", "there is no retrieval", unless: isEmpty),
            UnsupportedField(
                "modalities", "replies are text",
                unless: { $0 == .array([.string("text")]) || isEmpty($0) }),
            UnsupportedField("audio", "replies are text"),
            UnsupportedField("web_search_options", "there is no search"),
        ]
    }

    private static var constraintFields: [UnsupportedField] {
        let names = [
            "guided_json", "guided_regex", "guided_choice", "guided_grammar", "structured_outputs",
        ]
        return names.map { UnsupportedField($0, "output is not constrained") } + [
            UnsupportedField(
                "response_format", "only {\"type\": \"text\"} is",
                unless: {
                    guard case .object(let format) = $0 else { return false }
                    return format["type"] == .string("text")
                }),
            UnsupportedField("allowed_token_ids", "output is not constrained"),
            UnsupportedField("bad_words", "output is not constrained", unless: isEmpty),
        ]
    }

    private static var otherFields: [UnsupportedField] {
        [
            UnsupportedField("use_beam_search", "tokens are sampled", unless: isFalse),
            UnsupportedField("prompt_logprobs", "only generated tokens have logprobs"),
            UnsupportedField("logprob_token_ids", "the likeliest tokens have logprobs"),
            UnsupportedField("logits_processors", "requests carry no code", unless: isEmpty),
            UnsupportedField(
                "truncate_prompt_tokens", "a prompt is taken whole or refused"),
            UnsupportedField(
                "return_tokens_as_token_ids", "use return_token_ids", unless: isFalse),
            UnsupportedField("repetition_detection", "use repetition_penalty"),
            UnsupportedField("thinking_token_budget", "use max_tokens", unless: isMinusOne),
            UnsupportedField(
                "priority", "the server orders requests by its fairness policy",
                unless: { $0.exactInteger == 0 }),
        ]
    }

    @Sendable private static func isFalse(_ value: JSONValue) -> Bool { value == .boolean(false) }

    @Sendable private static func isMinusOne(_ value: JSONValue) -> Bool {
        value.exactInteger == -1
    }

    @Sendable private static func isEmpty(_ value: JSONValue) -> Bool {
        if case .array(let items) = value { return items.isEmpty }
        return false
    }
}
