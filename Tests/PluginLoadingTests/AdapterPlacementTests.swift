// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import TestSupport
import Testing

/// Where `adapter-aware-dispatch` wants adapters to lie.
struct AdapterPlacementTests {
    private let policies: BuiltPolicies

    init() throws { policies = try BuiltPolicies() }

    private func policy(
        _ values: [String: ParameterValue] = [:]
    ) throws -> any DispatchPolicy {
        try policies.dispatch("adapter-aware-dispatch", values)
    }

    private func arrive(
        _ counts: [UInt32: Int], at seconds: Int = 0, to policy: any DispatchPolicy
    ) throws {
        let replicas = [ReplicaSnapshot(id: ReplicaID(rawValue: 0))]
        for (adapter, count) in counts.sorted(by: { $0.key < $1.key }) {
            for _ in 0..<count { try policy.choose(adapter, among: replicas, at: seconds) }
        }
    }

    // MARK: - At the start

    @Test(arguments: [true, false])
    func withoutHistoryAllAdaptersAreAlike(lookahead: Bool) throws {
        let policy = try policy(["lookahead": .boolean(lookahead)])
        #expect(policy.placementInterval == .seconds(30))
        var fleet = DispatchFleet(replicas: 4, adapterBytes: 60)
        for id in 1...8 as ClosedRange<UInt32> { fleet.add(id, bytes: 10) }
        #expect(fleet.carryOut(try policy.place(in: fleet.snapshot)) == [])
        let copies = (1...8).map { fleet.copies(of: $0) }
        // Five adapters fit beside the reserve of a tenth; dLoRA's criterion stops after one copy.
        #expect(copies.allSatisfy { lookahead ? $0 >= 2 : $0 == 1 }, "\(copies)")
        #expect((copies.max() ?? 0) - (copies.min() ?? 0) <= 1, "\(copies)")
        #expect(try policy.place(in: fleet.snapshot) == [], "the placement is stable")
    }

    @Test func theReserveStaysFree() throws {
        let policy = try policy(["reserve": .number(0.5)])
        var fleet = DispatchFleet(replicas: 2, adapterBytes: 100)
        for id in 1...20 as ClosedRange<UInt32> { fleet.add(id, bytes: 10) }
        #expect(fleet.carryOut(try policy.place(in: fleet.snapshot)) == [])
        #expect(fleet.snapshot.replicas.map(\.usedAdapterBytes) == [50, 50])
        let none = try self.policy(["reserve": .number(1)])
        #expect(try none.place(in: DispatchFleet(replicas: 2, adapterBytes: 9).snapshot) == [])
    }

    @Test func aPlacementLoadsNoMoreThanItMay() throws {
        let policy = try policy(["loads": .integer(3)])
        var fleet = DispatchFleet(replicas: 2, adapterBytes: 1_000)
        for id in 1...20 as ClosedRange<UInt32> { fleet.add(id, bytes: 10) }
        #expect(try policy.place(in: fleet.snapshot).count == 6)
    }

    // MARK: - By history

    @Test func popularAdaptersLieOnMoreReplicas() throws {
        let policy = try policy()
        try arrive([1: 400, 2: 100, 3: 20, 4: 20], to: policy)
        var fleet = DispatchFleet(replicas: 8, adapterBytes: 23)
        for id in 1...4 as ClosedRange<UInt32> { fleet.add(id, bytes: 10) }
        #expect(fleet.carryOut(try policy.place(in: fleet.snapshot)) == [])
        let copies = (1...4).map { fleet.copies(of: $0) }
        #expect(copies[0] >= 7 && copies[0] > copies[1] && copies[1] > copies[2], "\(copies)")
        #expect(copies[2] >= 1 && copies[3] >= 1, "\(copies)")
    }

    @Test func theHistoryDecays() throws {
        let policy = try policy(["halfLife": .duration(.seconds(10))])
        var fleet = DispatchFleet(replicas: 4, adapterBytes: 12)
        for id in 1...2 as ClosedRange<UInt32> { fleet.add(id, bytes: 10) }
        try arrive([1: 300, 2: 10], to: policy)
        #expect(fleet.carryOut(try policy.place(in: fleet.snapshot)) == [])
        #expect(fleet.copies(of: 1) == 3 && fleet.copies(of: 2) == 1)
        // Ten half-lives later the 300 count less than one, and the other is popular.
        fleet.advance(to: 100)
        try arrive([2: 10], at: 100, to: policy)
        #expect(fleet.carryOut(try policy.place(in: fleet.snapshot)) == [])
        #expect(fleet.copies(of: 1) == 1 && fleet.copies(of: 2) == 3)
    }

