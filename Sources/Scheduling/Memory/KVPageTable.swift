// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// Which pages of a replica's KV cache belong to which request.
///
/// A page holds the keys and values of ``pageTokens`` consecutive tokens, in every layer
/// (PagedAttention, SOSP'23 §4.2). A request's first pages may be shared with other requests that
/// begin with the same tokens, see ``PrefixCache``; those behind them are its own, and only into
/// these it writes. Shared pages that nobody uses stay where they are and count as free.
///
/// Allocation order is deterministic: the page that came back last goes out first, then pages never
/// used, by number, then shared pages that nobody uses.
package struct KVPageTable: Sendable {
    struct Holding: Sendable {
        var pages: [Int32] = []
        var tokens = 0

        /// How many of the pages, at the front, are shared, and the node of the last of them.
        var sharedPages = 0
        var node: PrefixCache.Node?
    }

    /// Tokens that one page holds.
    package let pageTokens: Int
    package let totalPages: Int

    /// Tokens that requests have in their pages, shared ones counted for each; the rest of those
    /// pages is waste.
    package private(set) var usedTokens = 0

    /// Pages that requests hold, shared ones counted for each.
    private var heldPages = 0

    var holdings: [RequestID: Holding] = [:]
    var cache = PrefixCache()
    private var returned: [Int32] = []
    private var firstUnused = 0

    /// The number of the first page, before any were exchanged.
    private let firstPage: Int

    /// Makes a table of free pages, numbered from `firstPage` on; their numbers are `Int32`s.
    package init(pages: Int, pageTokens: Int = 16, firstPage: Int = 0) {
        precondition(
            pages >= 0 && firstPage >= 0 && pages <= Int(Int32.max) - firstPage && pageTokens > 0,
            "\(pages) pages of \(pageTokens) tokens from \(firstPage) on")
        self.totalPages = pages
        self.pageTokens = pageTokens
        self.firstPage = firstPage
    }

    /// Pages that a request could get.
    package var freePages: Int { totalPages - firstUnused + returned.count + cache.idleCount }

    /// Pages that requests hold, shared ones counted once.
    package var usedPages: Int { totalPages - freePages }

    /// Pages that may be shared, whether or not a request holds them.
    package var cachedPages: Int { cache.count }

    /// Room for tokens inside pages that requests hold but do not fill.
    package var wastedTokens: Int { heldPages * pageTokens - usedTokens }

    /// Pages of a request in the order of its tokens; empty where it holds none.
    package func pages(of id: RequestID) -> [Int32] { holdings[id]?.pages ?? [] }

    /// Tokens that a request has in its pages.
    package func tokens(of id: RequestID) -> Int { holdings[id]?.tokens ?? 0 }

    /// Makes room for a request's first `tokens` tokens, all or nothing.
    ///
    /// - Returns: the request's pages, or `nil` where too few are free.
    package mutating func extend(_ id: RequestID, to tokens: Int) -> [Int32]? {
        var holding = holdings[id] ?? Holding()
        let missing =
            KVPages.count(holding: tokens, pageTokens: pageTokens) - holding.pages.count
        guard missing <= freePages else { return nil }
        if missing > 0 {
            holdings[id] = nil  // so that the array below is held once and grows in place
            for _ in 0..<missing { holding.pages.append(takePage()) }
            heldPages += missing
        }
        usedTokens += max(0, tokens - holding.tokens)
        holding.tokens = max(tokens, holding.tokens)
        holdings[id] = holding
        return holding.pages
    }

    /// Forgets a request's tokens behind the first `tokens`, and takes back the pages of those only.
    package mutating func trim(_ id: RequestID, to tokens: Int) {
        guard var holding = holdings[id], tokens < holding.tokens else { return }
        let kept = KVPages.count(holding: tokens, pageTokens: pageTokens)
        returned.append(contentsOf: holding.pages[kept...].reversed())
        heldPages -= holding.pages.count - kept
        holding.pages.removeLast(holding.pages.count - kept)
        usedTokens -= holding.tokens - tokens
        holding.tokens = tokens
        holdings[id] = holding
    }

    /// Takes back all pages of a request; shared ones stay for others.
    ///
    /// - Returns: how many it held.
    @discardableResult
    package mutating func release(_ id: RequestID) -> Int {
        guard let holding = holdings.removeValue(forKey: id) else { return 0 }
        usedTokens -= holding.tokens
        heldPages -= holding.pages.count
        returned.append(contentsOf: holding.pages[holding.sharedPages...].reversed())
        cache.letGo(from: holding.node)
        return holding.pages.count
    }

    /// Drops the shared pages of an adapter's generation that no request uses any more.
    package mutating func forget(_ adapter: AdapterID) {
        returned.append(contentsOf: cache.forget(adapter).reversed())
    }

    /// Puts a shared page in the place of one of a request's own, or behind them all.
    mutating func replace(_ index: Int, of holding: inout Holding, with node: PrefixCache.Node) {
        cache.hold(node)
        if index < holding.pages.count {
            returned.append(holding.pages[index])
            holding.pages[index] = cache.page(of: node)
        } else {
            heldPages += 1
            holding.pages.append(cache.page(of: node))
        }
        holding.sharedPages = index + 1
        holding.node = node
        let tokens = (index + 1) * pageTokens
        usedTokens += max(0, tokens - holding.tokens)
        holding.tokens = max(tokens, holding.tokens)
    }

    mutating func takePage() -> Int32 {
        if let page = returned.popLast() { return page }
        if firstUnused == totalPages, let page = cache.evict() { return page }
        firstUnused += 1
        return Int32(firstPage + firstUnused - 1)
    }

    mutating func giveBack(_ pages: [Int32]) { returned.append(contentsOf: pages.reversed()) }

    mutating func count(_ holding: Holding, sign: Int) {
        usedTokens += sign * holding.tokens
        heldPages += sign * holding.pages.count
    }
}

