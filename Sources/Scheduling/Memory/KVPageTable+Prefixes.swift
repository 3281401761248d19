// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit

/// The tokens of a request as far as they are known, for sharing pages with others.
struct KnownPrefix: Sendable {
    let owner: PrefixOwner

    /// The prompt, then what was generated and told.
    var tokens: [Int32]

    /// How many of its first tokens come from unmerged steps alone, those under way included: merged
    /// weights give slightly other numbers, which must not get into anybody else's answer.
    var cleanTokens = 0

    /// ``PrefixCache/additions`` when nothing was found for it last.
    var emptyHanded = -1
}

/// How far pages that are there already take a request.
struct PrefixMatch {
    var nodes: [PrefixCache.Node] = []

    /// Those that no request holds, so that they count as free until they are taken.
    var idlePages = 0
}

extension KVPageTable {
    /// Finds the shared pages that continue what a request has, up to its first `limit` tokens.
    ///
    /// Nothing is found for a request with a full page that is not shared: what it has differs from
    /// what there is.
    func match(_ id: RequestID, _ prefix: KnownPrefix, upTo limit: Int) -> PrefixMatch {
        var match = PrefixMatch()
        let holding = holdings[id] ?? Holding()
        guard holding.sharedPages == holding.tokens / pageTokens else { return match }
        var last = holding.node
        var start = holding.sharedPages * pageTokens
        let end = min(limit, prefix.tokens.count)
        while start + pageTokens <= end,
            let node = cache.node(
                below: last, of: prefix.owner, tokens: prefix.tokens[start..<start + pageTokens])
        {
            match.nodes.append(node)
            if cache.isIdle(node) { match.idlePages += 1 }
            last = node
            start += pageTokens
        }
        return match
    }

    /// Gives a request the pages of a match; a page that it had begun to fill goes back.
    ///
    /// - Returns: how many tokens it has now.
    mutating func adopt(_ match: PrefixMatch, by id: RequestID) -> Int {
        var holding = holdings.removeValue(forKey: id) ?? Holding()
        for node in match.nodes { replace(holding.sharedPages, of: &holding, with: node) }
        holdings[id] = holding
        return holding.tokens
    }

    /// Lets others share the full pages among a request's first `computed` tokens. Where they are
    /// there already, it shares those and gives its own back: both hold the same.
    mutating func share(_ id: RequestID, _ prefix: KnownPrefix, computed: Int) {
        let end = min(computed, prefix.cleanTokens, prefix.tokens.count)
        guard let pages = holdings[id]?.sharedPages, (pages + 1) * pageTokens <= end,
            var holding = holdings.removeValue(forKey: id)
        else { return }
        while (holding.sharedPages + 1) * pageTokens <= end {
            let index = holding.sharedPages
            let tokens = prefix.tokens[index * pageTokens..<(index + 1) * pageTokens]
            let node = cache.node(below: holding.node, of: prefix.owner, tokens: tokens)
            if let node {
                replace(index, of: &holding, with: node)
            } else {
                holding.node = cache.add(
                    holding.pages[index], tokens: tokens, below: holding.node, of: prefix.owner)
                holding.sharedPages += 1
            }
        }
        holdings[id] = holding
    }
}
