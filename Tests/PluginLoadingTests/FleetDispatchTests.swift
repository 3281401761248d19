// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import TestSupport
import Testing

@testable import PluginLoading

/// Round robin, consolidation, and dLoRA's dispatch and placement.
struct FleetDispatchTests {
    private let policies: BuiltPolicies

    init() throws { policies = try BuiltPolicies() }

    private func policy(
        _ type: String, _ values: [String: ParameterValue] = [:]
    ) throws -> any DispatchPolicy {
        try policies.registry.makeDispatch(type, values: values, seed: 1)
    }

    private struct Load {
        var pending = 0
        var requests = 0
        var load: Int?
        var free = 100
        var merged: UInt32?
    }

    private func choice(
        _ policy: any DispatchPolicy, _ loads: [Load], adapter: UInt32 = 1, at seconds: Double = 0
    ) throws -> Int {
        let replicas = loads.enumerated().map { index, load in
            var replica = ReplicaSnapshot(id: ReplicaID(rawValue: index))
            replica.pendingTime = .milliseconds(load.pending)
            replica.runningRequests = load.requests
            replica.batchRequests = 4
            replica.freePages = load.free
            replica.totalPages = 100
            replica.isAdapterResident = load.load == nil
            replica.adapterLoadTime = .milliseconds(load.load ?? 0)
            replica.mergedAdapter = load.merged.map(AdapterID.init(rawValue:))
            return replica
        }
        let request = RequestSnapshot(
            id: RequestID(rawValue: 1), adapter: AdapterID(rawValue: adapter),
            arrival: Self.time(seconds), promptTokens: 40)
        return try policy.choose(for: request, among: replicas.span, at: Self.time(seconds))
            .rawValue
    }

    private static func time(_ seconds: Double) -> Instant {
        Instant(nanoseconds: Int64(seconds * 1e9))
    }

    // MARK: - Choices

    @Test
    func roundRobinGoesRoundAndRemembers() throws {
        let first = try policy("round-robin")
        let loads = [Load(pending: 9), Load(), Load()]
        #expect(try (0..<4).map { _ in try choice(first, loads) } == [0, 1, 2, 0])
        let second = try policy("round-robin")
        try second.importState(#require(first.exportState()))
        #expect(try choice(second, loads) == 1)
        #expect(throws: PolicyError.self) {
            try second.importState(PolicyState(schema: "turn/1", bytes: [1]))
        }
    }

    @Test(
        arguments: [
            ([Load(requests: 1), Load(requests: 3), Load(requests: 2)], 1),
            // A full batch has no room.
            ([Load(requests: 1), Load(requests: 4), Load(requests: 2)], 2),
            // Nor have too few pages: the prompt takes three.
            ([Load(requests: 1), Load(requests: 3, free: 2), Load(requests: 0)], 0),
            ([Load(requests: 2), Load(requests: 2), Load(requests: 1)], 1),
            ([Load(pending: 5, requests: 4), Load(pending: 3, requests: 4)], 1),
        ] as [([Load], Int)])
    private func punicaFillsTheBusiest(loads: [Load], expected: Int) throws {
        #expect(try choice(policy("consolidating-dispatch"), loads) == expected)
    }

    @Test(
        arguments: [
            ([Load(pending: 10), Load(pending: 9), Load(pending: 11)], 0.0, 1),
            // Loading counts.
            ([Load(pending: 10), Load(pending: 4, load: 8), Load(pending: 11)], 0.0, 0),
            ([Load(pending: 10), Load(pending: 1, load: 8), Load(pending: 11)], 0.0, 1),
            // Of equals one that has the adapter, then the one with less to do.
            ([Load(pending: 0, load: 0), Load(pending: 0, requests: 9)], 0.0, 1),
            ([Load(requests: 3), Load(requests: 2), Load(requests: 2)], 0.0, 1),
            ([Load(pending: 10), Load(pending: 15, merged: 1)], 0.0, 0),
            ([Load(pending: 10), Load(pending: 15, merged: 1)], 0.4, 1),
            ([Load(pending: 10), Load(pending: 15, merged: 2)], 0.4, 0),
        ] as [([Load], Double, Int)])
    private func dLoRASendsWhereTheWaitIsLeast(
        loads: [Load], discount: Double, expected: Int
    ) throws {
        let policy = try policy("adapter-aware-dispatch", ["mergedDiscount": .number(discount)])
        #expect(try choice(policy, loads) == expected)
    }

    // MARK: - Placement

    /// A fleet of replicas with room for so many adapters of 10 bytes.
    private static func fleet(
        replicas: Int, room: Int, adapters: Int, holders: [Int: [Int]] = [:], at seconds: Double = 0
    ) -> FleetSnapshot {
        var fleet = FleetSnapshot(now: time(seconds))
        for index in 0..<replicas {
            var load = ReplicaSnapshot(id: ReplicaID(rawValue: index))
            load.totalPages = 100
            var replica = FleetReplica(load: load)
            replica.pageBytes = 16
            replica.adapterBytes = 10 * room
            fleet.replicas.append(replica)
        }
        for number in 1...adapters {
            var adapter = FleetAdapter(id: AdapterID(rawValue: UInt32(number)), bytes: 10)
            adapter.holders = (holders[number] ?? []).map(ReplicaID.init(rawValue:))
            for holder in adapter.holders { fleet.replicas[holder.rawValue].usedAdapterBytes += 10 }
            fleet.adapters.append(adapter)
        }
        return fleet
    }

