// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// When first tokens come, where prompts are computed one after another in iterations filled up to
/// the token limit, beside the rows that decode.
///
/// What shares the iteration in which a prompt ends but comes behind it is not counted: the
/// prediction is a little early rather than late.
struct FirstTokenPrediction {
    private let now: Instant
    private let costs: CostEstimates

    /// Prompt tokens that one iteration takes beside its decode rows.
    private let room: Int

    /// The rows that decode, which every iteration computes.
    private let rows: StepWork
    private let rowAdapters: Set<AdapterID>

    /// Seconds of the iterations that are full, and the one that fills.
    private var elapsed = 0.0
    private var work: StepWork
    private var adapters: Set<AdapterID>
    private var filled = 0

    /// - Returns: `nil` before costs have been measured.
    init?(_ running: [Int], of requests: Span<RequestSnapshot>, in context: FairnessContext) {
        guard context.costs.observations > 0 else { return nil }
        now = context.now
        costs = context.costs
        var rows = StepWork()
        var adapters: Set<AdapterID> = []
        var count = 0
        for index in running.prefix(max(0, context.limits.requests))
        where requests[index].phase == .decoding {
            let request = requests[index]
            count += 1
            rows.addRows(of: request, tokens: 1)
            rows.addPath(
                rank: request.adapterRank, tokens: 1,
                isFirst: adapters.insert(request.adapter).inserted)
        }
        room = max(1, context.limits.tokens - count)
        self.rows = rows
        rowAdapters = adapters
        work = rows
        self.adapters = adapters
        // What was preempted is computed again before anything that is due.
        for index in running where requests[index].phase != .decoding { add(requests[index]) }
    }

    /// The first token of a request that comes next: as soon as the fit's mean error lets it be,
    /// and as expected.
    func firstToken(of request: RequestSnapshot) -> (soonest: Instant, expected: Instant) {
        var whole = self
        whole.add(request)
        var seconds = whole.elapsed
        if whole.filled > 0 { seconds += costs.seconds(of: whole.work) ?? 0 }
        let certain = seconds * (1 - min(1, max(0, costs.relativeError)))
        return (now.advanced(bySeconds: certain), now.advanced(bySeconds: seconds))
    }

    /// Puts a request's prompt behind those before it.
    mutating func add(_ request: RequestSnapshot) {
        var part = request
        var left = min(max(0, request.pendingTokens), 1 << 30)
        while left > 0 {
            let tokens = min(left, room - filled)
            work.addRows(of: part, tokens: tokens)
            work.addPath(
                rank: request.adapterRank, tokens: tokens,
                isFirst: adapters.insert(request.adapter).inserted)
            left -= tokens
            filled += tokens
            part.computedTokens &+= tokens
            if filled == room { closeIteration() }
        }
    }

    private mutating func closeIteration() {
        elapsed += costs.seconds(of: work) ?? 0
        work = rows
        adapters = rowAdapters
        filled = 0
    }
}

extension Instant {
    fileprivate func advanced(bySeconds seconds: Double) -> Instant {
        let nanoseconds = min(1e17, max(0, seconds.isFinite ? seconds * 1e9 : 0))
        return advanced(by: .nanoseconds(Int64(nanoseconds.rounded())))
    }
}
