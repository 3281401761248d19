// SPDX-License-Identifier: Apache-2.0

internal import OrderedCollections
package import PolicyKit

// Adapters that are wanted in memory, or out of it, though no request asks for it.
extension AdapterResidency {
    /// Begins to load an adapter where there is room beside what requests use; those who wait for
    /// an adapter come first.
    ///
    /// - Returns: whether it is resident or being loaded now.
    package mutating func prefetch(_ id: AdapterID, at now: Instant) -> Bool {
        if id.isBase { return true }
        guard let entry = entries[id], !entry.isRetired else { return false }
        if entry.state != .absent { return true }
        guard queue.isEmpty, makeRoom(for: entry.adapter.bytes, besides: id, at: now) else {
            return false
        }
        entries[id]?.state = .loading
        usedBytes += entry.adapter.bytes
        actions.append(.load(id))
        return true
    }

    /// Drops an adapter that no request and no step uses and that is not pinned.
    ///
    /// - Returns: whether it is gone.
    package mutating func dismiss(_ id: AdapterID, at now: Instant) -> Bool {
        guard let entry = entries[id] else { return false }
        if entry.state == .absent { return true }
        guard entry.isIdle, entry.queuedClaims == 0 else { return false }
        unload(id)
        counters.evictions += 1
        advance(at: now)
        return entries[id]?.state == .absent
    }
}
