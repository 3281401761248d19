// SPDX-License-Identifier: Apache-2.0

package import Workloads

/// What a run sends, and how.
package struct LoadPlan: Sendable {
    /// Ascending by arrival.
    package var requests: [PlannedRequest]
    package var names: ModelNames
    package var pace: ArrivalQueue.Pace = .planned
    /// The most requests under way; what arrives beyond is counted and not sent.
    package var openLimit = 4096
    package var path: GenerationPath = .completions
    package var prompts: PromptSource.Kind = .tokens(below: 256)
    /// Whether the server is to go on to the planned length whatever the model says.
    package var ignoresEnd = true
    /// Of the prompts.
    package var seed: UInt64 = 1

    package init(_ requests: [PlannedRequest], names: ModelNames) {
        self.requests = requests
        self.names = names
    }
}

/// What came of a run.
package struct LoadResult: Sendable {
    /// In the order of the plan; without those that had not been due when the run was interrupted.
    package var outcomes: [RequestOutcome]
    /// For each kind of failure what the first of them said.
    package var details: [String: String]
    package var isInterrupted: Bool
}

/// Sends the requests of a plan to a server and takes down what becomes of them; one thread.
package final class LoadRun {
    private let plan: LoadPlan
    private let endpoint: Endpoint
    private let transfers: TransferSet
    private var queue: ArrivalQueue
    private var outcomes: [RequestOutcome?]
    private var replies: [Int: StreamedReply] = [:]
    private var indices: [UnsafeMutableRawPointer: Int] = [:]
    private var details: [String: String] = [:]
    private var endedCount = 0
    private var start = ContinuousClock.now

    package init(_ plan: LoadPlan, to endpoint: Endpoint) throws(LoadError) {
        self.plan = plan
        self.endpoint = endpoint
        transfers = try TransferSet(room: min(plan.openLimit, plan.requests.count))
        queue = ArrivalQueue(plan.requests, pace: plan.pace, openLimit: plan.openLimit)
        outcomes = Array(repeating: nil, count: plan.requests.count)
    }

    /// Runs to the end of the last request, or to the interruption; `onProgress` is told now and then
    /// how much is done, from 0 to 1.
    package func perform(
        until interruption: Interruption? = nil, onProgress: (Double) -> Void = { _ in }
    ) throws(LoadError) -> LoadResult {
        start = ContinuousClock.now
        var isInterrupted = false
        while !(queue.isEmpty && transfers.openCount == 0) {
            try depart()
            transfers.perform(ended)
            onProgress(Double(endedCount) / Double(plan.requests.count))
            if interruption?.isRequested == true {
                isInterrupted = true
                break
            }
            wait(interruption)
        }
        if isInterrupted { giveUp() }
        return LoadResult(
            outcomes: outcomes.compactMap { $0 }, details: details, isInterrupted: isInterrupted)
    }

    private var now: Duration { ContinuousClock.now - start }

    private func wait(_ interruption: Interruption?) {
        // In a closed loop the next one leaves as soon as one has ended.
        if queue.isEmpty, transfers.openCount == 0 { return }
        if case .concurrency(let limit) = plan.pace, !queue.isEmpty,
            transfers.openCount < min(limit, plan.openLimit)
        {
            return
        }
        transfers.wait(
            for: queue.nextArrival.map { max($0 - now, .zero) },
            beside: interruption?.descriptor)
    }

    /// Sends what is due, not too much in one turn, so that those under way are not kept waiting.
    private func depart() throws(LoadError) {
        for _ in 0..<64 {
            guard let departure = queue.departure(at: now, open: transfers.openCount) else {
                return
            }
            switch departure {
            case .send(let index, let arrival): try send(index, arrival)
            case .shed(let index):
                var outcome = blank(index, plan.requests[index].arrival)
                outcome.failure = "shed"
                details["shed"] = details["shed"] ?? "\(plan.openLimit) requests were open"
                outcomes[index] = outcome
                endedCount += 1
            }
        }
    }

    private func blank(_ index: Int, _ arrival: Duration) -> RequestOutcome {
        let request = plan.requests[index]
        return RequestOutcome(
            adapter: request.adapter, arrival: arrival, promptTokens: request.promptTokens,
            requestedTokens: request.outputTokens)
    }

    private func send(_ index: Int, _ arrival: Duration) throws(LoadError) {
        let request = plan.requests[index]
        // Each prompt has a seed of its own, so that it does not depend on which were shed.
        var prompts = PromptSource(plan.prompts, seed: plan.seed, number: index)
        let body = GenerationBody(
            path: plan.path, model: plan.names[request.adapter],
            prompt: prompts.next(tokens: request.promptTokens),
            outputTokens: request.outputTokens, ignoresEnd: plan.ignoresEnd)
        let easy = try transfers.start(
            Transfer.Request(path: plan.path.path, body: body.json), to: endpoint
        ) { [unowned self] bytes, status in
            replies[index]?.take(bytes, status: status, at: now) ?? false
        }
        indices[easy] = index
        replies[index] = StreamedReply(blank(index, arrival), sentAt: now)
    }

    private func ended(_ easy: UnsafeMutableRawPointer, _ code: CurlCode, _ status: Int) {
        guard let index = indices.removeValue(forKey: easy),
            var reply = replies.removeValue(forKey: index)
        else { return }
        let outcome =
            code.isOK
            ? reply.complete(status: status, at: now)
            : reply.breakOff(code.failureKind, code.text, at: now)
        note(outcome, reply.detail, at: index)
    }

    private func note(_ outcome: RequestOutcome, _ detail: String?, at index: Int) {
        outcomes[index] = outcome
        endedCount += 1
        if let kind = outcome.failure, details[kind] == nil { details[kind] = detail }
    }

    private func giveUp() {
        for (index, reply) in replies {
            var reply = reply
            note(
                reply.breakOff(
                    "interrupted", "it was under way when the run was interrupted", at: now),
                reply.detail, at: index)
        }
        replies = [:]
    }
}
