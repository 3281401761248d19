// SPDX-License-Identifier: Apache-2.0

internal import HTTPServing
internal import Inference
internal import ModelLoading
internal import PolicyKit
internal import Tokenization

/// Turns a decoded request into a job: names to adapters, text to tokens, fields to parameters.
struct JobResolution {
    let model: ServedModel
    let catalog: AdapterCatalog
    var shares = ServiceShares()
    /// Why mixtures that are out of service are so, by name.
    var faults: [String: String] = [:]

    /// - Throws: 404 for an unknown model, 400 for an unknown service class and for what the
    ///   tokenizer, the template or the sampler refuses.
    func job(for request: GenerationRequest, tenant: TenantID) throws(APIError) -> GenerationJob {
        let name = request.model ?? model.name
        let served = try served(name, request.mixture)
        var job = GenerationJob(
            model: name, adapter: served.adapter, prompts: try prompts(of: request))
        job.mixture = served.mixture
        job.tenant = tenant
        job.tenantWeight = shares.weight(of: tenant)
        job.firstTokenTarget = try shares.firstTokenTarget(
            asked: request.serviceClass, tenant: tenant, model: name)
        job.choicesPerPrompt = request.choicesPerPrompt
        job.maximumTokens = request.stopping.maxTokens
        job.sampling = try sampling(of: request)
        job.stopStrings = request.stopping.stop
        job.includesStop = request.stopping.includesStop
        job.skipsSpecialTokens = request.output.skipsSpecialTokens
        job.logprobs = request.output.logprobs
        job.speculation = try speculation(of: request)
        if model.tokenizer == nil, !job.stopStrings.isEmpty {
            throw Self.noTokenizer("stop")
        }
        return job
    }

    func adapter(named name: String) throws(APIError) -> AdapterID {
        if name == model.name { return .base }
        if let fault = faults[name] { throw .mixtureOutOfService(name, because: fault) }
        guard let entry = catalog[name] else {
            throw .unknownModel(name, known: [model.name] + catalog.entries.map(\.name))
        }
        return entry.id
    }

    static func noTokenizer(_ parameter: String) -> APIError {
        APIError(
            .badRequest,
            "\(parameter): the served model has no tokenizer: send prompts as token ids.",
            parameter: parameter)
    }

    /// Whose weights a request runs on, and what it asks of a mixture.
    ///
    /// A mixture of which one expert is left is that adapter, and one of which none is left is the
    /// base: the answer has to be theirs bit for bit.
    private func served(
        _ name: String, _ fields: MixtureFields?
    ) throws(APIError) -> (adapter: AdapterID, mixture: MixtureJob?) {
        let adapter = try adapter(named: name)
        guard let entry = catalog[name], let source = entry.source.mixture else {
            if fields != nil { throw .noMixture(name) }
            return (adapter, nil)
        }
        var job = MixtureJob(experts: source.names)
        job.needsWholePrompt = entry.needsWholePrompt
        job.reportsGate = fields?.reportsGate ?? false
        for expert in fields?.mask ?? [] {
            guard let index = source.names.firstIndex(of: expert) else {
                throw .unknownExpert(expert, known: source.names)
            }
            job.masked |= 1 << UInt64(index)
        }
        let kept = source.names.indices.filter { job.masked >> UInt64($0) & 1 == 0 }
        guard kept.count < 2, job.masked != 0 else { return (adapter, job) }
        job.fixed = source.names.indices.map { kept.contains($0) ? 1 : 0 }
        guard let only = kept.first else { return (.base, job) }
        return (try self.adapter(named: source.names[only]), job)
    }

    // MARK: - Prompts

    private func prompts(of request: GenerationRequest) throws(APIError) -> [[Int32]] {
        switch request.input {
        case .chat(let chat): return [try tokens(of: chat)]
        case .prompts(let prompts):
            var all: [[Int32]] = []
            for prompt in prompts {
                switch prompt {
                case .text(let text):
                    all.append(try tokens(of: text, special: request.addsSpecialTokens))
                case .tokens(let tokens): all.append(try checked(tokens))
                }
            }
            return all
        }
    }

