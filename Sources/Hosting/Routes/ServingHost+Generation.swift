// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import HTTPServing
internal import Logging
internal import PolicyKit
internal import Tokenization

extension ServingHost {
    /// Resolves a request, submits it, and writes its events to the client as they come.
    func generate(
        _ request: GenerationRequest, _ exchange: HTTPExchange, _ route: Route,
        _ tenant: TenantID, _ record: RequestRecord
    ) throws(APIError) {
        record.model = request.model
        guard !isDraining else {
            engine.metrics.requestRejected(.draining)
            throw APIError.overloaded("The server is shutting down.", retryAfterSeconds: 1)
        }
        let job = try resolution.job(for: request, tenant: tenant)
        record.model = job.model
        let head = ReplyHead(
            endpoint: request.endpoint, id: makeReplyID(request.endpoint),
            created: Int(Date().timeIntervalSince1970), model: job.model)
        let label = route.label
        let replies = GenerationReplies(
            exchange: exchange, head: head, request: request, prompts: job.prompts,
            onReplied: { [weak engine] status in
                engine?.metrics.httpReplied(route: label, status: status)
            })
        let generation = try engine.submit(job) { replies.take($0) }
        if engine.sharesPrefixes {
            replies.cachedTokens = { [weak generation] in generation?.cachedTokens }
        }
        exchange.onClientGone = { [weak self] reason in
            self?.engine.metrics.clientLeft(route: label)
            self?.log.debug(
                "the client of \(head.id) is gone (\(reason))",
                metadata: ["request": "\(record.id)"])
            self?.engine.cancel(generation)
        }
        replies.begin()
    }

    private var resolution: JobResolution {
        JobResolution(
            model: engine.model, catalog: engine.catalog, shares: engine.shares,
            faults: engine.mixtures.compactMapValues(\.fault))
    }

    // MARK: - Models

    var modelCards: [ModelCard] {
        let model = engine.model
        let base = ModelCard(
            id: model.name, created: model.created, root: model.root,
            maxModelLength: model.contextLength)
        return [base]
            + engine.catalog.entries.map {
                ModelCard(
                    id: $0.name, created: $0.created, root: $0.source.root, parent: model.name)
            }
    }

    func modelCard(_ id: String) throws(APIError) -> ModelCard {
        let cards = modelCards
        guard let card = cards.first(where: { $0.id == id }) else {
            throw APIError.unknownModel(id, known: cards.map(\.id))
        }
        return card
    }

    // MARK: - Tokens

    func tokenize(_ request: HTTPRequest) throws(APIError) -> [UInt8] {
        let decoded = try TokenizeRequest(body: request.body, limits: requestLimits)
        let resolution = resolution
        if let name = decoded.model { _ = try resolution.adapter(named: name) }
        let tokens: [Int32]
        switch decoded.input {
        case .text(let text):
            tokens = try resolution.tokens(of: text, special: decoded.addsSpecialTokens)
        case .chat(let chat): tokens = try resolution.tokens(of: chat)
        }
        let texts = tokens.map { engine.model.tokenizer?.tokenText($0) ?? "" }
        return ServerReply.tokenize(
            tokens: tokens.map(Int.init),
            tokenStrings: decoded.returnsTokenStrings ? texts : nil,
            maxModelLength: engine.model.contextLength)
    }

    func detokenize(_ request: HTTPRequest) throws(APIError) -> [UInt8] {
        let decoded = try DetokenizeRequest(body: request.body, limits: requestLimits)
        let resolution = resolution
        if let name = decoded.model { _ = try resolution.adapter(named: name) }
        guard let tokenizer = engine.model.tokenizer else {
            throw JobResolution.noTokenizer("tokens")
        }
        let tokens = try resolution.checked(decoded.tokens, parameter: "tokens")
        return ServerReply.detokenize(tokenizer.decode(tokens, skipSpecialTokens: false))
    }
}
