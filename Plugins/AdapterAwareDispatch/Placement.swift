// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// Where adapters should lie: the burst-tolerance greedy of dLoRA (§5.1; the objective is SHEPHERD's).
///
/// The burst tolerance of an adapter is how many requests fit into the memory that the replicas with it
/// have left, over its share of all requests. The adapter with the least of it gets one more replica,
/// until that would take more from another than it gives to this one. Adapters that lie nowhere have
/// none, so they come first, the most wanted before the others.
struct Placement {
    private struct Replica {
        /// Bytes that adapters and keys and values may take, and that adapters may.
        var unallocated: Double
        var room: Int
        var adapters: [Int] = []
    }

    private struct Adapter {
        let id: AdapterID
        let bytes: Int
        let share: Double
        let holders: Set<Int>
        var replicas: Set<Int> = []
        /// The sum of what its replicas have left.
        var capacity = 0.0

        var tolerance: Double { capacity / share }
    }

    private let fleet: FleetSnapshot
    private let requestBytes: Double
    private var replicas: [Replica]
    private var adapters: [Adapter]

    /// Adapters by tolerance; an entry that is out of date is put back when it comes up.
    private var order: Heap<Rank> = Heap()

    /// Replicas by what they have left, likewise.
    private var places: Heap<Space> = Heap()

    private struct Rank: Comparable {
        let tolerance: Double
        let share: Double
        let index: Int

        static func < (left: Rank, right: Rank) -> Bool {
            if left.tolerance != right.tolerance { return left.tolerance < right.tolerance }
            return left.share != right.share ? left.share > right.share : left.index < right.index
        }
    }

    private struct Space: Comparable {
        let unallocated: Double
        let index: Int

        static func < (left: Space, right: Space) -> Bool {
            left.unallocated != right.unallocated
                ? left.unallocated > right.unallocated : left.index < right.index
        }
    }

    /// A placement with only the pinned adapters where they are. `rates` are those of the fleet's
    /// adapters, `footprint` is how many tokens a request takes, and `reserve` is the share of the
    /// memory for adapters that is left for loading on demand.
    init(of fleet: FleetSnapshot, rates: [Double], footprint: Double, reserve: Double) {
        self.fleet = fleet
        let tokenBytes = fleet.replicas.first.map {
            Double($0.pageBytes) / Double(max(1, $0.pageTokens))
        }
        requestBytes = max(1, (tokenBytes ?? 0) * max(1, footprint))
        replicas = fleet.replicas.map { replica in
            let room = Int(Double(replica.adapterBytes) * (1 - reserve))
            return Replica(
                unallocated: Double(replica.adapterBytes)
                    + Double(replica.load.totalPages) * Double(replica.pageBytes), room: room)
        }
        let sum = max(rates.reduce(0, +), .leastNormalMagnitude)
        adapters = zip(fleet.adapters, rates).map { adapter, rate in
            Adapter(
                id: adapter.id, bytes: adapter.bytes, share: max(rate / sum, 1e-12),
                holders: Set(adapter.holders.map(\.rawValue)))
        }
        for (index, adapter) in fleet.adapters.enumerated() where adapter.isPinned {
            for holder in adapter.holders where replicas.indices.contains(holder.rawValue) {
                put(index, on: holder.rawValue)
            }
        }
    }

    /// Requests that fit into what an adapter's replicas have left, over its share of all requests.
    func tolerance(of index: Int) -> Double { adapters[index].tolerance / requestBytes }

    /// The replicas of each adapter of the fleet, in order.
    var replicasByAdapter: [[Int]] { adapters.map { $0.replicas.sorted() } }

    // MARK: - Filling

    /// Adds replicas of adapters while that makes the least tolerance no smaller.
    mutating func fill() {
        for index in adapters.indices { order.push(rank(index)) }
        for index in replicas.indices { places.push(space(index)) }
        while let first = order.pop() {
            guard first == rank(first.index) else {
                order.push(rank(first.index))
                continue
            }
            guard let place = place(for: first.index) else {
                // One that fits nowhere holds nobody up who lies nowhere yet.
                if first.tolerance == 0 { continue }
                return
            }
            guard first.tolerance == 0 || isGood(first.index, on: place) else { return }
            put(first.index, on: place)
            order.push(rank(first.index))
            places.push(space(place))
        }
    }

