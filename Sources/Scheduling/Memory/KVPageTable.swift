// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// Which pages of a replica's KV cache belong to which request.
///
/// A page holds the keys and values of ``pageTokens`` consecutive tokens of one request, in every
/// layer (PagedAttention, SOSP'23 §4.2). Allocation order is deterministic: the page that came back
/// last goes out first, then pages never used, by number.
package struct KVPageTable: Sendable {
    private struct Holding {
        var pages: [Int32] = []
        var tokens = 0
    }

    /// Tokens that one page holds.
    package let pageTokens: Int
    package let totalPages: Int

    /// Tokens that requests have in their pages; the rest of those pages is waste.
    package private(set) var usedTokens = 0

    private var holdings: [RequestID: Holding] = [:]
    private var returned: [Int32] = []
    private var firstUnused = 0

    /// Makes a table of free pages, numbered from 0; there may be `Int32.max` of them.
    package init(pages: Int, pageTokens: Int = 16) {
        precondition(
            pages >= 0 && pages <= Int(Int32.max) && pageTokens > 0,
            "\(pages) pages of \(pageTokens) tokens")
        self.totalPages = pages
        self.pageTokens = pageTokens
    }

    package var freePages: Int { totalPages - firstUnused + returned.count }
    package var usedPages: Int { firstUnused - returned.count }

    /// Room for tokens inside pages that requests hold but do not fill.
    package var wastedTokens: Int { usedPages * pageTokens - usedTokens }

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
        holding.pages.removeLast(holding.pages.count - kept)
        usedTokens -= holding.tokens - tokens
        holding.tokens = tokens
        holdings[id] = holding
    }

    /// Takes back all pages of a request.
    ///
    /// - Returns: how many it held.
    @discardableResult
    package mutating func release(_ id: RequestID) -> Int {
        guard let holding = holdings.removeValue(forKey: id) else { return 0 }
        usedTokens -= holding.tokens
        returned.append(contentsOf: holding.pages.reversed())
        return holding.pages.count
    }

    private mutating func takePage() -> Int32 {
        if let page = returned.popLast() { return page }
        firstUnused += 1
        return Int32(firstUnused - 1)
    }

    /// What does not add up, with the numbers; empty when all is well. Linear in the pages.
    package func inconsistencies() -> [String] {
        var problems: [String] = []
        var owners = [Int](repeating: 0, count: firstUnused)
        let held = holdings.values.flatMap(\.pages)
        for page in held + returned {
            guard owners.indices.contains(Int(page)) else {
                problems.append("page \(page) is not among the \(firstUnused) in use")
                continue
            }
            owners[Int(page)] += 1
        }
        for (page, count) in owners.enumerated() where count != 1 {
            problems.append("page \(page) is in \(count) places")
        }
        if held.count != usedPages {
            problems.append("requests hold \(held.count) pages, \(usedPages) are counted")
        }
        let tokens = holdings.values.reduce(0) { $0 + $1.tokens }
        if tokens != usedTokens {
            problems.append("requests have \(tokens) tokens, \(usedTokens) are counted")
        }
        for (id, holding) in holdings.sorted(by: { $0.key < $1.key }) {
            let needed = KVPages.count(holding: holding.tokens, pageTokens: pageTokens)
            if needed != holding.pages.count {
                problems.append(
                    "request \(id.rawValue) has \(holding.tokens) tokens in "
                        + "\(holding.pages.count) pages, that takes \(needed)")
            }
        }
        return problems
    }
}
