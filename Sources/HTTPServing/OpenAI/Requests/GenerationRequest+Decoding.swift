// SPDX-License-Identifier: Apache-2.0

import StrictJSON

nonisolated extension GenerationRequest {
    /// Decodes the body of `POST /v1/completions`.
    package init(
        completions body: [UInt8], limits: RequestLimits = RequestLimits()
    ) throws(APIError) {
        let fields = try RequestFields(body: body, limits: limits.json)
        try fields.refuseUnsupported(for: .completions)
        var stopping = try fields.stopping(limits: limits)
        if stopping.maxTokens == nil { stopping.maxTokens = max(16, stopping.minTokens) }
        var output = try fields.output()
        output.logprobs = try fields.integer("logprobs", in: 0...limits.logprobs)
        try self.init(
            fields, input: .prompts(fields.prompts(limits: limits)), stopping: stopping,
            output: output, limits: limits)
    }

    /// Decodes the body of `POST /v1/chat/completions`.
    package init(
        chatCompletions body: [UInt8], limits: RequestLimits = RequestLimits()
    ) throws(APIError) {
        let fields = try RequestFields(body: body, limits: limits.json)
        try fields.refuseUnsupported(for: .chatCompletions)
        let stopping = try fields.stopping(limits: limits)
        var output = try fields.output()
        output.logprobs = try fields.chatLogprobs(limit: limits.logprobs)
        try self.init(
            fields, input: .chat(fields.chat(limits: limits)), stopping: stopping,
            output: output, limits: limits)
    }

    private init(
        _ fields: RequestFields, input: GenerationInput, stopping: StoppingFields,
        output: OutputFields, limits: RequestLimits
    ) throws(APIError) {
        model = try fields.modelName()
        self.input = input
        self.stopping = stopping
        self.output = output
        sampling = try fields.sampling(limits: limits)
        choicesPerPrompt = try fields.integer("n", in: 1...limits.choicesPerPrompt) ?? 1
        mixture = try fields.mixture(limits: limits)
        speculation = try fields.speculation(limits: limits)
        serviceClass = try fields.string("service_class")
        user = try fields.string("user")
        let isChat = if case .chat = input { true } else { false }
        addsSpecialTokens = try fields.boolean("add_special_tokens") ?? !isChat
        guard choiceCount <= limits.choices else {
            throw fields.failure(
                "n",
                "times the number of prompts is \(choiceCount) choices, at most "
                    + "\(limits.choices) are made in one request: send several requests.")
        }
    }
}