    private func rank(_ index: Int) -> Rank {
        Rank(tolerance: adapters[index].tolerance, share: adapters[index].share, index: index)
    }

    private func space(_ index: Int) -> Space {
        Space(unallocated: replicas[index].unallocated, index: index)
    }

    /// The replica without the adapter that has most left: one where it lies already, if there is one
    /// with room, so that little has to be loaded.
    private mutating func place(for index: Int) -> Int? {
        let held = adapters[index].holders.filter { isPossible(index, on: $0) }
        if let best = held.min(by: { space($0) < space($1) }) { return best }
        var passed: [Space] = []
        defer { for space in passed { places.push(space) } }
        while let next = places.pop() {
            // An entry that is out of date has a newer one behind it.
            guard next == space(next.index) else { continue }
            passed.append(next)
            if isPossible(index, on: next.index) { return next.index }
        }
        return nil
    }

    private func isPossible(_ index: Int, on replica: Int) -> Bool {
        replicas.indices.contains(replica) && !adapters[index].replicas.contains(replica)
            && adapters[index].bytes <= replicas[replica].room
    }

    /// Whether no adapter on the replica would then tolerate less than this one does now.
    private func isGood(_ index: Int, on replica: Int) -> Bool {
        let least = adapters[index].tolerance
        let bytes = Double(adapters[index].bytes)
        return replicas[replica].adapters.allSatisfy {
            (adapters[$0].capacity - bytes) / adapters[$0].share >= least
        }
    }

    private mutating func put(_ index: Int, on replica: Int) {
        let bytes = Double(adapters[index].bytes)
        for other in replicas[replica].adapters {
            adapters[other].capacity -= bytes
            order.push(rank(other))
        }
        replicas[replica].unallocated -= bytes
        replicas[replica].room -= adapters[index].bytes
        replicas[replica].adapters.append(index)
        adapters[index].replicas.insert(replica)
        adapters[index].capacity += replicas[replica].unallocated
    }

    // MARK: - Moves

    /// What to drop and to load, replica by replica: drops come first, and only as many as the loads
    /// need, the least wanted adapters first.
    var moves: [AdapterMove] {
        var held = [[Int]](repeating: [], count: replicas.count)
        for (index, adapter) in adapters.enumerated() {
            for holder in adapter.holders where held.indices.contains(holder) {
                held[holder].append(index)
            }
        }
        var moves: [AdapterMove] = []
        for (number, replica) in replicas.enumerated() {
            let wanted = Set(replica.adapters)
            let missing = replica.adapters.filter { !adapters[$0].holders.contains(number) }
            var lacking =
                missing.reduce(0) { $0 + adapters[$1].bytes }
                - (fleet.replicas[number].adapterBytes - fleet.replicas[number].usedAdapterBytes)
            let spare = held[number].filter { !wanted.contains($0) && !fleet.adapters[$0].isPinned }
                .sorted { (adapters[$0].share, $1) < (adapters[$1].share, $0) }
            let id = ReplicaID(rawValue: number)
            for index in spare where lacking > 0 {
                lacking -= adapters[index].bytes
                moves.append(AdapterMove(.unload, adapters[index].id, on: id))
            }
            moves += missing.map { AdapterMove(.load, adapters[$0].id, on: id) }
        }
        return moves
    }
}

/// A binary heap: the least comes first.
struct Heap<Element: Comparable> {
    private var elements: [Element] = []

    mutating func push(_ element: Element) {
        elements.append(element)
        var position = elements.count - 1
        while position > 0 {
            let parent = (position - 1) / 2
            guard elements[position] < elements[parent] else { return }
            elements.swapAt(position, parent)
            position = parent
        }
    }

    mutating func pop() -> Element? {
        guard let first = elements.first, let last = elements.popLast() else { return nil }
        guard !elements.isEmpty else { return first }
        elements[0] = last
        var position = 0
        while true {
            var least = position
            for child in [2 * position + 1, 2 * position + 2]
            where child < elements.count && elements[child] < elements[least] {
                least = child
            }
            if least == position { return first }
            elements.swapAt(position, least)
            position = least
        }
    }
}
