// SPDX-License-Identifier: Apache-2.0

/// An iteration being filled within its limits, as first-come-first-served does.
///
/// Requests that decode come before prompts, each in the order given. Prompts are computed in chunks
/// within the token limit, unless they may not be cut. A prompt that finds no room is not overtaken
/// by those after it, in this or any later call, so that it gets the pages that come free.
///
/// A request may be offered once only.
public struct BatchFilling: Sendable {
    /// When a request that waits may begin.
    public enum Beginning: Sendable {
        /// When its whole prompt's pages are free and one more for each decode row of the batch; or,
        /// where the batch is still empty, with the pages that there are.
        case aloneOrWhole
        /// As ``aloneOrWhole``, but never with fewer pages: for batches beside which others hold
        /// pages that could come free.
        case whole
        /// Not at all.
        case never
    }

    /// Who runs, and how many tokens of each.
    public private(set) var entries: [BatchPlan.Entry] = []

    private let limits: BatchLimits
    private var tokensLeft: Int
    private var undividedLeft: Int
    private var pagesLeft: Int
    private var decodeRows = 0

    /// Pages that prompts of this batch still need after it.
    private var promisedPages = 0

    /// A prompt found no room: later ones must not overtake it.
    private var isBlocked = false

    /// An empty batch.
    public init(limits: BatchLimits) {
        self.limits = limits
        self.tokensLeft = limits.tokens
        self.undividedLeft = max(limits.tokens, limits.undividedTokens)
        self.pagesLeft = limits.freePages
        entries.reserveCapacity(min(max(0, limits.requests), 256))
    }

    /// The batch that first-come-first-served runs; requests of `urgent` adapters go before all
    /// others, adapter by adapter. Where nobody finds room in turn, prompts that have begun go on.
    public init(
        _ requests: Span<RequestSnapshot>, urgent: [AdapterID] = [], limits: BatchLimits
    ) {
        self.init(limits: limits)
        if urgent.isEmpty {
            fill(0..<requests.count, of: requests, beginning: .aloneOrWhole)
        } else {
            for group in Self.turns(requests, urgent: urgent) { fill(group, of: requests) }
        }
        if entries.isEmpty {
            isBlocked = false
            fill(0..<requests.count, of: requests, beginning: .never)
        }
    }

    private var isFull: Bool { entries.count >= limits.requests || tokensLeft <= 0 }

    /// Adds decode rows, then prompts, of the requests at these positions, as far as there is room.
    public mutating func fill(
        _ positions: [Int], of requests: Span<RequestSnapshot>,
        beginning: Beginning = .aloneOrWhole
    ) {
        fill(positions[...], of: requests, beginning: beginning)
    }

    private mutating func fill(
        _ positions: some Collection<Int>, of requests: Span<RequestSnapshot>,
        beginning: Beginning
    ) {
        for index in positions {
            if isFull { return }
            if requests[index].phase == .decoding { addRow(index, of: requests[index]) }
        }
        for index in positions {
            if isFull || isBlocked { return }
            let phase = requests[index].phase
            if phase == .decoding || phase == .waiting && beginning == .never { continue }
            addPrompt(index, of: requests[index], mayBeginAlone: beginning == .aloneOrWhole)
        }
    }

    /// Positions of the requests of each urgent adapter, the most urgent first, then all the others.
    private static func turns(
        _ requests: Span<RequestSnapshot>, urgent: [AdapterID]
    ) -> [[Int]] {
        var rank: [AdapterID: Int] = [:]
        for adapter in urgent where rank[adapter] == nil { rank[adapter] = rank.count }
        var turns = [[Int]](repeating: [], count: rank.count + 1)
        for index in requests.indices {
            turns[rank[requests[index].adapter] ?? rank.count].append(index)
        }
        return turns
    }

    private mutating func addRow(_ index: Int, of request: RequestSnapshot) {
        let pages = request.newPages(computing: 1, pageTokens: limits.pageTokens)
        guard request.isAdapterResident, pages <= pagesLeft else { return }
        take(index, tokens: 1, pages: pages)
        decodeRows += 1
    }

    private mutating func addPrompt(
        _ index: Int, of request: RequestSnapshot, mayBeginAlone: Bool
    ) {
        guard request.isAdapterResident, request.pendingTokens > 0 else { return }
        let wholePages = request.newPages(
            computing: request.pendingTokens, pageTokens: limits.pageTokens)
        let isWhole = wholePages <= pagesLeft - promisedPages - decodeRows
        let mayRun = isWhole || entries.isEmpty && mayBeginAlone || request.phase == .prefilling
        let tokens = tokens(of: request)
        guard tokens > 0, mayRun else {
            isBlocked = true
            return
        }
        let pages = request.newPages(computing: tokens, pageTokens: limits.pageTokens)
        take(index, tokens: tokens, pages: pages)
        promisedPages = min(
            limits.freePages, promisedPages + min(limits.freePages, wholePages - pages))
    }

    /// Tokens of a prompt that there is room for; none where it must have more at once.
    private func tokens(of request: RequestSnapshot) -> Int {
        let fitting = min(request.pendingTokens, tokensThatFit(request))
        let tokens = min(fitting, tokensLeft)
        if tokens >= request.leastTokens { return tokens }
        return request.leastTokens <= min(fitting, undividedLeft) ? request.leastTokens : 0
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
        undividedLeft -= tokens
        pagesLeft -= pages
    }
}
