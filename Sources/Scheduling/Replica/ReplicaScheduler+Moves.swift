// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit

/// A request between two replicas.
struct MovedRequest {
    var snapshot: RequestSnapshot
    var originalPromptTokens: Int
    var hasBegun: Bool
    var prefix: KnownPrefix?

    /// Its KV pages with the tokens in them; none where it is computed again.
    var pages: [Int32] = []
    var tokens = 0
}

// A request moves in two steps: it is held, so that no further plan has it, and once no step under
// way computes it, it is handed out here and taken in elsewhere.
extension ReplicaScheduler {
    /// Keeps a request out of plans until it is handed out or ``resume(_:)`` is called.
    ///
    /// - Returns: whether there is such a request.
    mutating func hold(_ id: RequestID) -> Bool {
        guard let slot = queue.slot(of: id) else { return false }
        queue.update(slot) { snapshot, record in
            record.isHeld = true
            snapshot.isAdapterResident = false
        }
        return true
    }

    /// Lets a request take part in plans again.
    mutating func resume(_ id: RequestID) {
        guard let slot = queue.slot(of: id), queue.record(slot).isHeld else { return }
        let isResident = residency.state(of: queue.snapshot(slot).adapter) == .resident
        queue.update(slot) { snapshot, record in
            record.isHeld = false
            snapshot.isAdapterResident = isResident && record.isLeased
        }
    }

    func isHeld(_ id: RequestID) -> Bool {
        queue.slot(of: id).map { queue.record($0).isHeld } ?? false
    }

    /// Whether no step under way computes the request.
    func isAtRest(_ id: RequestID) -> Bool {
        queue.slot(of: id).map { !isInFlight($0) } ?? false
    }

    /// Why this replica could never serve a request of another one, or `nil`.
    func refusal(ofMoved id: RequestID, from other: ReplicaScheduler) -> Refusal? {
        guard let slot = other.queue.slot(of: id) else { return .duplicateRequest(id) }
        let snapshot = other.queue.snapshot(slot)
        var request = NewRequest(
            id: id, adapter: snapshot.adapter, arrival: snapshot.arrival,
            promptTokens: other.queue.record(slot).originalPromptTokens)
        request.maximumTokens = snapshot.maximumTokens
        request.isUndivided = snapshot.undividedTokens > 0
        return refusal(of: request)
    }

    /// Gives a request away that is at rest, with its pages or without.
    mutating func handOut(
        _ id: RequestID, keepingPages: Bool, at now: Instant
    ) -> MovedRequest? {
        guard let slot = queue.slot(of: id), !isInFlight(slot) else { return nil }
        let record = queue.record(slot)
        var moved = MovedRequest(
            snapshot: queue.snapshot(slot), originalPromptTokens: record.originalPromptTokens,
            hasBegun: record.hasBegun, prefix: prefixes[id])
        moved.prefix?.emptyHanded = -1
        if keepingPages {
            (moved.pages, moved.tokens) = pages.takeOut(id)
        } else {
            moved.prefix?.cleanTokens = 0
            moved.snapshot.promptTokens =
                record.originalPromptTokens + moved.snapshot.generatedTokens
            moved.snapshot.computedTokens = 0
            moved.snapshot.phase = .waiting
        }
        counters.movedOut += 1
        remove([slot], at: now)
        return moved
    }

    /// Takes a request in that another replica has handed out and that ``refusal(ofMoved:from:)``
    /// has nothing against; while `isHeld` it takes part in no plan.
    mutating func takeIn(_ moved: MovedRequest, isHeld: Bool, at now: Instant) {
        var snapshot = moved.snapshot
        let adapter = residency.description(of: snapshot.adapter)
        snapshot.adapterRank = adapter?.rank ?? 0
        snapshot.adapterWeight = adapter?.weight ?? 1
        var record = RequestRecord(
            originalPromptTokens: moved.originalPromptTokens, rank: snapshot.adapterRank)
        record.hasBegun = moved.hasBegun
        record.isHeld = isHeld
        record.isLeased = residency.claim(snapshot.adapter, at: now) == .leased
        snapshot.isAdapterResident =
            record.isLeased && !isHeld && residency.state(of: snapshot.adapter) == .resident
        pages.putIn(moved.pages, tokens: moved.tokens, of: snapshot.id)
        prefixes[snapshot.id] = configuration.sharesPrefixes ? moved.prefix : nil
        queue.insert(snapshot, record)
        counters.movedIn += 1
        takeGrants()
        enterDemand(at: now)
    }

    // MARK: - Adapters

    /// As ``AdapterResidency/prefetch(_:at:)``.
    mutating func prefetch(_ adapter: AdapterID, at now: Instant) -> Bool {
        residency.prefetch(adapter, at: now)
    }

    /// As ``AdapterResidency/dismiss(_:at:)``.
    mutating func dismiss(_ adapter: AdapterID, at now: Instant) -> Bool {
        defer { takeGrants() }
        return residency.dismiss(adapter, at: now)
    }
}
