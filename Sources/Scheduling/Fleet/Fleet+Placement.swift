// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

// Where adapters lie in the long run, as the dispatch policy wishes.
extension Fleet {
    /// Asks the dispatch policy where adapters should lie, at the start and whenever its interval has
    /// passed, and loads and drops what it says as far as that is possible.
    package mutating func considerPlacement(at now: Instant) {
        guard let interval = dispatch.chosen?.placementInterval else { return }
        if let next = migration.nextPlacement, now < next { return }
        migration.nextPlacement = now.advanced(by: max(interval, .milliseconds(1)))
        let fleet = snapshot(withRequests: false, at: now)
        var fault: (PolicyFault, String)?
        var moves: [AdapterMove] = []
        let call = dispatch.begin(at: now)
        do throws(PolicyError) {
            moves = try call.policy.place(in: fleet)
            if let error = MigrationPlan(adapters: moves).violation(in: fleet) {
                fault = (.badAnswer, error.description)
            }
        } catch {
            fault = (.threw, error.description)
        }
        // Placing takes its time, but once in a while only: it is no overrun.
        dispatch.settle(call, fault: fault, at: now)
        if fault != nil { return }
        for move in moves {
            switch move.kind {
            case .load: place(move.adapter, on: move.replica.rawValue, at: now)
            case .unload: displace(move.adapter, from: move.replica.rawValue, at: now)
            @unknown default: break
            }
        }
    }

    /// - Returns: whether the adapter is resident on the replica or being loaded.
    @discardableResult
    mutating func place(_ adapter: AdapterID, on replica: Int, at now: Instant) -> Bool {
        let wasThere = replicas[replica].residency.state(of: adapter) != .absent
        let isThere = change(replica, at: now) { $0.prefetch(adapter, at: now) }
        if isThere, !wasThere {
            migration.counters.placed += 1
            migration.touched.insert(replica)
        }
        return isThere
    }

    mutating func displace(_ adapter: AdapterID, from replica: Int, at now: Instant) {
        guard replicas[replica].residency.state(of: adapter) == .resident else { return }
        if change(replica, at: now, { $0.dismiss(adapter, at: now) }) {
            migration.counters.displaced += 1
            migration.touched.insert(replica)
        }
    }

    /// The fleet as policies that look at all of it see it.
    mutating func snapshot(withRequests: Bool, at now: Instant) -> FleetSnapshot {
        board.refresh(from: &replicas)
        var fleet = FleetSnapshot(now: now)
        fleet.handoverSecondsPerToken = migration.rules.handoverSecondsPerToken
        fleet.adapters = board.adapters
        fleet.replicas.reserveCapacity(replicas.count)
        let measured = replicas.first { $0.costs.isMeasured }?.costs.estimates
        for index in replicas.indices {
            var view = FleetReplica(load: board.snapshots[index])
            replicas[index].describe(&view, orCosts: measured)
            fleet.replicas.append(view)
            if withRequests { replicas[index].list(into: &fleet.requests) }
        }
        return fleet
    }
}

extension ReplicaScheduler {
    fileprivate func describe(_ view: inout FleetReplica, orCosts others: CostEstimates?) {
        view.costs = costs.isMeasured ? costs.estimates : others ?? costs.estimates
        view.batchTokens = configuration.batchTokens
        view.pageTokens = pages.pageTokens
        view.pageBytes = configuration.pageBytes
        view.adapterBytes = residency.budgetBytes
        view.usedAdapterBytes = residency.usedBytes
    }

    /// Requests that may move: not those that are moving.
    fileprivate func list(into requests: inout [FleetRequest]) {
        for snapshot in queue.snapshots {
            guard let slot = queue.slot(of: snapshot.id), !queue.record(slot).isHeld else {
                continue
            }
            var request = FleetRequest(request: snapshot, replica: configuration.id)
            request.pages = pages.pageCount(of: snapshot.id)
            request.isHandoverPossible = pages.isPrivate(snapshot.id)
            requests.append(request)
        }
    }
}
