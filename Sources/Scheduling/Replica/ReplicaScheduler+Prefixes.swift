// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit

// Sharing KV pages between requests that begin with the same tokens on the same generation of an
// adapter, in the same variant.
extension ReplicaScheduler {
    /// Remembers the tokens of a new request.
    mutating func notePrompt(of request: NewRequest) {
        guard configuration.sharesPrefixes, request.prompt.count == request.promptTokens,
            !request.isUndivided
        else { return }
        let owner = PrefixOwner(adapter: request.adapter, variant: request.variant)
        prefixes[request.id] = KnownPrefix(owner: owner, tokens: request.prompt)
    }

    /// Gives requests that are not yet done with their prompts the pages that others have computed
    /// of them; the last token is left, as its logits are wanted.
    ///
    /// Only those in front that have room for all of the rest as well, beside the decode rows: a
    /// request that has to wait must not keep others from pages that would be free without it.
    mutating func adoptPrefixes(_ order: [Int]) {
        guard pages.cachedPages > 0 else { return }
        var room = pages.freePages - min(backlog.decoding, configuration.batchRequests)
        var candidates = 0
        for position in order {
            let request = queue.snapshots[position]
            guard request.phase != .decoding, request.isAdapterResident else { continue }
            if candidates == configuration.batchRequests { return }
            candidates += 1
            let slot = queue.slot(at: position)
            let match = match(for: request, isInFlight: isInFlight(slot))
            let tokens = match.nodes.isEmpty ? request.computedTokens : tokens(of: request, match)
            let held = KVPages.count(holding: tokens, pageTokens: pages.pageTokens)
            let all = KVPages.count(holding: request.promptTokens, pageTokens: pages.pageTokens)
            room -= match.idlePages + all - held
            if room < 0 { return }
            if !match.nodes.isEmpty { adopt(match, by: slot) }
        }
    }

    private mutating func match(
        for request: RequestSnapshot, isInFlight: Bool
    ) -> PrefixMatch {
        guard !isInFlight, let prefix = prefixes[request.id],
            prefix.emptyHanded != pages.cache.additions
        else { return PrefixMatch() }
        let match = pages.match(request.id, prefix, upTo: request.promptTokens - 1)
        if match.nodes.isEmpty { prefixes[request.id]?.emptyHanded = pages.cache.additions }
        return match
    }

    /// Tokens that a request has with a match: all its own full pages are shared already.
    private func tokens(of request: RequestSnapshot, _ match: PrefixMatch) -> Int {
        (request.computedTokens / pages.pageTokens + match.nodes.count) * pages.pageTokens
    }

    private mutating func adopt(_ match: PrefixMatch, by slot: Int) {
        let id = queue.snapshot(slot).id
        let tokens = pages.adopt(match, by: id)
        prefixes[id]?.cleanTokens = tokens
        queue.update(slot) { snapshot, _ in snapshot.computedTokens = tokens }
    }

    /// A step is handed out that computes `tokens` tokens of a request after those it has.
    mutating func noteLaunch(of request: RequestSnapshot, tokens: Int, mode: BatchMode) {
        guard mode == .unmerged, let clean = prefixes[request.id]?.cleanTokens,
            clean == request.computedTokens
        else { return }
        prefixes[request.id]?.cleanTokens += tokens
    }

    /// A request begins to run for the first time.
    mutating func countPrefix(of request: RequestSnapshot) {
        guard prefixes[request.id] != nil else { return }
        counters.prefixQueryTokens += request.promptTokens
        counters.prefixHitTokens += request.computedTokens
    }

    /// Lets others share the pages that a step has filled.
    mutating func sharePages(of step: StepInFlight, _ outcome: StepOutcome) {
        guard !prefixes.isEmpty else { return }
        // Rows that were left out have left a gap.
        for id in outcome.dropped { prefixes[id] = nil }
        for (entry, request) in zip(step.entries, step.served) {
            let accepted = entry.accepted(outcome.accepted)
            let end = request.computedTokens + entry.tokens - entry.drafts
            if entry.samples, let drawn = outcome.tokens[entry.id],
                prefixes[entry.id]?.tokens.count == end
            {
                prefixes[entry.id]?.tokens.append(contentsOf: drawn)
            }
            if step.mode == .unmerged, prefixes[entry.id]?.cleanTokens == end {
                prefixes[entry.id]?.cleanTokens += accepted
            }
            if let prefix = prefixes[entry.id] {
                pages.share(entry.id, prefix, computed: end + accepted)
            }
        }
    }

    /// A request has lost its pages.
    mutating func notePreemption(of id: RequestID) {
        prefixes[id]?.cleanTokens = 0
        prefixes[id]?.emptyHanded = -1
    }

    /// A request is gone for good, with its pages.
    mutating func forgetPrefix(of id: RequestID) { prefixes[id] = nil }

    /// Drops what is kept of adapters that are retired and that nobody uses any more.
    mutating func forgetRetired() {
        for id in retired where residency.description(of: id) == nil {
            pages.forget(id)
            unmergeable.remove(id)
            retired.removeAll { $0 == id }
        }
    }
}