extension KVPageTable {
    /// The pages that have been in use, and the range of those that have not.
    package var numbers: (used: [Int32], unused: Range<Int>) {
        (
            holdings.values.flatMap { $0.pages[$0.sharedPages...] } + returned + cache.pages,
            firstPage + firstUnused..<firstPage + totalPages
        )
    }

    /// What does not add up, with the numbers; empty when all is well. Linear in the pages.
    package func inconsistencies() -> [String] {
        var problems: [String] = []
        let own = holdings.values.flatMap { $0.pages[$0.sharedPages...] }
        let known = own + returned + cache.pages
        var places: [Int32: Int] = [:]
        for page in known { places[page, default: 0] += 1 }
        for (page, count) in places.sorted(by: { $0.key < $1.key }) where count != 1 {
            problems.append("page \(page) is in \(count) places")
        }
        if known.count != firstUnused {
            problems.append("\(known.count) pages are in use, \(firstUnused) are counted")
        }
        let held = own.count + cache.count - cache.idleCount
        if held != usedPages {
            problems.append("requests hold \(held) pages, \(usedPages) are counted")
        }
        let tokens = holdings.values.reduce(0) { $0 + $1.tokens }
        let pages = holdings.values.reduce(0) { $0 + $1.pages.count }
        if tokens != usedTokens || pages != heldPages {
            problems.append(
                "requests have \(tokens) tokens in \(pages) pages, \(usedTokens) in \(heldPages) "
                    + "are counted")
        }
        var nodes: [PrefixCache.Node: Int] = [:]
        for (id, holding) in holdings.sorted(by: { $0.key < $1.key }) {
            problems += inconsistencies(of: holding, id, nodes: &nodes)
        }
        return problems + cache.inconsistencies(held: nodes)
    }

    private func inconsistencies(
        of holding: Holding, _ id: RequestID, nodes: inout [PrefixCache.Node: Int]
    ) -> [String] {
        var problems: [String] = []
        let needed = KVPages.count(holding: holding.tokens, pageTokens: pageTokens)
        if needed != holding.pages.count {
            problems.append(
                "request \(id.rawValue) has \(holding.tokens) tokens in "
                    + "\(holding.pages.count) pages, that takes \(needed)")
        }
        var shared: [Int32] = []
        var next = holding.node
        while let node = next, shared.count <= holding.pages.count {
            nodes[node, default: 0] += 1
            shared.append(cache.page(of: node))
            next = cache.above(node)
        }
        if Array(holding.pages.prefix(holding.sharedPages)) != shared.reversed() {
            problems.append(
                "request \(id.rawValue) has the pages \(holding.pages), of which "
                    + "\(holding.sharedPages) are shared, and shares \(Array(shared.reversed()))")
        }
        return problems
    }
}
