// SPDX-License-Identifier: Apache-2.0

/// How tokens are chosen for one request; names and ranges are those of the OpenAI API and vLLM.
package struct SamplingParameters: Sendable, Equatable, Codable {
    /// Below this a temperature means greedy.
    static let greedyTemperature: Float = 1e-5
    /// Temperatures above zero but below this are raised to it, as in vLLM: smaller ones overflow.
    static let lowestTemperature: Float = 0.01
    /// The most alternatives that can be reported per token.
    package static let maximumLogprobs = 20
    /// The most entries of `logitBias`, and of `stopTokens`.
    package static let maximumTokenEntries = 1024

    /// 0 to 2; 0 is greedy.
    package var temperature: Float = 1
    /// Above 0, up to 1: the smallest set of the likeliest tokens with this mass is kept.
    package var topP: Float = 1
    /// The number of the likeliest tokens that are kept; 0 or -1 keeps all.
    package var topK: Int = 0
    /// 0 to 1: tokens less likely than this share of the likeliest one are dropped.
    package var minP: Float = 0
    /// Above 0: divides the logits of tokens of the prompt and the output; 1 does nothing.
    package var repetitionPenalty: Float = 1
    /// -2 to 2: subtracted from the logits of tokens of the output.
    package var presencePenalty: Float = 0
    /// -2 to 2: subtracted once per occurrence in the output.
    package var frequencyPenalty: Float = 0
    /// Added to the logits of single tokens, -100 to 100 each.
    package var logitBias: [Int32: Float] = [:]
    /// The same seed gives the same text; nil leaves the choice to the host.
    package var seed: UInt64?
    /// Tokens to generate before one of `endTokens` or `stopTokens` may be.
    package var minTokens: Int = 0
    /// Tokens that end the text at the request's wish.
    package var stopTokens: [Int32] = []
    /// Tokens that end a text of this model.
    package var endTokens: [Int32] = []
    /// Whether the text goes on after one of `endTokens`.
    package var ignoreEndTokens = false
    /// How many alternatives to report beside each token; nil reports no logprobs at all.
    package var logprobs: Int?

    /// The API's defaults: temperature 1, nothing else in force.
    package init() {}

    /// Whether the likeliest token is always taken.
    package var isGreedy: Bool { temperature < Self.greedyTemperature }

    /// Refuses values outside their range, naming the field as the API does.
    package func validate(vocabularySize: Int) throws(SamplingError) {
        try Self.check("temperature", temperature, in: 0...2)
        try Self.check("min_p", minP, in: 0...1)
        try Self.check("presence_penalty", presencePenalty, in: -2...2)
        try Self.check("frequency_penalty", frequencyPenalty, in: -2...2)
        guard topP > 0, topP <= 1 else {
            throw Self.invalid("top_p", "must be above 0 and at most 1, found \(topP)")
        }
        guard topK >= -1 else {
            throw Self.invalid("top_k", "must be at least 1, or 0 to keep all, found \(topK)")
        }
        guard repetitionPenalty > 0, repetitionPenalty.isFinite else {
            throw Self.invalid(
                "repetition_penalty", "must be a number above 0, found \(repetitionPenalty)")
        }
        guard minTokens >= 0 else {
            throw Self.invalid("min_tokens", "must be at least 0, found \(minTokens)")
        }
        if let logprobs, !(0...Self.maximumLogprobs).contains(logprobs) {
            throw Self.invalid(
                "logprobs", "must be from 0 to \(Self.maximumLogprobs), found \(logprobs)")
        }
        try checkTokens(vocabularySize: vocabularySize)
    }

    private func checkTokens(vocabularySize: Int) throws(SamplingError) {
        for (name, count) in [
            ("logit_bias", logitBias.count), ("stop_token_ids", stopTokens.count),
        ]
        where count > Self.maximumTokenEntries {
            throw Self.invalid(
                name, "must have at most \(Self.maximumTokenEntries) entries, has \(count)")
        }
        for (token, bias) in logitBias.sorted(by: { $0.key < $1.key }) {
            try Self.check("logit_bias", token, below: vocabularySize)
            try Self.check("logit_bias", bias, in: -100...100)
        }
        for token in stopTokens { try Self.check("stop_token_ids", token, below: vocabularySize) }
    }

    private static func invalid(_ parameter: String, _ message: String) -> SamplingError {
        SamplingError(.invalidParameter, parameter: parameter, message)
    }

    private static func check(
        _ name: String, _ value: Float, in range: ClosedRange<Float>
    ) throws(SamplingError) {
        // NaN is in no range.
        guard range.contains(value) else {
            throw invalid(
                name, "must be from \(range.lowerBound) to \(range.upperBound), found \(value)")
        }
    }

    private static func check(
        _ name: String, _ token: Int32, below limit: Int
    ) throws(SamplingError) {
        guard token >= 0, token < limit else {
            throw invalid(name, "\(token) is not a token: ids are 0 to \(limit - 1)")
        }
    }
}
