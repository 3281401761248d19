// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// Which adapters lie where, and what memory that leaves: the state that placement works on.
/// Adapters and replicas are numbered as in the snapshot.
struct FleetMemory {
    let bytes: [Int]

    /// For each replica, bytes that neither adapters nor other things take: free adapter memory and
    /// all KV pages.
    private(set) var unallocated: [Int]

    /// For each replica, bytes that adapters may take in addition before the reserve begins.
    private(set) var room: [Int]

    /// For each adapter, the unallocated bytes of all replicas that hold it (peak capacity).
    private(set) var capacity: [Int]

    /// For each adapter, how many replicas hold it.
    private(set) var copies: [Int]

    /// The adapters that a replica holds.
    private(set) var held: [[Int]]

    /// One bit for each pair of an adapter and a replica.
    private var bits: [UInt64]
    private let wordsPerAdapter: Int

    init(_ fleet: FleetSnapshot, reserve: Double) {
        bytes = fleet.adapters.map { max(0, $0.bytes) }
        unallocated = fleet.replicas.map { replica in
            let (pages, overflow) = max(0, replica.load.totalPages)
                .multipliedReportingOverflow(by: max(0, replica.pageBytes))
            let free = max(0, replica.adapterBytes &- replica.usedAdapterBytes)
            // Sums over a fleet stay far from overflowing.
            return min(overflow ? .max : pages, 1 << 46) + min(free, 1 << 46)
        }
        room = fleet.replicas.map { replica in
            let kept = Int(Double(max(0, replica.adapterBytes)) * reserve)
            return replica.adapterBytes &- kept &- replica.usedAdapterBytes
        }
        capacity = [Int](repeating: 0, count: bytes.count)
        copies = capacity
        held = [[Int]](repeating: [], count: fleet.replicas.count)
        wordsPerAdapter = (fleet.replicas.count + 63) / 64
        bits = [UInt64](repeating: 0, count: bytes.count * wordsPerAdapter)
        for (adapter, entry) in fleet.adapters.enumerated() {
            for holder in entry.holders
            where held.indices.contains(holder.rawValue) && !holds(adapter, holder.rawValue) {
                add(adapter, to: holder.rawValue)
            }
        }
    }

    func holds(_ adapter: Int, _ replica: Int) -> Bool {
        bits[adapter * wordsPerAdapter + replica / 64] >> UInt64(replica % 64) & 1 == 1
    }

    /// Loads the adapter; the capacity of all that lie there shrinks.
    mutating func load(_ adapter: Int, on replica: Int) {
        grow(replica, by: -bytes[adapter])
        add(adapter, to: replica)
    }

    /// Drops the adapter; the capacity of all that stay there grows.
    mutating func drop(_ adapter: Int, from replica: Int) {
        bits[adapter * wordsPerAdapter + replica / 64] &= ~(1 << UInt64(replica % 64))
        capacity[adapter] -= unallocated[replica]
        copies[adapter] -= 1
        if let place = held[replica].lastIndex(of: adapter) { held[replica].remove(at: place) }
        grow(replica, by: bytes[adapter])
    }

    private mutating func add(_ adapter: Int, to replica: Int) {
        bits[adapter * wordsPerAdapter + replica / 64] |= 1 << UInt64(replica % 64)
        capacity[adapter] += unallocated[replica]
        copies[adapter] += 1
        held[replica].append(adapter)
    }

    private mutating func grow(_ replica: Int, by bytes: Int) {
        unallocated[replica] += bytes
        room[replica] += bytes
        for other in held[replica] { capacity[other] += bytes }
    }
}
