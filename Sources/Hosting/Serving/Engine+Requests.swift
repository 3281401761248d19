// SPDX-License-Identifier: Apache-2.0

package import HTTPServing
internal import Inference
internal import PolicyKit
internal import Scheduling

/// One request of a client, with its choices.
package final class Generation {
    package let id: Int
    let job: GenerationJob
    let arrival: Instant
    let sink: (GenerationEvent) -> Void
    var sequences: [LiveSequence] = []
    var unfinished = 0
    var replica = 0
    var firstToken: Instant?
    var lastToken: Instant?
    var reason = FinishedReason.abort

    init(
        id: Int, job: GenerationJob, arrival: Instant, sink: @escaping (GenerationEvent) -> Void
    ) {
        self.id = id
        self.job = job
        self.arrival = arrival
        self.sink = sink
    }
}

extension Generation {
    /// Prompt tokens that need not be computed, as others had; those of a prompt with several
    /// choices count as its first choice found them.
    var cachedTokens: Int {
        sequences.reduce(0) {
            $1.choice % job.choicesPerPrompt == 0 ? $0 + $1.cachedTokens : $0
        }
    }
}

extension Engine {
    /// Whether requests that begin alike share what is computed of them.
    var sharesPrefixes: Bool { fleet.replicas[0].configuration.sharesPrefixes }

    /// Takes a job; `sink` hears of each token, then of the end, always after this has returned.
    ///
    /// - Throws: the refusal, where the queue is full or the request can never be served.
    package func submit(
        _ job: GenerationJob, sink: @escaping (GenerationEvent) -> Void
    ) throws(APIError) -> Generation {
        let now = Self.now
        let choices = job.prompts.count * job.choicesPerPrompt
        guard choices <= fleet.limits.queue else {
            throw APIError(
                .badRequest,
                "n: \(choices) choices in one request are more than the queue holds "
                    + "(\(fleet.limits.queue), limits.queue): send fewer prompts or a smaller n.",
                parameter: "n")
        }
        let generation = Generation(id: makeGenerationID(), job: job, arrival: now, sink: sink)
        for (index, prompt) in job.prompts.enumerated() {
            for copy in 0..<job.choicesPerPrompt {
                do throws(APIError) {
                    try submit(
                        prompt, choice: index * job.choicesPerPrompt + copy, of: generation)
                } catch {
                    cancel(generation)
                    throw error
                }
            }
        }
        generations[generation.id] = generation
        workload?.came(generation)
        remember(generation)
        catalog.count(job.adapter) { $0.requests += 1 }
        advance()
        return generation
    }

    private func submit(
        _ prompt: [Int32], choice: Int, of generation: Generation
    ) throws(APIError) {
        let limit = fleet.limits.contextLength
        let room = limit - prompt.count
        guard room > 0 else {
            metrics.requestRejected(.contextLength)
            throw APIError(
                .badRequest,
                "This model's maximum context length is \(limit) tokens. However, your prompt has "
                    + "\(prompt.count) tokens, which leaves no room for output: shorten it.",
                parameter: "prompt")
        }
        let maximum = generation.job.maximumTokens ?? room
        var request = NewRequest(
            id: makeRequestID(), adapter: generation.job.adapter, tenant: generation.job.tenant,
            arrival: generation.arrival, promptTokens: prompt.count)
        request.maximumTokens = maximum
        request.prompt = prompt
        if generation.job.isGated, let mixture = generation.job.mixture {
            request.variant = mixture.masked
            request.isUndivided = mixture.needsWholePrompt
        }
        request.tenantWeight = generation.job.tenantWeight
        request.firstTokenTarget = generation.job.firstTokenTarget
        let sequence = try LiveSequence(
            id: request.id, choice: choice, generation: generation, prompt: prompt,
            in: SequenceSetting(model: model, maximumTokens: maximum))
        switch fleet.submit(request, at: generation.arrival) {
        case .accepted(let replica): generation.replica = replica.rawValue
        case .refused(let refusal): throw refused(refusal, prompt: prompt.count, output: maximum)
        }
        sequences[request.id] = sequence
        if sequence.speculates { speculating.append(request.id) }
        generation.sequences.append(sequence)
        generation.unfinished += 1
    }

    /// Gives up a generation whose client has gone.
    package func cancel(_ generation: Generation) {
        let now = Self.now
        for sequence in generation.sequences where sequences[sequence.id] != nil {
            sequence.isAbandoned = true
            if fleet.cancel(sequence.id, at: now) != .afterStep { end(sequence.id, at: now) }
        }
        advance()
    }

