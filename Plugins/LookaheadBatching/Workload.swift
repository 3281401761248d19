// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// One request as a prediction sees it.
struct Job {
    /// Position in ``Workload/groups``.
    var group: Int
    var isRunning: Bool

    /// Iterations that it takes part in until it ends, as its outputs used to be as long as that.
    var iterations: Double

    /// Tokens of its prompt that are not computed, and their time without LoRA paths.
    var promptTokens: Double
    var promptSeconds: Double

    /// The time of its row in an iteration, without LoRA paths.
    var rowSeconds: Double
}

/// The requests of one adapter.
struct Group {
    var adapter: AdapterID
    var rank: Double

    /// All requests shown, also those beyond the horizon.
    var requests = 0
}

/// The requests that a prediction follows: those that run, then those that wait, each in order.
///
/// Requests whose adapter is not resident are left out, as nobody can serve them.
struct Workload {
    private(set) var jobs: [Job] = []
    private(set) var groups: [Group] = []

    /// All requests shown that could run.
    private(set) var requests = 0

    private var groupOf: [AdapterID: Int] = [:]

    init(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, prices: Prices,
        horizon: Int
    ) {
        jobs.reserveCapacity(min(horizon, requests.count))
        let share = min(max(context.costs.outputShare, 0), 1)
        for isRunning in [true, false] {
            for index in requests.indices
            where (requests[index].phase != .waiting) == isRunning
                && requests[index].isAdapterResident
            {
                let group = group(of: requests[index])
                groups[group].requests += 1
                self.requests += 1
                if jobs.count >= horizon { continue }
                jobs.append(
                    Job(
                        requests[index], group: group, share: share, prices: prices,
                        limits: context.limits))
            }
        }
    }

    private mutating func group(of request: RequestSnapshot) -> Int {
        if let group = groupOf[request.adapter] { return group }
        groupOf[request.adapter] = groups.count
        groups.append(Group(adapter: request.adapter, rank: Double(request.adapterRank)))
        return groups.count - 1
    }

    /// Position of an adapter's group.
    func index(of adapter: AdapterID) -> Int? { groupOf[adapter] }
}

extension Job {
    fileprivate init(
        _ request: RequestSnapshot, group: Int, share: Double, prices: Prices, limits: BatchLimits
    ) {
        self.group = group
        isRunning = request.phase != .waiting
        let isDecoding = request.phase == .decoding
        let prompt = isDecoding ? 0 : max(0, Double(request.pendingTokens))
        let computed = Double(request.computedTokens)
        // What is left is expected to be the share of what may be left that it was for others.
        let left = Double(request.maximumTokens) - Double(request.generatedTokens)
        let output = max(1, left * share)
        let extra = prompt > 0 ? (prompt / Double(max(1, limits.tokens))).rounded(.up) - 1 : 0
        iterations = output + extra
        promptTokens = prompt
        promptSeconds =
            prompt * prices.promptToken
            + prices.attended * prompt * (computed + (prompt + 1) / 2)
        rowSeconds = prices.row + prices.attended * (computed + prompt + output / 2)
    }
}
