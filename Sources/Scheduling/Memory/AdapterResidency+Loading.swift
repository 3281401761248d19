// SPDX-License-Identifier: Apache-2.0

internal import OrderedCollections
package import PolicyKit

extension AdapterResidency {
    /// A load has ended well; `bytes` is what the adapter really takes.
    ///
    /// Where that is more than was declared and does not fit, the adapter is dropped again and
    /// waits for its room like any other. Answers whether it is resident now.
    package mutating func loaded(
        _ id: AdapterID, bytes: Int, time: Duration, at now: Instant
    ) -> Bool {
        guard var entry = entries[id], entry.state == .loading else { return false }
        let declared = entry.adapter.bytes
        counters.loads += 1
        entry.adapter.bytes = min(max(0, bytes), budgetBytes + 1)
        entry.state = .resident
        entry.lastUse = now
        entry.loadedAt = now
        entry.uses = 0
        entry.loadTime = time
        entries[id] = entry
        let grew = entry.adapter.isPinned && entry.adapter.bytes != declared
        if grew { pinnedBytes += entry.adapter.bytes - declared }
        usedBytes -= declared
        let fits = makeRoom(for: entry.adapter.bytes, besides: id, at: now)
        usedBytes += entry.adapter.bytes
        if !fits {
            unload(id)
            requeue(id, at: now)
        }
        forgetUnneeded(id)
        if !fits || grew { giveUpHopeless() }
        advance(at: now)
        return entries[id]?.state == .resident
    }

    /// A load has failed; the caller must end the requests that claim the adapter.
    ///
    /// It stays known and is tried again for the next request, even where it is pinned.
    package mutating func failed(_ id: AdapterID, at now: Instant) {
        guard let entry = entries[id], entry.state == .loading else { return }
        counters.failedLoads += 1
        entries[id]?.state = .absent
        usedBytes -= entry.adapter.bytes
        queue[id] = nil
        forgetUnneeded(id)
        advance(at: now)
    }

    /// Leases become queued claims again.
    private mutating func requeue(_ id: AdapterID, at now: Instant) {
        guard var entry = entries[id] else { return }
        entry.queuedClaims += entry.leases
        entry.leases = 0
        entries[id] = entry
        if entry.queuedClaims > 0 || entry.adapter.isPinned { queue[id] = now }
    }

    /// Takes adapters out of the queue that can never fit any more, as one turned out larger.
    private mutating func giveUpHopeless() {
        for id in queue.keys {
            guard let entry = entries[id], entry.state == .absent,
                entry.adapter.bytes > mostBytes(for: entry.adapter)
            else { continue }
            if entry.adapter.isPinned {
                pinnedBytes -= entry.adapter.bytes
                entries[id]?.adapter.isPinned = false
            }
            queue[id] = nil
            hopeless.append(id)
        }
    }

    /// Gives leases and begins loads, in the order of the queue, as far as there is room.
    mutating func advance(at now: Instant) {
        if queue.isEmpty { return }
        var position = 0
        var room = mostRoom
        while position < queue.count {
            let id = queue.elements[position].key
            if grant(id, within: room, at: now) {
                queue.remove(at: position)
                room = mostRoom
            } else if isClosed(at: now) {
                return
            } else {
                position += 1
            }
        }
    }

    /// Bytes that are free or would be if every idle adapter left.
    private var mostRoom: Int {
        entries.values.reduce(budgetBytes - usedBytes) {
            $1.isIdle ? $0 + $1.adapter.bytes : $0
        }
    }

    /// - Returns: whether the adapter needs no place in the queue any more.
    private mutating func grant(
        _ id: AdapterID, within room: Int, at now: Instant
    ) -> Bool {
        guard let entry = entries[id] else { return true }
        if entry.state == .absent {
            guard entry.adapter.bytes <= room,
                makeRoom(for: entry.adapter.bytes, besides: id, at: now)
            else { return false }
            entries[id]?.state = .loading
            usedBytes += entry.adapter.bytes
            actions.append(.load(id))
        }
        entries[id]?.leases += entry.queuedClaims
        entries[id]?.queuedClaims = 0
        if entry.queuedClaims > 0 { granted.append(id) }
        return true
    }

    /// Evicts until `bytes` are free; evicts nobody where that would not suffice.
    mutating func makeRoom(
        for bytes: Int, besides exception: AdapterID, at now: Instant
    ) -> Bool {
        if bytes <= budgetBytes - usedBytes { return true }
        collectCandidates(besides: exception)
        let evictable = candidates.reduce(0) { $0 + $1.bytes }
        guard bytes <= budgetBytes - usedBytes + evictable else { return false }
        while bytes > budgetBytes - usedBytes, !candidates.isEmpty {
            let index = chooseCandidate(at: now)
            let id = candidates.remove(at: index).id
            unload(id)
            counters.evictions += 1
            forgetUnneeded(id)
        }
        return true
    }

    /// Idle adapters by identifier, so that nothing depends on the order of a hash table.
    private mutating func collectCandidates(besides exception: AdapterID) {
        candidates.removeAll(keepingCapacity: true)
        for (id, entry) in entries where entry.isIdle && id != exception {
            var snapshot = AdapterSnapshot(
                id: id, bytes: entry.adapter.bytes, lastUse: entry.lastUse)
            snapshot.loadedAt = entry.loadedAt
            snapshot.uses = entry.uses
            snapshot.loadTime = entry.loadTime
            candidates.append(snapshot)
        }
        candidates.sort { $0.id < $1.id }
    }

    private mutating func chooseCandidate(at now: Instant) -> Int {
        let candidates = candidates
        var call = policy.begin(at: now)
        var fault: (PolicyFault, String)?
        var choice: Int?
        do throws(PolicyError) {
            let id = try call.policy.evict(from: candidates.span, at: now)
            policy.returned(&call)
            choice = candidates.firstIndex { $0.id == id }
            if choice == nil {
                fault = (.badAnswer, "adapter \(id.rawValue) is not a candidate for eviction")
            }
        } catch {
            policy.returned(&call)
            fault = (.threw, error.description)
        }
        policy.settle(call, fault: fault, at: now)
        if let choice { return choice }
        let id = try? policy.builtIn.evict(from: candidates.span, at: now)
        return candidates.firstIndex { $0.id == id } ?? 0
    }
}

extension AdapterResidency {
    /// What does not add up, with the numbers; empty when all is well.
    package func inconsistencies() -> [String] {
        var problems: [String] = []
        let inMemory = entries.values.filter { $0.state != .absent }
        let bytes = inMemory.reduce(0) { $0 + $1.adapter.bytes }
        if bytes != usedBytes || bytes > budgetBytes {
            problems.append(
                "adapters take \(bytes) bytes, \(usedBytes) are counted, the budget is "
                    + "\(budgetBytes)")
        }
        for (id, entry) in entries.sorted(by: { $0.key < $1.key }) {
            if entry.state == .absent, entry.leases > 0 {
                problems.append("adapter \(id.rawValue) is absent with \(entry.leases) leases")
            }
            if entry.queuedClaims > 0, queue[id] == nil, !hopeless.contains(id) {
                problems.append(
                    "\(entry.queuedClaims) requests wait for adapter \(id.rawValue), "
                        + "which is not in the queue")
            }
        }
        return problems
    }
}