    /// Gives up everything that has not ended, as at the deadline of a drain.
    package func cancelAll() {
        for generation in generations.values.sorted(by: { $0.id < $1.id }) { cancel(generation) }
    }

    /// A sequence has left the fleet.
    func end(_ id: RequestID, at now: Instant) {
        if let refusal = sequences[id]?.refusal, sequences[id]?.isAbandoned == false {
            return refuse(id, refusal)
        }
        guard let sequence = forget(id) else { return }
        let generation = sequence.generation
        generation.unfinished -= 1
        if let finish = sequence.finish { generation.reason = FinishedReason(finish.reason) }
        guard generation.unfinished == 0 else { return }
        guard generations.removeValue(forKey: generation.id) != nil else { return }
        observeEnd(of: generation, at: now)
        forgetUnused(generation.job.adapter)
        if !sequence.isAbandoned { generation.sink(.finished) }
    }

    private func forget(_ id: RequestID) -> LiveSequence? {
        guard let sequence = sequences.removeValue(forKey: id) else { return nil }
        if sequence.speculates { speculating.removeAll { $0 == id } }
        return sequence
    }

    /// Requests have ended because of a fault that is not theirs.
    func fail(
        _ ended: [RequestID], _ error: APIError, as reason: FinishedReason = .error
    ) {
        let now = Self.now
        for id in ended {
            guard let sequence = forget(id) else { continue }
            let generation = sequence.generation
            guard generations.removeValue(forKey: generation.id) != nil else { continue }
            generation.reason = reason
            observeEnd(of: generation, at: now)
            if !sequence.isAbandoned { generation.sink(.failed(error)) }
            cancel(generation)
            forgetUnused(generation.job.adapter)
        }
    }

    private func refused(_ refusal: Refusal, prompt: Int, output: Int) -> APIError {
        switch refusal {
        case .queueFull(let limit, let retryAfter):
            metrics.requestRejected(.queueFull)
            let seconds = Int((retryAfter?.inSeconds ?? 1).rounded(.up))
            return .overloaded(
                "The queue is full: \(limit) requests wait already (limits.queue).",
                retryAfterSeconds: max(1, seconds))
        case .contextTooLong(let limit):
            metrics.requestRejected(.contextLength)
            return APIError(
                .badRequest,
                "This model's maximum context length is \(limit) tokens. However, you requested "
                    + "\(prompt + output) tokens (\(prompt) in the prompt, \(output) in the "
                    + "completion): shorten the prompt or max_tokens.", parameter: "max_tokens")
        case .doesNotFitInMemory(let pages, let limit):
            metrics.requestRejected(.contextLength)
            return APIError(
                .badRequest,
                "The request needs \(pages) KV pages and a replica has \(limit): shorten it, or "
                    + "raise replicas.memory.", parameter: "max_tokens")
        case .undividedPromptTooLong(let limit):
            metrics.requestRejected(.contextLength)
            return APIError(
                .badRequest,
                "The prompt has \(prompt) tokens, and the gate of this mixture needs it in one "
                    + "iteration, which computes at most \(limit): shorten it, or raise "
                    + "replicas.maxStepTokens.", parameter: "prompt")
        case .adapterTooLarge(let bytes, let budget):
            metrics.requestRejected(.adapterUnavailable)
            return APIError(
                .unavailable,
                "The adapter takes \(bytes) bytes and a replica has \(budget) for it: raise "
                    + "replicas.adapterMemory.", parameter: "model")
        case .unknownAdapter, .duplicateAdapter:
            metrics.requestRejected(.adapterUnavailable)
            return APIError(.notFound, "The adapter was unloaded meanwhile.", parameter: "model")
        case .emptyPrompt:
            return APIError(.badRequest, "The prompt has no token.", parameter: "prompt")
        case .nothingToGenerate:
            return APIError(.badRequest, "max_tokens must be at least 1.", parameter: "max_tokens")
        case .duplicateRequest:
            return APIError(.internalError, "The request is known already.")
        }
    }
}

extension FinishedReason {
    fileprivate init(_ reason: FinishReason) {
        switch reason {
        case .stop: self = .stop
        case .length: self = .length
        case .abort: self = .abort
        case .error: self = .error
        }
    }
}
