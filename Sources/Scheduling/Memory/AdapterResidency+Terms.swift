// SPDX-License-Identifier: Apache-2.0

internal import OrderedCollections
package import PolicyKit

/// What a manifest says of an adapter beside its weights.
package struct AdapterTerms: Sendable, Equatable {
    package var isPinned: Bool

    /// Its share of service, relative to others.
    package var weight: Double

    package init(isPinned: Bool, weight: Double) {
        self.isPinned = isPinned
        self.weight = weight
    }
}

extension AdapterResidency {
    /// Pins an adapter or lets it go, and gives it another share; requests that are there already
    /// keep the share they came with.
    ///
    /// - Returns: why it cannot be pinned; then nothing has changed.
    mutating func change(_ id: AdapterID, to terms: AdapterTerms, at now: Instant) -> Refusal? {
        guard var entry = entries[id], !entry.isRetired else { return .unknownAdapter(id) }
        if terms.isPinned, !entry.adapter.isPinned {
            let most = budgetBytes - pinnedBytes - largestClaimedBytes
            guard entry.adapter.bytes <= most else {
                return .adapterTooLarge(bytes: entry.adapter.bytes, budget: most)
            }
            pinnedBytes += entry.adapter.bytes
            if entry.state == .absent, queue[id] == nil { queue[id] = now }
        } else if !terms.isPinned, entry.adapter.isPinned {
            pinnedBytes -= entry.adapter.bytes
            if entry.state == .absent, entry.queuedClaims == 0 { queue[id] = nil }
        }
        entry.adapter.isPinned = terms.isPinned
        entry.adapter.weight = terms.weight
        entries[id] = entry
        advance(at: now)
        return nil
    }
}

extension ReplicaScheduler {
    /// As `AdapterResidency.change`.
    mutating func change(
        _ adapter: AdapterID, to terms: AdapterTerms, at now: Instant
    ) -> Refusal? {
        let refusal = residency.change(adapter, to: terms, at: now)
        takeGrants()
        return refusal
    }
}

extension Fleet {
    /// Pins an adapter on every replica or lets it go, and gives it another share; requests that
    /// are there already keep the share they came with.
    ///
    /// - Returns: why no replica can pin it.
    package mutating func change(
        _ adapter: AdapterID, to terms: AdapterTerms, at now: Instant
    ) -> Refusal? {
        var refusals: [Refusal] = []
        for replica in replicas.indices {
            if let refusal = change(replica, at: now, { $0.change(adapter, to: terms, at: now) }) {
                refusals.append(refusal)
            }
        }
        if refusals.count == replicas.count { return refusals.first }
        let described = replicas.lazy.compactMap { $0.residency.description(of: adapter) }
        if let description = described.first { board.register(description) }
        return nil
    }
}
