// SPDX-License-Identifier: Apache-2.0

internal import HTTPServing

/// Writes the events of one generation to its client: as a stream, or as one reply at the end.
final class GenerationReplies {
    private let exchange: HTTPExchange
    private let head: ReplyHead
    private let request: GenerationRequest
    private let prompts: [[Int32]]
    private var choices: [ReplyChoice]
    /// What earlier chunks of each choice held.
    private var generated: [Int]
    private var isStreaming = false
    /// Called with the status when the reply is complete.
    private let onReplied: (Int) -> Void
    /// Answers how many prompt tokens were cached; `nil` leaves it out.
    var cachedTokens: () -> Int? = { nil }

    init(
        exchange: HTTPExchange, head: ReplyHead, request: GenerationRequest, prompts: [[Int32]],
        onReplied: @escaping (Int) -> Void
    ) {
        self.exchange = exchange
        self.head = head
        self.request = request
        self.prompts = prompts
        self.onReplied = onReplied
        let count = prompts.count * request.choicesPerPrompt
        self.choices = (0..<count).map { ReplyChoice(index: $0, text: "") }
        self.generated = Array(repeating: 0, count: count)
        for index in choices.indices {
            if request.output.logprobs != nil { choices[index].logprobs = [] }
            if request.output.returnsTokenIDs {
                choices[index].tokenIDs = []
                choices[index].promptTokenIDs = promptTokens(of: index)
            }
        }
    }

    /// Sends the head of the stream and, for a chat, the opening chunk of each choice.
    func begin() {
        guard request.output.streams else { return }
        isStreaming = true
        exchange.startEvents()
        guard head.endpoint == .chatCompletions else { return }
        for choice in choices {
            exchange.send(
                ReplyChunk.opening(
                    head: head, index: choice.index, promptTokenIDs: choice.promptTokenIDs,
                    usage: chunkUsage()
                ).event)
        }
    }

    func take(_ event: GenerationEvent) {
        switch event {
        case .delta(let delta): take(delta)
        case .finished: finish()
        case .failed(let error): fail(error)
        }
    }

    // MARK: - Events

    private func take(_ delta: ChoiceDelta) {
        generated[delta.choice] += delta.tokens.count
        guard isStreaming else { return collect(delta) }
        // Text may be held back; a chunk that says nothing new is not worth sending.
        let saysSomething =
            !delta.text.isEmpty || delta.finish != nil || !delta.logprobs.isEmpty
            || request.output.returnsTokenIDs || request.output.includesUsageInEachChunk
        guard saysSomething else { return }
        var choice = ReplyChoice(index: delta.choice, text: delta.text)
        choice.textOffset = choices[delta.choice].textOffset
        choices[delta.choice].textOffset += delta.logprobs.reduce(0) {
            $0 + $1.text.unicodeScalars.count
        }
        if request.output.logprobs != nil { choice.logprobs = delta.logprobs }
        if request.output.returnsTokenIDs {
            choice.tokenIDs = delta.tokens.map(Int.init)
            if head.endpoint == .completions {
                choice.promptTokenIDs = choices[delta.choice].promptTokenIDs
                choices[delta.choice].promptTokenIDs = nil
            }
        }
        choice.finishReason = delta.finish?.reason
        choice.stopReason = delta.finish?.stop
        choice.gate = delta.gate
        exchange.send(ReplyChunk(head: head, choices: [choice], usage: chunkUsage()).event)
    }

    private func collect(_ delta: ChoiceDelta) {
        choices[delta.choice].text += delta.text
        choices[delta.choice].logprobs?.append(contentsOf: delta.logprobs)
        choices[delta.choice].tokenIDs?.append(contentsOf: delta.tokens.map(Int.init))
        if let finish = delta.finish {
            choices[delta.choice].finishReason = finish.reason
            choices[delta.choice].stopReason = finish.stop
            choices[delta.choice].gate = delta.gate
        }
    }

    private func finish() {
        if isStreaming {
            if request.output.includesUsage {
                exchange.send(ReplyChunk.usage(head: head, usage).event)
            }
            exchange.send(StreamEvent.done)
            exchange.finish()
        } else {
            let reply = GenerationReply(head: head, choices: choices, usage: usage)
            exchange.respond(status: 200, body: reply.json)
        }
        onReplied(200)
    }

    /// A stream has its status already, so the error goes into it.
    private func fail(_ error: APIError) {
        exchange.fault = error.message
        if isStreaming {
            exchange.send(StreamEvent.failure(error))
            exchange.send(StreamEvent.done)
            exchange.finish()
        } else {
            exchange.respond(error)
        }
        onReplied(error.status)
    }

    // MARK: - Usage

    private var usage: TokenUsage {
        TokenUsage(
            promptTokens: prompts.reduce(0) { $0 + $1.count },
            completionTokens: generated.reduce(0, +), cachedTokens: cachedTokens())
    }

    private func chunkUsage() -> ReplyChunk.Usage {
        if request.output.includesUsageInEachChunk { return .counted(usage) }
        return request.output.includesUsage ? .pending : .omitted
    }

    private func promptTokens(of choice: Int) -> [Int] {
        prompts[choice / request.choicesPerPrompt].map(Int.init)
    }
}

extension HTTPExchange {
    /// Answers with the error's status, headers and body.
    func respond(_ error: APIError) {
        fault = error.message
        var headers: HTTPHeaders = [:]
        for (name, value) in error.headers { headers.append(name, value) }
        respond(status: error.status, headers: headers, body: error.json)
    }
}
