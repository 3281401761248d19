// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

extension ReplicaScheduler {
    /// Why this replica could never serve the request, or `nil`.
    package func refusal(of request: NewRequest) -> Refusal? {
        guard request.promptTokens > 0 else { return .emptyPrompt }
        guard request.maximumTokens > 0 else { return .nothingToGenerate }
        guard queue.slot(of: request.id) == nil, departing[request.id] == nil else {
            return .duplicateRequest(request.id)
        }
        guard !request.isUndivided || request.promptTokens <= configuration.batchTokens else {
            return .undividedPromptTooLong(limit: configuration.batchTokens)
        }
        let (all, overflow) = request.promptTokens.addingReportingOverflow(request.maximumTokens)
        // The last token that is generated is never computed.
        let needed = KVPages.count(
            holding: overflow ? .max : all - 1, pageTokens: configuration.pageTokens)
        guard needed <= pages.totalPages else {
            return .doesNotFitInMemory(pages: needed, limit: pages.totalPages)
        }
        return residency.refusal(of: request.adapter)
    }

    /// Takes a request, unless it could never be served.
    package mutating func submit(_ request: NewRequest, at now: Instant) -> Refusal? {
        if let refusal = refusal(of: request) { return refusal }
        var snapshot = RequestSnapshot(
            id: request.id, adapter: request.adapter, tenant: request.tenant,
            arrival: request.arrival, promptTokens: request.promptTokens)
        snapshot.maximumTokens = request.maximumTokens
        snapshot.tenantWeight = request.tenantWeight
        snapshot.undividedTokens = request.isUndivided ? request.promptTokens : 0
        snapshot.firstTokenDeadline = request.firstTokenTarget.map(request.arrival.advanced)
        let adapter = residency.description(of: request.adapter)
        snapshot.adapterRank = adapter?.rank ?? 0
        snapshot.adapterWeight = adapter?.weight ?? 1
        var record = RequestRecord(
            originalPromptTokens: request.promptTokens,
            rank: snapshot.adapterRank)
        record.isLeased = residency.claim(request.adapter, at: now) == .leased
        snapshot.isAdapterResident =
            record.isLeased && residency.state(of: request.adapter) == .resident
        queue.insert(snapshot, record)
        notePrompt(of: request)
        counters.submitted += 1
        takeGrants()
        enterDemand(at: now)
        return nil
    }

    /// Ends a request that nobody wants any more.
    package mutating func cancel(_ id: RequestID, at now: Instant) -> Release {
        let release = end(id, at: now)
        if release != .unknown { counters.cancelled += 1 }
        return release
    }

    /// Ends a request that has all it asked for.
    package mutating func finish(_ id: RequestID, at now: Instant) -> Release {
        let snapshot = snapshot(of: id)
        let release = end(id, at: now)
        if release != .unknown, let snapshot { countFinished(snapshot) }
        return release
    }

    mutating func countFinished(_ request: RequestSnapshot) {
        counters.finished += 1
        costs.observeOutput(generated: request.generatedTokens, most: request.maximumTokens)
    }

    mutating func end(_ id: RequestID, at now: Instant) -> Release {
        guard let slot = queue.slot(of: id) else { return .unknown }
        if isInFlight(slot) {
            depart([slot], .ended)
            return .afterStep
        }
        remove([slot], at: now)
        return .now
    }

    /// Forgets requests, with their pages and their claims on adapters.
    mutating func remove(_ slots: [Int], at now: Instant) {
        let leaving = slots.map { (queue.snapshot($0), queue.record($0).isLeased) }
        queue.remove(slots)
        for (snapshot, isLeased) in leaving { release(snapshot, isLeased: isLeased, at: now) }
        forgetRetired()
        takeGrants()
        enterDemand(at: now)
    }

    mutating func release(_ request: RequestSnapshot, isLeased: Bool, at now: Instant) {
        pages.release(request.id)
        forgetPrefix(of: request.id)
        residency.release(request.adapter, leased: isLeased, at: now)
    }

    // MARK: - Adapters

    /// Makes an adapter known to this replica; a pinned one is loaded at once.
    package mutating func register(_ adapter: AdapterDescription, at now: Instant) -> Refusal? {
        let refusal = residency.register(adapter, at: now)
        if refusal == nil, !adapter.isMergeable { unmergeable.insert(adapter.id) }
        takeGrants()
        return refusal
    }

    /// No new request may use the adapter; it is unloaded when the last one that does has ended.
    package mutating func retire(_ adapter: AdapterID, at now: Instant) {
        residency.retire(adapter, at: now)
        retired.append(adapter)
        forgetRetired()
        takeGrants()
    }

    /// A load that an action asked for has ended well after `time`; the adapter takes `bytes`.
    ///
    /// - Returns: requests that end because the adapter turned out larger than the memory for it.
    package mutating func adapterLoaded(
        _ id: AdapterID, bytes: Int, time: Duration, at now: Instant
    ) -> [RequestID] {
        costs.loading.observe(bytes: bytes, took: time)
        if residency.loaded(id, bytes: bytes, time: time, at: now) {
            updateRequests(of: id) { snapshot, record in
                snapshot.isAdapterResident = record.isLeased && !record.isHeld
            }
        } else {
            // Its leases are queued claims again, until there is room for its real size.
            updateRequests(of: id) { snapshot, record in
                record.isLeased = false
                snapshot.isAdapterResident = false
            }
        }
        forgetRetired()
        takeGrants()
        enterDemand(at: now)
        return endHopeless(at: now)
    }

    /// A load that an action asked for has failed.
    ///
    /// - Returns: the requests that end with it.
    package mutating func adapterLoadFailed(_ id: AdapterID, at now: Instant) -> [RequestID] {
        guard residency.state(of: id) == .loading else { return [] }
        residency.failed(id, at: now)
        let ended = failRequests(of: id, at: now)
        return ended + endHopeless(at: now)
    }

    /// Ends the requests of adapters that no longer fit beside the pinned ones.
    mutating func endHopeless(at now: Instant) -> [RequestID] {
        var ended: [RequestID] = []
        while let id = residency.hopeless.popLast() { ended += failRequests(of: id, at: now) }
        return ended
    }

    private mutating func failRequests(of adapter: AdapterID, at now: Instant) -> [RequestID] {
        let leaving = queue.snapshots.indices.filter { queue.snapshots[$0].adapter == adapter }
        let ended = leaving.map { queue.snapshots[$0].id }
        counters.failed += ended.count
        remove(leaving.map(queue.slot(at:)), at: now)
        return ended
    }

    /// Notes for the requests of adapters whose turn has come that their claims are leases.
    mutating func takeGrants() {
        while let id = residency.granted.popLast() {
            let isResident = residency.state(of: id) == .resident
            updateRequests(of: id) { snapshot, record in
                record.isLeased = true
                snapshot.isAdapterResident = isResident && !record.isHeld
            }
        }
    }

    /// Requests that a fairness policy has given up since the last call: their clients are to be told.
    package mutating func takeAborted() -> [AbortedRequest] {
        defer { aborted.removeAll(keepingCapacity: true) }
        return aborted
    }

    private mutating func updateRequests(
        of adapter: AdapterID, _ change: (inout RequestSnapshot, inout RequestRecord) -> Void
    ) {
        for position in 0..<queue.count where queue.snapshots[position].adapter == adapter {
            queue.update(queue.slot(at: position), change)
        }
    }
}

/// A request that a fairness policy has given up.
package struct AbortedRequest: Sendable, Equatable {
    package var id: RequestID

    /// When the policy expected its first token, where it said so.
    package var predictedFirstToken: Instant?
}
