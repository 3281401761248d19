// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

// A fleet that does not begin empty and ignorant, as whoever drives it on a virtual clock may wish.
extension Fleet {
    /// Has a replica load an adapter that no request asks for yet.
    ///
    /// - Returns: whether it is resident or being loaded; not where there is no room.
    package mutating func preload(
        _ adapter: AdapterID, on replica: ReplicaID, at now: Instant
    ) -> Bool {
        change(replica.rawValue, at: now) { $0.prefetch(adapter, at: now) }
    }

    /// Has a replica build a merged copy that no plan asks for yet, where it has room for one.
    package mutating func premerge(_ adapter: AdapterID, on replica: ReplicaID, at now: Instant) {
        change(replica.rawValue, at: now) { $0.prepare(adapter) }
    }

    /// Lets a request that has just been submitted stand as if its prompt had been computed and so
    /// many tokens generated.
    ///
    /// - Returns: whether it does; not where pages lack or it would be over.
    package mutating func advance(
        _ request: RequestID, generated: Int, at now: Instant
    ) -> Bool {
        guard let replica = routes[request] else { return false }
        return change(replica, at: now) { $0.advance(request, generated: generated) }
    }

    /// Lets a replica know what an iteration costs as if it had measured one.
    package mutating func learn(
        _ work: StepWork, took time: Duration, on replica: ReplicaID, at now: Instant
    ) {
        change(replica.rawValue, at: now) { $0.costs.steps.observe(work, took: time) }
    }
}

extension ReplicaScheduler {
    fileprivate mutating func advance(_ id: RequestID, generated: Int) -> Bool {
        guard generated > 0, let slot = queue.slot(of: id) else { return false }
        let request = queue.snapshot(slot)
        // The last token that was generated is computed by the next iteration.
        let computed = request.promptTokens + generated - 1
        guard request.phase == .waiting, generated < request.maximumTokens,
            pages.extend(id, to: computed) != nil
        else { return false }
        queue.update(slot) { snapshot, record in
            snapshot.phase = .decoding
            snapshot.computedTokens = computed
            snapshot.generatedTokens = generated
            record.hasBegun = true
        }
        return true
    }
}