    /// Where adapters are after some moves.
    private static func places(
        _ fleet: FleetSnapshot, after moves: [AdapterMove]
    ) -> [Int: Set<Int>] {
        var places: [Int: Set<Int>] = [:]
        for adapter in fleet.adapters {
            places[Int(adapter.id.rawValue)] = Set(adapter.holders.map(\.rawValue))
        }
        for move in moves {
            let adapter = Int(move.adapter.rawValue)
            switch move.kind {
            case .load: places[adapter, default: []].insert(move.replica.rawValue)
            case .unload: places[adapter]?.remove(move.replica.rawValue)
            @unknown default: break
            }
        }
        return places
    }

    @Test
    func withoutAHistoryAdaptersAreSpreadEvenly() throws {
        let fleet = Self.fleet(replicas: 4, room: 4, adapters: 8)
        let policy = try policy("adapter-aware-dispatch", ["reserve": .number(0)])
        let places = Self.places(fleet, after: try policy.place(in: fleet))
        #expect(places.values.allSatisfy { !$0.isEmpty })
        let counts = (0..<4).map { replica in places.values.count { $0.contains(replica) } }
        #expect(counts.allSatisfy { (2...4).contains($0) }, "\(counts)")
    }

    @Test
    func whatIsAskedForMostGetsMoreReplicasAndLosesThemAgain() throws {
        let policy = try policy("adapter-aware-dispatch", ["reserve": .number(0)])
        for index in 0..<100 {
            _ = try choice(policy, [Load()], adapter: index % 10 == 0 ? 2 : 1, at: 0)
        }
        let before = Self.fleet(replicas: 4, room: 3, adapters: 8)
        let placed = Self.places(before, after: try policy.place(in: before))
        #expect(placed[1]?.count == 4, "\(placed)")
        #expect(placed.values.allSatisfy { !$0.isEmpty })
        // An hour later another one is asked for.
        for _ in 0..<100 { _ = try choice(policy, [Load()], adapter: 7, at: 3600) }
        let after = Self.fleet(
            replicas: 4, room: 3, adapters: 8, holders: placed.mapValues { $0.sorted() }, at: 3600)
        let moves = try policy.place(in: after)
        let places = Self.places(after, after: moves)
        #expect(places[7]?.count == 4, "\(places)")
        #expect(moves.contains { $0.kind == .unload && $0.adapter.rawValue == 1 })
        // A history that is handed over decides alike.
        let next = try self.policy("adapter-aware-dispatch", ["reserve": .number(0)])
        try next.importState(#require(policy.exportState()))
        #expect(try next.place(in: after) == moves)
    }

    @Test
    func memoryIsKeptAndNoAdapterIsForgotten() throws {
        for seed in 0..<200 as Range<UInt64> { try checkMemory(seed: seed) }
    }

    private func checkMemory(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let (count, room, adapters) = (
            1 + random.below(6), 1 + random.below(5), 1 + random.below(12)
        )
        var holders: [Int: [Int]] = [:]
        for adapter in 1...adapters where random.chance(50) {
            let replica = random.below(count)
            guard holders.values.count(where: { $0.contains(replica) }) < room else { continue }
            holders[adapter] = [replica]
        }
        let policy = try policy("adapter-aware-dispatch", ["reserve": .number(0)])
        for _ in 0..<random.below(50) {
            _ = try choice(policy, [Load()], adapter: UInt32(1 + random.below(adapters)))
        }
        let fleet = Self.fleet(replicas: count, room: room, adapters: adapters, holders: holders)
        let moves = try policy.place(in: fleet)
        #expect(MigrationPlan(adapters: moves).violation(in: fleet) == nil, "seed \(seed)")
        let places = Self.places(fleet, after: moves)
        for replica in 0..<count {
            #expect(places.values.count { $0.contains(replica) } <= room, "seed \(seed)")
        }
        if count * room >= adapters {
            #expect(places.values.allSatisfy { !$0.isEmpty }, "seed \(seed): \(places)")
        }
    }

    @Test(arguments: [[], [1, 2, 3], Array(repeating: 255, count: 40)] as [[UInt8]])
    func damagedHistoriesAreRefused(bytes: [UInt8]) throws {
        let policy = try policy("adapter-aware-dispatch")
        #expect(throws: PolicyError.self) {
            try policy.importState(PolicyState(schema: "arrivals/1", bytes: bytes))
        }
        #expect(throws: PolicyError.self) {
            try policy.importState(PolicyState(schema: "other/1", bytes: []))
        }
    }
}
