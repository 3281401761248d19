// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit

// Prompts that must be computed in one iteration. Policies need not know of them: a plan that cuts
// one is changed so that it does not.
extension ReplicaScheduler {
    /// Plans in a row that may leave such a prompt out, before the built-in defaults plan until one
    /// has run.
    private static let patience = 8

    /// Whether plans keep leaving out a prompt that may not be cut.
    var isLeavingOutPrompts: Bool {
        undividedLeftOut >= Self.patience && backlog.undivided > 0
    }

    mutating func noteLeftOut(_ isLeftOut: Bool) {
        if isLeftOut {
            undividedLeftOut = min(undividedLeftOut + 1, Self.patience)
        } else if backlog.undivided == 0 {
            undividedLeftOut = 0
        }
    }

    /// A step is handed out that computes tokens of a request.
    mutating func noteUndivided(_ request: RequestSnapshot) {
        if request.leastTokens > 1 { undividedLeftOut = 0 }
    }
}

extension BatchPlan {
    /// Gives prompts that may not be cut as many tokens as they must have, as far as there is room
    /// beside the other entries, and leaves out the rest of them.
    ///
    /// - Returns: whether one was left out.
    mutating func keepTogether(
        _ requests: [RequestSnapshot], under limits: BatchLimits
    ) -> Bool {
        func isCut(_ entry: Entry) -> Bool {
            requests.indices.contains(entry.index)
                && entry.tokens < requests[entry.index].leastTokens
        }
        guard entries.contains(where: isCut) else { return false }
        var tokens = 0
        var pages = 0
        func cost(_ entry: Entry, _ count: Int) -> (tokens: Int, pages: Int) {
            guard requests.indices.contains(entry.index) else { return (0, 0) }
            let pages = requests[entry.index].newPages(
                computing: count, pageTokens: limits.pageTokens)
            return (max(0, min(count, limits.undividedTokens)), min(pages, limits.freePages))
        }
        for entry in entries where !isCut(entry) {
            let taken = cost(entry, entry.tokens)
            tokens += taken.tokens
            pages += taken.pages
        }
        var kept: [Entry] = []
        for var entry in entries {
            if isCut(entry) {
                let least = requests[entry.index].leastTokens
                let needed = requests[entry.index].newPages(
                    computing: least, pageTokens: limits.pageTokens)
                guard tokens + least <= limits.undividedTokens, pages + needed <= limits.freePages
                else { continue }
                tokens += least
                pages += needed
                entry.tokens = least
            }
            kept.append(entry)
        }
        defer { entries = kept }
        return kept.count < entries.count
    }

    /// An adapter that the plan merges although nothing can be merged on it.
    func violation(merging unmergeable: Set<AdapterID>) -> PolicyError? {
        let merged = [mode.mergedAdapter, prepares].compactMap { $0 }
        guard let adapter = merged.first(where: unmergeable.contains) else { return nil }
        return PolicyError(
            "the plan merges adapter \(adapter.rawValue), which is a mixture: its weights depend on "
                + "the token, so it cannot be merged")
    }
}