    @Test func fewAreWantedMuchWhereMemoryIsShort() throws {
        let policy = try policy()
        var counts: [UInt32: Int] = [1: 300, 2: 40]
        for id in 3...40 as ClosedRange<UInt32> { counts[id] = 1 }
        try arrive(counts, to: policy)
        var fleet = DispatchFleet(replicas: 8, adapterBytes: 44)
        for id in 1...40 as ClosedRange<UInt32> { fleet.add(id, bytes: 10) }
        #expect(fleet.carryOut(try policy.place(in: fleet.snapshot)) == [])
        #expect(fleet.copies(of: 1) > fleet.copies(of: 2) && fleet.copies(of: 2) >= 1)
        #expect((3...40).contains { fleet.copies(of: $0) == 0 })
    }

    @Test func longRequestsNeedMoreRoom() throws {
        let policy = try policy()
        let replicas = [ReplicaSnapshot(id: ReplicaID(rawValue: 0))]
        for _ in 0..<10 {
            try policy.choose(1, prompt: 8, among: replicas)
            try policy.choose(2, prompt: 800, among: replicas)
        }
        var fleet = DispatchFleet(replicas: 6, adapterBytes: 12)
        for id in 1...2 as ClosedRange<UInt32> { fleet.add(id, bytes: 10) }
        #expect(fleet.carryOut(try policy.place(in: fleet.snapshot)) == [])
        #expect(fleet.copies(of: 1) == 1 && fleet.copies(of: 2) == 5)
    }

    @Test func nobodyLeavesButWhereItIsNeeded() throws {
        let policy = try policy()
        var fleet = DispatchFleet(replicas: 2, adapterBytes: 40)
        fleet.add(1, bytes: 10, on: [0])
        fleet.add(2, bytes: 10)
        try arrive([2: 5], to: policy)
        #expect(try policy.place(in: fleet.snapshot).allSatisfy { $0.kind == .load })
        // Full of adapters that nobody asks for, one of them pinned.
        fleet = DispatchFleet(replicas: 1, adapterBytes: 22)
        fleet.add(1, bytes: 10, on: [0], isPinned: true)
        fleet.add(2, bytes: 10)
        fleet.add(3, bytes: 10, on: [0])
        let zero = ReplicaID(rawValue: 0)
        #expect(
            try policy.place(in: fleet.snapshot) == [
                AdapterMove(.unload, AdapterID(rawValue: 3), on: zero),
                AdapterMove(.load, AdapterID(rawValue: 2), on: zero),
            ])
    }

    // MARK: - Always

    @Test(arguments: 1...60 as ClosedRange<UInt64>)
    func theMinimumNeverDropsAndMemoryIsKept(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let policy = try policy([
            "lookahead": .boolean(seed % 2 == 0), "prior": .number(0.000_001),
        ])
        let replicas = 1 + random.below(12)
        var fleet = DispatchFleet(replicas: replicas, adapterBytes: 50 + random.below(200))
        var counts: [UInt32: Int] = [:]
        for id in 1...(1 + UInt32(random.below(20))) {
            let bytes = 5 + random.below(20)
            let holders = (0..<replicas).filter { replica in
                let state = fleet.snapshot.replicas[replica]
                return random.below(4) == 0 && state.usedAdapterBytes + bytes <= state.adapterBytes
            }
            fleet.add(id, bytes: bytes, on: holders, isPinned: random.below(5) == 0)
            counts[id] = 1 + random.below(1 + random.below(60))
        }
        try arrive(counts, to: policy)
        let demand = { (id: UInt32) in Double(counts[id] ?? 0) }
        let before = fleet.minimumTolerance(demand)
        let moves = try policy.place(in: fleet.snapshot)
        #expect(try policy.place(in: fleet.snapshot) == moves, "seed \(seed)")
        #expect(fleet.carryOut(moves) == [], "seed \(seed)")
        #expect(fleet.minimumTolerance(demand) >= before, "seed \(seed)")
    }

    // MARK: - State

    @Test func theHistoryOutlivesAReload() throws {
        let policy = try policy()
        try arrive([1: 400, 2: 10], to: policy)
        let state = try #require(policy.exportState())
        #expect(state.schema == "arrivals/1" && state.bytes.count == 64)
        let next = try self.policy()
        try next.importState(state)
        #expect(next.exportState() == state)
        var fleet = DispatchFleet(replicas: 4, adapterBytes: 12)
        for id in 1...2 as ClosedRange<UInt32> { fleet.add(id, bytes: 10) }
        #expect(try next.place(in: fleet.snapshot) == policy.place(in: fleet.snapshot))
        var damaged = [
            PolicyState(schema: "arrivals/0", bytes: state.bytes),
            PolicyState(schema: state.schema, bytes: Array(state.bytes.dropLast())),
            PolicyState(
                schema: state.schema, bytes: Array(state.bytes.prefix(32) + state.bytes.prefix(32))),
        ]
        for (byte, value) in [(0, 0), (5, 1), (15, 0xff), (23, 0xff)] as [(Int, UInt8)] {
            var bytes = state.bytes
            bytes[byte] = value
            damaged.append(PolicyState(schema: state.schema, bytes: bytes))
        }
        for state in damaged {
            #expect(throws: PolicyError.self) { try next.importState(state) }
        }
        #expect(next.exportState() == state, "a refused state changes nothing")
    }
}
