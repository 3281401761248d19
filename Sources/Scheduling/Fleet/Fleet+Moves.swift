// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

// One request from one replica to another.
extension Fleet {
    /// Requests that have moved since the last call.
    package mutating func takeMoves() -> [CompletedMove] {
        guard !migration.completed.isEmpty else { return [] }
        defer { migration.completed.removeAll(keepingCapacity: true) }
        return migration.completed
    }

    /// Replicas where moves and placements have left something to carry out since the last call.
    package mutating func takeTouched() -> [ReplicaID] {
        guard !migration.touched.isEmpty else { return [] }
        defer { migration.touched.removeAll(keepingCapacity: true) }
        return migration.touched.sorted().map(ReplicaID.init(rawValue:))
    }

    /// The keys and values of a request that moved are there: it takes part in iterations again.
    package mutating func arrived(_ request: RequestID, at now: Instant) {
        guard let replica = routes[request] else { return }
        change(replica, at: now) { $0.resume(request) }
    }

    /// Moves a request that is at rest, with its pages where that is cheaper than computing them
    /// again and possible.
    ///
    /// - Returns: how it moved; `nil` where it stays, as the target could not serve it or has no room.
    mutating func transfer(
        _ id: RequestID, from source: Int, to target: Int, at now: Instant
    ) -> CompletedMove.Way? {
        guard replicas[target].refusal(ofMoved: id, from: replicas[source]) == nil,
            let request = replicas[source].snapshot(of: id)
        else { return nil }
        let pages = replicas[source].pages.pages(of: id).count
        let free = replicas[target].pages.freePages
        var move = CompletedMove(
            request: id, source: ReplicaID(rawValue: source), target: ReplicaID(rawValue: target),
            way: .waiting)
        if pages > 0 {
            let needed = replicas[target].pages.pageCount(holding: request.computedTokens)
            guard needed <= free else { return nil }
            move.way = isHandoverCheaper(request, from: source, to: target) ? .handover : .recompute
            move.pages = pages
        }
        guard
            var moved = change(
                source, at: now,
                { $0.handOut(id, keepingPages: move.way != .recompute, at: now) })
        else { return nil }
        if move.way == .handover {
            exchangePages(of: &moved, from: source, to: target)
            let seconds = migration.rules.handoverSecondsPerToken ?? 0
            move.arrivesAfter = .clamping(seconds: seconds * Double(moved.tokens))
        }
        let isHeld = move.arrivesAfter > .zero
        change(target, at: now) { $0.takeIn(moved, isHeld: isHeld, at: now) }
        routes[id] = target
        migration.touched.formUnion([source, target])
        count(move, computed: request.computedTokens)
        migration.completed.append(move)
        return move.way
    }

    private func isHandoverCheaper(
        _ request: RequestSnapshot, from source: Int, to target: Int
    ) -> Bool {
        guard let perToken = migration.rules.handoverSecondsPerToken,
            replicas[source].pages.isPrivate(request.id)
        else { return false }
        if perToken == 0 { return true }
        var work = StepWork()
        work.promptTokens = request.computedTokens
        work.attendedTokens = request.computedTokens * (request.computedTokens + 1) / 2
        work.rankTokens = request.computedTokens * request.adapterRank
        let estimates = [target, source].map { replicas[$0].costs.estimates }
        guard let recompute = estimates.lazy.compactMap({ $0.seconds(of: work) }).first else {
            return true
        }
        return perToken * Double(request.computedTokens) <= recompute
    }

    /// The target gets the pages and gives as many free ones for them; where memory is not shared, it
    /// gets the keys and values in pages of its own.
    private mutating func exchangePages(
        of moved: inout MovedRequest, from source: Int, to target: Int
    ) {
        let free = replicas[target].pages.takeFree(moved.pages.count)
        if migration.rules.sharesPool {
            replicas[source].pages.add(free)
        } else {
            replicas[source].pages.add(moved.pages)
            moved.pages = free
        }
    }

    private mutating func count(_ move: CompletedMove, computed tokens: Int) {
        switch move.way {
        case .handover:
            migration.counters.handedOver += 1
            migration.counters.handedOverPages += move.pages
            migration.counters.handedOverTokens += tokens
        case .recompute:
            migration.counters.recomputed += 1
            migration.counters.recomputedTokens += tokens
        case .waiting: migration.counters.waiting += 1
        }
    }

    /// Moves the requests of an adapter that cannot be loaded on a replica to one that has it.
    mutating func rescueRequests(of adapter: AdapterID, from replica: Int, at now: Instant) {
        guard let other = board.holders(of: adapter).first(where: { $0 != replica }) else { return }
        for request in replicas[replica].snapshots where request.adapter == adapter {
            guard replicas[replica].isAtRest(request.id) else { continue }
            if transfer(request.id, from: replica, to: other, at: now) != nil {
                migration.counters.rescued += 1
                arrived(request.id, at: now)
            }
        }
    }
}