    func tokens(of text: String, special: Bool) throws(APIError) -> [Int32] {
        guard let tokenizer = model.tokenizer else { throw Self.noTokenizer("prompt") }
        let tokens = try encoded { () throws(TokenizationError) in
            try tokenizer.encode(text, addSpecialTokens: special)
        }
        guard !tokens.isEmpty else {
            throw APIError(
                .badRequest, "prompt: has no token: send at least one.", parameter: "prompt")
        }
        return try checked(tokens.map(Int.init))
    }

    func tokens(of chat: ChatInput) throws(APIError) -> [Int32] {
        guard let tokenizer = model.tokenizer else { throw Self.noTokenizer("messages") }
        let text = try ChatRendering(tokenizer: tokenizer, clock: .now).text(of: chat)
        let tokens = try encoded { () throws(TokenizationError) in
            try tokenizer.encodeChat(text)
        }
        return try checked(tokens.map(Int.init))
    }

    private func encoded(
        _ body: () throws(TokenizationError) -> [Int32]
    ) throws(APIError) -> [Int32] {
        do throws(TokenizationError) {
            return try body()
        } catch {
            throw APIError(.badRequest, "prompt: \(error.description)", parameter: "prompt")
        }
    }

    func checked(
        _ tokens: [Int], parameter: String = "prompt"
    ) throws(APIError) -> [Int32] {
        let limit = model.configuration.vocabularySize
        if let wrong = tokens.first(where: { $0 < 0 || $0 >= limit }) {
            throw APIError(
                .badRequest,
                "\(parameter): \(wrong) is not a token of this model: ids are 0 to "
                    + "\(limit - 1).", parameter: parameter)
        }
        return tokens.map(Int32.init)
    }

    // MARK: - Sampling

    private func sampling(of request: GenerationRequest) throws(APIError) -> SamplingParameters {
        let fields = request.sampling
        var parameters = SamplingParameters()
        if let value = fields.temperature { parameters.temperature = Float(value) }
        if let value = fields.topP { parameters.topP = Float(value) }
        if let value = fields.topK { parameters.topK = value }
        if let value = fields.minP { parameters.minP = Float(value) }
        if let value = fields.presencePenalty { parameters.presencePenalty = Float(value) }
        if let value = fields.frequencyPenalty { parameters.frequencyPenalty = Float(value) }
        if let value = fields.repetitionPenalty { parameters.repetitionPenalty = Float(value) }
        parameters.seed = fields.seed.map { UInt64(bitPattern: $0) }
        parameters.minTokens = request.stopping.minTokens
        parameters.ignoreEndTokens = request.stopping.ignoresEndToken
        parameters.endTokens = model.configuration.endTokens
        for (token, bias) in fields.logitBias.map({ ($0.token, $0.bias) }) {
            parameters.logitBias[try vocabulary(token, "logit_bias")] = Float(bias)
        }
        for token in request.stopping.stopTokenIDs {
            parameters.stopTokens.append(try vocabulary(token, "stop_token_ids"))
        }
        parameters.logprobs = request.output.logprobs
        return parameters
    }

    private func speculation(of request: GenerationRequest) throws(APIError) -> PromptLookup? {
        guard let fields = request.speculation else { return nil }
        do throws(SamplingError) {
            return try PromptLookup(tokens: fields.tokens, ngram: fields.ngram)
        } catch {
            throw APIError(.badRequest, error.description, parameter: error.parameter)
        }
    }

    private func vocabulary(_ token: Int, _ parameter: String) throws(APIError) -> Int32 {
        guard token >= 0, token < model.configuration.vocabularySize else {
            throw APIError(
                .badRequest,
                "\(parameter): \(token) is not a token of this model: ids are 0 to "
                    + "\(model.configuration.vocabularySize - 1).", parameter: parameter)
        }
        return Int32(token)
    }
}