nonisolated extension RequestFields {
    func prompts(limits: RequestLimits) throws(APIError) -> [PromptInput] {
        guard let prompt = self["prompt"] else {
            throw failure("prompt", "is missing: send a string or a list of token ids.")
        }
        switch prompt {
        case .string(let text): return [.text(text)]
        case .array(let items): return try prompts(in: items, limits: limits)
        default: throw mismatch("prompt", Self.promptForms, prompt)
        }
    }

    private static let promptForms =
        "a string, a list of strings, a list of token ids or a "
        + "list of such lists"

    private func prompts(
        in items: [JSONValue], limits: RequestLimits
    ) throws(APIError) -> [PromptInput] {
        switch items.first {
        case nil: throw failure("prompt", "is empty: send at least one prompt.")
        case .integer, .number: return [.tokens(try tokens(items, "prompt"))]
        default: break
        }
        var prompts: [PromptInput] = []
        for (index, item) in try bounded(items, "prompt", limit: limits.prompts).enumerated() {
            let name = "prompt[\(index)]"
            switch (item, prompts.first) {
            case (.string(let text), nil), (.string(let text), .text): prompts.append(.text(text))
            case (.array(let ids), nil), (.array(let ids), .tokens):
                guard !ids.isEmpty else { throw failure(name, "must hold at least one token.") }
                prompts.append(.tokens(try tokens(ids, name)))
            case (_, .text): throw mismatch(name, "a string like those before it", item)
            case (_, .tokens):
                throw mismatch(name, "a list of token ids like those before it", item)
            default: throw mismatch(name, "a string or a list of token ids", item)
            }
        }
        return prompts
    }

    func sampling(limits: RequestLimits) throws(APIError) -> SamplingFields {
        var sampling = SamplingFields()
        sampling.temperature = try number("temperature", in: 0...100)
        sampling.topP = try positiveNumber("top_p", upTo: 1)
        sampling.topK = try integer("top_k", in: -1...Int(Int32.max)).map { max(0, $0) }
        sampling.minP = try number("min_p", in: 0...1)
        sampling.seed = try integer("seed", in: .min ... .max).map { Int64($0) }
        sampling.presencePenalty = try number("presence_penalty", in: -2...2)
        sampling.frequencyPenalty = try number("frequency_penalty", in: -2...2)
        sampling.repetitionPenalty = try positiveNumber("repetition_penalty", upTo: 100)
        sampling.logitBias = try logitBias(limit: limits.logitBiases)
        return sampling
    }

    private func logitBias(limit: Int) throws(APIError) -> [TokenBias] {
        guard let biases = try fields("logit_bias") else { return [] }
        guard biases.object.count <= limit else {
            throw failure("logit_bias", "has \(biases.object.count) tokens, at most \(limit) fit.")
        }
        var byToken: [Int: Double] = [:]
        for member in biases.object.members {
            let digits = member.name.utf8
            guard !digits.isEmpty, digits.allSatisfy({ (0x30...0x39).contains($0) }),
                let token = Int(member.name), Self.tokenRange.contains(token)
            else {
                throw failure(
                    "logit_bias",
                    "must be keyed by token ids, but it has a key "
                        + "\"\(member.name.excerpt(40))\".")
            }
            let bias = try biases.number(member.name, in: -100...100) ?? 0
            guard byToken.updateValue(bias, forKey: token) == nil else {
                throw failure("logit_bias", "names token \(token) twice.")
            }
        }
        return byToken.sorted { $0.key < $1.key }.map { TokenBias(token: $0.key, bias: $0.value) }
    }

    /// `max_completion_tokens` wins over `max_tokens`, as in vLLM.
    func stopping(limits: RequestLimits) throws(APIError) -> StoppingFields {
        var stopping = StoppingFields()
        let counts = 1...Int(Int32.max)
        let maxTokens = try integer("max_tokens", in: counts)
        stopping.maxTokens = try integer("max_completion_tokens", in: counts) ?? maxTokens
        stopping.minTokens = try integer("min_tokens", in: 0...Int(Int32.max)) ?? 0
        if let maxTokens = stopping.maxTokens, stopping.minTokens > maxTokens {
            throw failure(
                "min_tokens",
                "is \(stopping.minTokens), which is more than max_tokens "
                    + "(\(maxTokens)): lower it or raise max_tokens.")
        }
        stopping.stop = try stops(limits: limits)
        let ids = try array("stop_token_ids", limit: limits.stopTokenIDs) ?? []
        stopping.stopTokenIDs = try tokens(ids, "stop_token_ids")
        stopping.ignoresEndToken = try boolean("ignore_eos") ?? false
        stopping.includesStop = try boolean("include_stop_str_in_output") ?? false
        return stopping
    }

    private func stops(limits: RequestLimits) throws(APIError) -> [String] {
        let items: [JSONValue]
        switch self["stop"] {
        case nil: return []
        case .string(let text)?: items = [.string(text)]
        case .array(let list)?: items = try bounded(list, "stop", limit: limits.stops)
        case let value?: throw mismatch("stop", "a string or a list of strings", value)
        }
        var stops: [String] = []
        for item in items {
            guard case .string(let text) = item else {
                throw mismatch("stop", "a string or a list of strings", item)
            }
            guard (1...limits.stopBytes).contains(text.utf8.count) else {
                throw failure(
                    "stop",
                    "must have 1 to \(limits.stopBytes) bytes each, but one has "
                        + "\(text.utf8.count).")
            }
            stops.append(text)
        }
        return stops
    }

    /// All of the output but the logprobs, which each endpoint has in its own form.
    func output() throws(APIError) -> OutputFields {
        var output = OutputFields()
        output.streams = try boolean("stream") ?? false
        if let options = try fields("stream_options") {
            guard output.streams else {
                throw failure(
                    "stream_options", "is only for streams: set stream to true or leave it out.")
            }
            output.includesUsage = try options.boolean("include_usage") ?? false
            let each = try options.boolean("continuous_usage_stats") ?? false
            output.includesUsageInEachChunk = output.includesUsage && each
        }
        output.skipsSpecialTokens = try boolean("skip_special_tokens") ?? true
        output.returnsTokenIDs = try boolean("return_token_ids") ?? false
        return output
    }

    func chatLogprobs(limit: Int) throws(APIError) -> Int? {
        let wanted = try boolean("logprobs") ?? false
        let alternatives = try integer("top_logprobs", in: 0...limit) ?? 0
        guard wanted || alternatives == 0 else {
            throw failure("top_logprobs", "needs logprobs: set logprobs to true.")
        }
        return wanted ? alternatives : nil
    }

    func speculation(limits: RequestLimits) throws(APIError) -> SpeculationFields? {
        guard let fields = try fields("speculation") else { return nil }
        var speculation = SpeculationFields()
        if let tokens = try fields.integer("tokens", in: 1...limits.speculatedTokens) {
            speculation.tokens = tokens
        }
        if let ngram = try fields.integer("ngram", in: 1...limits.speculationNgram) {
            speculation.ngram = ngram
        }
        return speculation
    }

    func mixture(limits: RequestLimits) throws(APIError) -> MixtureFields? {
        guard let fields = try fields("mixture") else { return nil }
        var mixture = MixtureFields()
        let items = try fields.array("mask", limit: limits.experts) ?? []
        for (index, item) in items.enumerated() {
            guard case .string(let name) = item else {
                throw fields.mismatch("mask[\(index)]", "the name of an expert", item)
            }
            mixture.mask.append(name)
        }
        mixture.reportsGate = try fields.boolean("gate") ?? false
        return mixture
    }
}
