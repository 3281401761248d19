// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit

// Replicas of one process have their pages in one pool. A request that moves keeps its pages: its
// replica gives them away and gets as many free ones in exchange, so nothing is copied.
extension KVPageTable {
    /// Whether all pages of a request are its own or can become so: nobody shares them, and no
    /// pages of others continue them.
    func isPrivate(_ id: RequestID) -> Bool {
        guard let holding = holdings[id] else { return true }
        return cache.isPrivate(from: holding.node)
    }

    /// How many pages a request holds.
    func pageCount(of id: RequestID) -> Int { holdings[id]?.pages.count ?? 0 }

    /// How many pages so many tokens take.
    func pageCount(holding tokens: Int) -> Int {
        KVPages.count(holding: tokens, pageTokens: pageTokens)
    }

    /// Takes a request's pages out of the table, which must be private; the table is then short of
    /// as many, until ``add(_:)`` brings others.
    mutating func takeOut(_ id: RequestID) -> (pages: [Int32], tokens: Int) {
        guard let holding = holdings.removeValue(forKey: id) else { return ([], 0) }
        cache.withdraw(from: holding.node)
        count(holding, sign: -1)
        return (holding.pages, holding.tokens)
    }

    /// Takes free pages out of the table, in exchange for others that come in; there must be as
    /// many.
    mutating func takeFree(_ count: Int) -> [Int32] {
        precondition(count <= freePages, "\(count) pages wanted, \(freePages) are free")
        return (0..<count).map { _ in takePage() }
    }

    /// Adds free pages in the place of those that were taken out.
    mutating func add(_ pages: [Int32]) { giveBack(pages) }

    /// Gives a request that holds none the pages that were taken out elsewhere.
    mutating func putIn(_ pages: [Int32], tokens: Int, of id: RequestID) {
        precondition(holdings[id] == nil, "request \(id.rawValue) holds pages already")
        guard !pages.isEmpty else { return }
        var holding = Holding()
        holding.pages = pages
        holding.tokens = tokens
        count(holding, sign: 1)
        holdings[id] = holding
    }
}

extension PrefixCache {
    /// Whether one request alone holds a node and all above it, and nothing continues them.
    func isPrivate(from last: Node?) -> Bool {
        var below = 0
        var next = last
        while let node = next {
            guard isHeldOnce(node, children: below) else { return false }
            below = 1
            next = above(node)
        }
        return true
    }

    /// Takes a private node and all above it out of the cache.
    mutating func withdraw(from last: Node?) {
        var next = last
        while let node = next {
            next = above(node)
            drop(node)
        }
    }
}
