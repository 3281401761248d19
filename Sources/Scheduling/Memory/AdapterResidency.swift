// SPDX-License-Identifier: Apache-2.0

internal import OrderedCollections
package import PolicyKit

/// What a replica must know of an adapter to schedule it.
package struct AdapterDescription: Sendable, Equatable {
    package let id: AdapterID

    /// Bytes that it takes in the replica's memory.
    package internal(set) var bytes: Int

    /// The largest rank of its layers; serves to predict step times.
    package let rank: Int

    /// Whether it is loaded at once and never leaves.
    package internal(set) var isPinned: Bool

    /// Its share of service, relative to others.
    package var weight = 1.0

    /// Whether a copy of the weights can have it folded in; a mixture's weights depend on the token.
    package var isMergeable = true

    package init(id: AdapterID, bytes: Int, rank: Int, isPinned: Bool = false) {
        self.id = id
        self.bytes = bytes
        self.rank = min(max(0, rank), 1 << 16)
        self.isPinned = isPinned
    }
}

/// Which adapters lie in one replica's memory, within a budget of bytes.
///
/// A request that needs an adapter *claims* it. A claim is *leased* when the adapter is resident or
/// is being loaded, and queued while room is lacking. An adapter with leases is never evicted; one
/// whose leases have all ended may be. Queued adapters get room in the order in which they asked.
/// Requests for other adapters may overtake the first in the queue for `patience`; from then on no
/// new leases are given before it has its room, so a stream of requests for what is resident cannot
/// keep another adapter out for ever.
package struct AdapterResidency {
    /// Where an adapter is.
    package enum State: Sendable {
        /// Not in memory. Can transition to `loading`.
        case absent
        /// Its bytes are reserved. Can transition to `resident`, `absent`.
        case loading
        /// Can transition to `absent`.
        case resident
    }

    /// What the owner must do.
    package enum Action: Hashable, Sendable {
        /// Load it and report ``ReplicaScheduler/adapterLoaded(_:bytes:time:at:)``.
        case load(AdapterID)
        /// Drop it: nothing that runs uses it.
        case unload(AdapterID)
    }

    /// What became of a claim.
    package enum Claim: Sendable {
        case leased, queued
    }

    /// Counts since the start.
    package struct Counters: Sendable, Equatable {
        package var loads = 0
        package var failedLoads = 0
        package var evictions = 0

        /// Claims that found the adapter resident, and those that did not.
        package var hits = 0
        package var misses = 0
    }

    struct Entry {
        var adapter: AdapterDescription
        var state: State = .absent
        var leases = 0
        var queuedClaims = 0

        /// Steps under way that need the weights whatever the requests.
        var holds = 0
        var lastUse: Instant
        var uses = 0
        var loadedAt = Instant(nanoseconds: 0)
        var loadTime: Duration = .zero
        var lastStep = -1
        var isRetired = false

        var isIdle: Bool {
            state == .resident && leases == 0 && holds == 0
                && (isRetired || !adapter.isPinned)
        }
    }

    package let budgetBytes: Int
    let patience: Duration

    /// Bytes of adapters that are resident or loading; never more than the budget.
    package internal(set) var usedBytes = 0
    package internal(set) var pinnedBytes = 0
    package internal(set) var counters = Counters()

    var entries: [AdapterID: Entry] = [:]
    var policy: PolicyGuard<any ResidencyPolicy>

    /// Adapters that lack room, since when.
    var queue: OrderedDictionary<AdapterID, Instant> = [:]

    /// What the scheduler has not yet taken note of.
    var actions: [Action] = []
    var granted: [AdapterID] = []
    var hopeless: [AdapterID] = []
    var candidates: [AdapterSnapshot] = []

    package init(
        budgetBytes: Int, patience: Duration, policy: PolicyGuard<any ResidencyPolicy>
    ) {
        self.budgetBytes = min(max(0, budgetBytes), .max / 4)
        self.patience = patience
        self.policy = policy
    }

    // MARK: - Facts

    package func state(of id: AdapterID) -> State {
        id.isBase ? .resident : entries[id]?.state ?? .absent
    }

    package func description(of id: AdapterID) -> AdapterDescription? { entries[id]?.adapter }

    /// Unfinished requests that use an adapter or wait for it.
    package func claims(on id: AdapterID) -> Int {
        entries[id].map { $0.leases + $0.queuedClaims } ?? 0
    }

    /// Why no request for this adapter can ever run here, or `nil`.
    package func refusal(of id: AdapterID) -> Refusal? {
        if id.isBase { return nil }
        guard let entry = entries[id], !entry.isRetired else { return .unknownAdapter(id) }
        let most = mostBytes(for: entry.adapter)
        if entry.adapter.bytes <= most { return nil }
        return .adapterTooLarge(bytes: entry.adapter.bytes, budget: most)
    }

    /// What the budget leaves beside the other pinned adapters.
    func mostBytes(for adapter: AdapterDescription) -> Int {
        budgetBytes - pinnedBytes + (adapter.isPinned ? adapter.bytes : 0)
    }

    // MARK: - Events

    /// Makes an adapter known; a pinned one is loaded as soon as there is room.
    ///
    /// A pinned adapter is refused where it would leave too little for one that requests wait for.
    package mutating func register(_ adapter: AdapterDescription, at now: Instant) -> Refusal? {
        guard !adapter.id.isBase, entries[adapter.id] == nil else {
            return .duplicateAdapter(adapter.id)
        }
        let claimed = adapter.isPinned ? largestClaimedBytes : 0
        let most = budgetBytes - pinnedBytes - claimed
        guard adapter.bytes >= 0, adapter.bytes <= most else {
            return .adapterTooLarge(bytes: adapter.bytes, budget: most)
        }
        entries[adapter.id] = Entry(adapter: adapter, lastUse: now)
        if adapter.isPinned {
            pinnedBytes += adapter.bytes
            queue[adapter.id] = now
            advance(at: now)
        }
        return nil
    }

    /// One more unfinished request needs the adapter, which must be registered or the base.
    package mutating func claim(_ id: AdapterID, at now: Instant) -> Claim {
        guard !id.isBase, var entry = entries[id] else { return .leased }
        if entry.state == .resident { counters.hits += 1 } else { counters.misses += 1 }
        if entry.state != .absent, !isClosed(at: now) {
            entry.leases += 1
            entries[id] = entry
            return .leased
        }
        entry.queuedClaims += 1
        entries[id] = entry
        if queue[id] == nil { queue[id] = now }
        advance(at: now)
        return .queued
    }

    /// A request that claimed the adapter has ended.
    package mutating func release(_ id: AdapterID, leased: Bool, at now: Instant) {
        guard !id.isBase, var entry = entries[id] else { return }
        if leased { entry.leases -= 1 } else { entry.queuedClaims -= 1 }
        precondition(entry.leases >= 0 && entry.queuedClaims >= 0, "a claim ended twice")
        entries[id] = entry
        if !leased, entry.queuedClaims == 0, !(entry.adapter.isPinned && entry.state == .absent) {
            queue[id] = nil
        }
        settle(id, at: now)
    }

    /// Keeps the weights while a step runs that is merged on them.
    mutating func hold(_ id: AdapterID) {
        if !id.isBase { entries[id]?.holds += 1 }
    }

    mutating func letGo(_ id: AdapterID, at now: Instant) {
        guard !id.isBase, entries[id] != nil else { return }
        entries[id]?.holds -= 1
        settle(id, at: now)
    }

    /// A step runs a request of this adapter.
    ///
    /// - Returns: its rank, and whether the step had not touched it before.
    mutating func touch(
        _ id: AdapterID, step: Int, isFirstRun: Bool, at now: Instant
    ) -> (rank: Int, isFirstInStep: Bool) {
        if id.isBase { return (0, false) }
        guard let index = entries.index(forKey: id) else { return (0, false) }
        let isFirst = entries.values[index].lastStep != step
        entries.values[index].lastStep = step
        entries.values[index].lastUse = now
        if isFirstRun { entries.values[index].uses += 1 }
        return (entries.values[index].adapter.rank, isFirst)
    }

    /// The adapter is unloaded and forgotten when the last request that claims it has ended.
    package mutating func retire(_ id: AdapterID, at now: Instant) {
        guard var entry = entries[id], !entry.isRetired else { return }
        entry.isRetired = true
        if entry.adapter.isPinned {
            pinnedBytes -= entry.adapter.bytes
            entry.adapter.isPinned = false
            if entry.queuedClaims == 0 { queue[id] = nil }
        }
        entries[id] = entry
        settle(id, at: now)
    }

    // MARK: - Inside

    /// Bytes of the largest adapter that is not pinned and that requests use or wait for.
    var largestClaimedBytes: Int {
        entries.values.reduce(0) { largest, entry in
            entry.adapter.isPinned || entry.leases + entry.queuedClaims == 0
                ? largest : max(largest, entry.adapter.bytes)
        }
    }

    func isClosed(at now: Instant) -> Bool {
        guard let since = queue.values.first else { return false }
        return since.duration(to: now) >= patience
    }

    /// After something has ended that used the adapter.
    private mutating func settle(_ id: AdapterID, at now: Instant) {
        forgetUnneeded(id)
        advance(at: now)
    }

    /// Drops a retired adapter that nobody uses or waits for any more.
    mutating func forgetUnneeded(_ id: AdapterID) {
        guard let entry = entries[id], entry.isRetired, entry.state != .loading,
            entry.leases + entry.queuedClaims + entry.holds == 0
        else { return }
        unload(id)
        entries[id] = nil
        queue[id] = nil
    }

    mutating func unload(_ id: AdapterID) {
        guard let entry = entries[id], entry.state == .resident else { return }
        entries[id]?.state = .absent
        usedBytes -= entry.adapter.bytes
        actions.append(.unload(id))
    }
}
