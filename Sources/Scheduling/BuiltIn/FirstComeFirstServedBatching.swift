// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// Continuous batching without merging: decode rows first, then prompts, both in the given order.
///
/// Prompts are computed in chunks within the token limit. A prompt is begun only when all its pages
/// are free and one more for each decode row of the batch, or when nothing else would run; a prompt
/// that must wait for pages is not overtaken by later ones. Requests of `mustServe` adapters go
/// before all others, adapter by adapter.
package final class FirstComeFirstServedBatching: BatchingPolicy {
    package static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "fcfs-unmerged", version: "1.0.0",
            summary: "Serves requests in the order given, decode rows before prompts, "
                + "with all adapters side by side on the pristine weights.")
    }

    package init(parameters: NoParameters = NoParameters(), seed: UInt64 = 0) {}

    package func plan(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) throws(PolicyError) {
        var batch = BatchFilling(limits: context.limits)
        if context.mustServe.isEmpty {
            batch.fill(0..<requests.count, of: requests)
        } else {
            for group in Self.turns(requests, mustServe: context.mustServe) {
                batch.fill(group, of: requests)
            }
        }
        plan.mode = .unmerged
        plan.entries = batch.entries
    }

    /// Indexes of the requests of each urgent adapter, the most urgent first, then all the others.
    private static func turns(
        _ requests: Span<RequestSnapshot>, mustServe: [AdapterID]
    ) -> [[Int]] {
        var rank: [AdapterID: Int] = [:]
        for adapter in mustServe where rank[adapter] == nil { rank[adapter] = rank.count }
        var turns = [[Int]](repeating: [], count: rank.count + 1)
        for index in requests.indices {
            turns[rank[requests[index].adapter] ?? rank.count].append(index)
        }
        return turns
    }
}

/// An iteration being filled within its limits.
struct BatchFilling {
    private(set) var entries: [BatchPlan.Entry] = []
    private let limits: BatchLimits
    private var tokensLeft: Int
    private var pagesLeft: Int
    private var decodeRows = 0

    /// Pages that prompts of this batch still need after it.
    private var promisedPages = 0

    /// A prompt found no room: later ones must not overtake it.
    private var isBlocked = false

    init(limits: BatchLimits) {
        self.limits = limits
        self.tokensLeft = limits.tokens
        self.pagesLeft = limits.freePages
        entries.reserveCapacity(min(max(0, limits.requests), 256))
    }

    private var isFull: Bool { entries.count >= limits.requests || tokensLeft <= 0 }

    /// Adds decode rows, then prompts, of the requests at these indexes.
    mutating func fill(_ indexes: some Sequence<Int>, of requests: Span<RequestSnapshot>) {
        for index in indexes {
            if isFull { return }
            if requests[index].phase == .decoding { addRow(index, of: requests[index]) }
        }
        for index in indexes {
            if isFull || isBlocked { return }
            if requests[index].phase != .decoding { addPrompt(index, of: requests[index]) }
        }
    }

    private mutating func addRow(_ index: Int, of request: RequestSnapshot) {
        let pages = request.newPages(computing: 1, pageTokens: limits.pageTokens)
        guard request.isAdapterResident, pages <= pagesLeft else { return }
        take(index, tokens: 1, pages: pages)
        decodeRows += 1
    }

    private mutating func addPrompt(_ index: Int, of request: RequestSnapshot) {
        guard request.isAdapterResident, request.pendingTokens > 0 else { return }
        let wholePages = request.newPages(
            computing: request.pendingTokens, pageTokens: limits.pageTokens)
        let mayBegin = wholePages <= pagesLeft - promisedPages - decodeRows
        let tokens = min(request.pendingTokens, tokensLeft, tokensThatFit(request))
        guard tokens > 0, mayBegin || entries.isEmpty || request.phase == .prefilling else {
            isBlocked = true
            return
        }
        let pages = request.newPages(computing: tokens, pageTokens: limits.pageTokens)
        take(index, tokens: tokens, pages: pages)
        promisedPages = min(
            limits.freePages, promisedPages + min(limits.freePages, wholePages - pages))
    }

    /// Tokens that go into the pages that the request holds and those that are left.
    private func tokensThatFit(_ request: RequestSnapshot) -> Int {
        let held = KVPages.count(holding: request.computedTokens, pageTokens: limits.pageTokens)
        let (pages, tooMany) = held.addingReportingOverflow(pagesLeft)
        let (tokens, overflow) = pages.multipliedReportingOverflow(by: limits.pageTokens)
        return tooMany || overflow ? .max : tokens - request.computedTokens
    }

    private mutating func take(_ index: Int, tokens: Int, pages: Int) {
        entries.append(BatchPlan.Entry(index: index, tokens: tokens))
        tokensLeft -= tokens
        pagesLeft -= pages
    }
}
