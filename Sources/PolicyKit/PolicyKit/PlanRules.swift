// SPDX-License-Identifier: Apache-2.0

extension RequestSnapshot {
    /// KV pages that the host must find before `tokens` more tokens of this request can run.
    ///
    /// A request holds the pages of its `computedTokens` and nothing ahead. Saturates, so that a
    /// nonsensical count is over every limit instead of a trap. `pageTokens` is that of
    /// ``BatchLimits``.
    public func newPages(computing tokens: Int, pageTokens: Int) -> Int {
        let held = KVPages.count(holding: computedTokens, pageTokens: pageTokens)
        let (total, overflow) = computedTokens.addingReportingOverflow(tokens)
        if overflow { return .max }
        return max(0, KVPages.count(holding: total, pageTokens: pageTokens) - held)
    }

    /// How many of the pending tokens can run when the host finds `pages` more KV pages; saturates.
    public func pendingTokens(withinNewPages pages: Int, pageTokens: Int) -> Int {
        let held = KVPages.count(holding: computedTokens, pageTokens: pageTokens)
        let (slots, overflow) = held.addingSaturating(max(0, pages))
            .multipliedReportingOverflow(by: max(1, pageTokens))
        let room = overflow ? Int.max : slots - computedTokens
        return max(0, min(pendingTokens, room))
    }

    /// The most tokens that the request can have in the KV cache before it ends.
    ///
    /// The last token that it generates is never computed. Saturates.
    public var mostComputedTokens: Int {
        let missing = max(0, maximumTokens.subtractingSaturating(generatedTokens))
        guard phase != .decoding else { return computedTokens.addingSaturating(missing) }
        return promptTokens.addingSaturating(max(0, missing - 1))
    }
}

extension FairnessArrangement {
    /// The first rule of ``aborts`` that the arrangement breaks, or `nil`.
    public func violationOfAborts(among requests: Span<RequestSnapshot>) -> PolicyError? {
        var seen: Set<Int> = []
        for position in aborts {
            guard requests.indices.contains(position) else {
                return PolicyError(
                    "the arrangement ends request \(position), there are \(requests.count)")
            }
            guard seen.insert(position).inserted else {
                return PolicyError("the arrangement ends request \(position) twice")
            }
            guard requests[position].generatedTokens == 0 else {
                return PolicyError(
                    "the arrangement ends request \(position), which has generated tokens")
            }
        }
        guard predictedFirstTokens.isEmpty || predictedFirstTokens.count == aborts.count else {
            return PolicyError(
                "the arrangement ends \(aborts.count) requests and predicts "
                    + "\(predictedFirstTokens.count) first tokens")
        }
        return nil
    }
}

/// The arithmetic of KV pages.
public enum KVPages {
    /// Pages that hold `tokens` tokens; none for a count below 1.
    public static func count(holding tokens: Int, pageTokens: Int) -> Int {
        guard tokens > 0 else { return 0 }
        return (tokens - 1) / max(1, pageTokens) + 1
    }
}

extension BatchPlan {
    /// The first rule of ``BatchingPolicy/plan(_:in:into:)`` that the plan breaks, or `nil`;
    /// `requests` are those that the policy was shown, in that order.
    public func violation(
        for requests: Span<RequestSnapshot>, under limits: BatchLimits
    ) -> PolicyError? {
        guard entries.count <= limits.requests else {
            return PolicyError(
                "the plan runs \(entries.count) requests, the limit is \(limits.requests)")
        }
        var planned = [Bool](repeating: false, count: requests.count)
        var budget = StepBudget(limits)
        for entry in entries {
            guard requests.indices.contains(entry.index) else {
                return PolicyError(
                    "the plan names request \(entry.index), there are \(requests.count)")
            }
            let request = requests[entry.index]
            if planned[entry.index] {
                return PolicyError("the plan names request \(entry.index) twice")
            }
            planned[entry.index] = true
            if let error = violation(of: entry, for: request) ?? budget.take(entry, of: request) {
                return error
            }
        }
        return violationOfMode(for: requests)
    }

    private func violation(of entry: Entry, for request: RequestSnapshot) -> PolicyError? {
        guard entry.tokens >= request.leastTokens, entry.tokens <= request.pendingTokens else {
            return PolicyError(
                "the plan computes \(entry.tokens) tokens of request \(entry.index), "
                    + "it may be \(request.leastTokens) to \(request.pendingTokens)")
        }
        guard request.adapter.isBase || request.isAdapterResident else {
            return PolicyError(
                "the plan runs request \(entry.index), whose adapter is not resident")
        }
        if case .merged(let adapter) = mode, request.adapter != adapter {
            return PolicyError(
                "the plan is merged on adapter \(adapter.rawValue), but request \(entry.index) is "
                    + "of adapter \(request.adapter.rawValue)")
        }
        return nil
    }

    /// The adapter to merge must be one that the replica holds, which a request shows.
    private func violationOfMode(for requests: Span<RequestSnapshot>) -> PolicyError? {
        mode.mergedAdapter.flatMap { violation(merging: $0, for: requests) }
            ?? prepares.flatMap { violation(merging: $0, for: requests) }
    }

    private func violation(
        merging adapter: AdapterID, for requests: Span<RequestSnapshot>
    ) -> PolicyError? {
        if adapter.isBase {
            return PolicyError("the plan merges the base model, which is no adapter")
        }
        for index in requests.indices {
            let request = requests[index]
            if request.adapter == adapter, request.isAdapterResident { return nil }
        }
        return PolicyError(
            "the plan merges adapter \(adapter.rawValue), which no request shows as resident")
    }
}

/// What is left of an iteration's tokens and pages while a plan is checked.
private struct StepBudget {
    let limits: BatchLimits
    var tokens = 0
    /// Those of prompts that may not be cut.
    var undividedTokens = 0
    var pages = 0

    init(_ limits: BatchLimits) { self.limits = limits }

    mutating func take(_ entry: BatchPlan.Entry, of request: RequestSnapshot) -> PolicyError? {
        if request.leastTokens > 1 {
            undividedTokens = undividedTokens.addingSaturating(entry.tokens)
        } else {
            tokens = tokens.addingSaturating(entry.tokens)
        }
        let all = tokens.addingSaturating(undividedTokens)
        if tokens > limits.tokens || all > max(limits.tokens, limits.undividedTokens) {
            let limit = tokens > limits.tokens ? limits.tokens : limits.undividedTokens
            return PolicyError(
                "the plan computes at least \(all) tokens, the limit is \(limit)")
        }
        pages = pages.addingSaturating(
            request.newPages(computing: entry.tokens, pageTokens: limits.pageTokens))
        if pages > limits.freePages {
            return PolicyError(
                "the plan needs at least \(pages) new KV pages, \(limits.freePages) are free")
        }
        return nil
    }
}
