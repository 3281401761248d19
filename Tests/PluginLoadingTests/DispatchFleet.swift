// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// Replicas and adapters for dispatch policies to choose from and to place.
struct DispatchFleet {
    private(set) var snapshot: FleetSnapshot

    /// Replicas with `adapterBytes` for adapters and 100 KV pages of 100 bytes, all free.
    init(replicas: Int, adapterBytes: Int, at seconds: Int = 0) {
        snapshot = FleetSnapshot(now: Self.instant(seconds))
        for number in 0..<replicas {
            var load = ReplicaSnapshot(id: ReplicaID(rawValue: number))
            load.totalPages = 100
            load.freePages = 100
            load.batchRequests = 8
            var replica = FleetReplica(load: load)
            replica.pageBytes = 100
            replica.adapterBytes = adapterBytes
            snapshot.replicas.append(replica)
        }
    }

    static func instant(_ seconds: Int) -> Instant {
        Instant(nanoseconds: Int64(seconds) * 1_000_000_000)
    }

    mutating func add(_ id: UInt32, bytes: Int, on holders: [Int] = [], isPinned: Bool = false) {
        var adapter = FleetAdapter(id: AdapterID(rawValue: id), bytes: bytes)
        adapter.holders = holders.map { ReplicaID(rawValue: $0) }
        adapter.isPinned = isPinned
        snapshot.adapters.append(adapter)
        for holder in holders { snapshot.replicas[holder].usedAdapterBytes += bytes }
    }

    mutating func advance(to seconds: Int) { snapshot.now = Self.instant(seconds) }

    /// Carries out moves; says what cannot be done.
    mutating func carryOut(_ moves: [AdapterMove]) -> [String] {
        var faults: [String] = []
        for move in moves {
            guard let place = snapshot.adapters.firstIndex(where: { $0.id == move.adapter }),
                snapshot.replicas.indices.contains(move.replica.rawValue)
            else {
                faults.append("there is no such adapter or replica: \(move)")
                continue
            }
            let isHeld = snapshot.adapters[place].holders.contains(move.replica)
            let bytes = snapshot.adapters[place].bytes
            switch move.kind {
            case .load:
                if isHeld { faults.append("is there already: \(move)") }
                snapshot.adapters[place].holders.append(move.replica)
                snapshot.adapters[place].holders.sort()
                snapshot.replicas[move.replica.rawValue].usedAdapterBytes += bytes
            case .unload:
                if !isHeld { faults.append("is not there: \(move)") }
                if snapshot.adapters[place].isPinned { faults.append("is pinned: \(move)") }
                snapshot.adapters[place].holders.removeAll { $0 == move.replica }
                snapshot.replicas[move.replica.rawValue].usedAdapterBytes -= bytes
            }
            let replica = snapshot.replicas[move.replica.rawValue]
            if replica.usedAdapterBytes > replica.adapterBytes {
                faults.append("the memory is exceeded: \(move)")
            }
        }
        return faults
    }

    func copies(of id: UInt32) -> Int {
        snapshot.adapters.first { $0.id.rawValue == id }?.holders.count ?? 0
    }

    /// The least unallocated memory of an adapter's replicas over what it is asked for.
    func minimumTolerance(_ demand: (UInt32) -> Double) -> Double {
        let tolerances = snapshot.adapters.map { adapter in
            let bytes = adapter.holders.reduce(0) { sum, holder in
                let replica = snapshot.replicas[holder.rawValue]
                return sum + replica.load.totalPages * replica.pageBytes + replica.adapterBytes
                    - replica.usedAdapterBytes
            }
            return Double(bytes) / demand(adapter.id.rawValue)
        }
        return tolerances.min() ?? 0
    }
}

extension DispatchPolicy {
    /// Asks for a replica for a request with a prompt of 8 tokens that may generate 8.
    @discardableResult
    func choose(
        _ adapter: UInt32, prompt: Int = 8, among replicas: [ReplicaSnapshot], at seconds: Int = 0
    ) throws(PolicyError) -> Int {
        var request = RequestSnapshot(
            id: RequestID(rawValue: 1), adapter: AdapterID(rawValue: adapter),
            arrival: DispatchFleet.instant(seconds), promptTokens: prompt)
        request.maximumTokens = 8
        return try choose(
            for: request, among: replicas.span, at: DispatchFleet.instant(seconds)
        ).rawValue
    }
}
