// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Testing

/// Fleets in, replicas out.
struct DispatchChoiceTests {
    private let policies: BuiltPolicies

    init() throws { policies = try BuiltPolicies() }

    private static func replica(
        _ id: Int, pending milliseconds: Int = 0, requests: Int = 0, load: Int? = nil,
        _ change: (inout ReplicaSnapshot) -> Void = { _ in }
    ) -> ReplicaSnapshot {
        var replica = ReplicaSnapshot(id: ReplicaID(rawValue: id))
        replica.queueTime = .milliseconds(milliseconds)
        replica.waitingRequests = requests / 2
        replica.runningRequests = requests - requests / 2
        replica.batchRequests = 4
        replica.freePages = 10
        replica.totalPages = 10
        replica.isAdapterResident = load == nil
        replica.adapterLoadTime = .milliseconds(load ?? 0)
        change(&replica)
        return replica
    }

    // MARK: - adapter-aware-dispatch

    @Test(arguments: [
        ([replica(0, pending: 30), replica(1, pending: 20)], 1),
        ([replica(0, pending: 20, load: 15), replica(1, pending: 30)], 1),
        ([replica(0, pending: 20, load: 5), replica(1, pending: 30)], 0),
        ([replica(1, requests: 2), replica(0, requests: 3)], 1),
        (
            [replica(1) { $0.pendingPromptTokens = 5 }, replica(2) { $0.pendingOutputTokens = 4 }],
            2
        ),
        ([replica(3), replica(2), replica(4)], 2),
    ])
    func theLeastWaitTakesTheRequest(replicas: [ReplicaSnapshot], expected: Int) throws {
        let policy = try policies.dispatch("adapter-aware-dispatch")
        #expect(try policy.choose(3, among: replicas) == expected)
    }

    /// Replica 0 has 100 ms pending, of 8 requests; replica 1 has 80 ms.
    @Test(
        arguments: [
            // Merged on the adapter: 2 of 8 requests count half, 87.5 ms; 4 of 8, 75 ms.
            (0.5, 3, 2, 1), (0.5, 3, 4, 0), (0, 3, 8, 1),
            // Merged on another: full batches of 4 only.
            (0.5, 9, 3, 1), (0.5, 9, 4, 0), (0.3, 9, 7, 1), (0.3, 9, 8, 0),
        ] as [(Double, UInt32, Int, Int)])
    func requestsThatRunMergedCountLess(
        discount: Double, merged: UInt32, same: Int, expected: Int
    ) throws {
        let policy = try policies.dispatch(
            "adapter-aware-dispatch", ["mergedDiscount": .number(discount)])
        let replicas = [
            Self.replica(0, pending: 100, requests: 8) {
                $0.mergedAdapter = AdapterID(rawValue: merged)
                $0.adapterRequests = same
            },
            Self.replica(1, pending: 80, requests: 8),
        ]
        #expect(try policy.choose(3, among: replicas) == expected)
    }

    // MARK: - consolidating-dispatch

    @Test(arguments: [
        ([replica(0, requests: 1), replica(1, requests: 3), replica(2, requests: 2)], 1),
        // The batch is full; the pages are too few; ties go to the highest.
        ([replica(0, requests: 1), replica(1, requests: 4)], 0),
        ([replica(0, requests: 1), replica(1, requests: 3) { $0.freePages = 1 }], 0),
        ([replica(2), replica(0), replica(1)], 2),
        // Nobody has room: the least wait.
        ([replica(0, pending: 9, requests: 4), replica(1, pending: 8, requests: 9)], 1),
        ([replica(0, pending: 9, requests: 4), replica(1, pending: 8, requests: 9, load: 2)], 0),
    ])
    func theBusiestWithRoomTakesTheRequest(replicas: [ReplicaSnapshot], expected: Int) throws {
        let policy = try policies.dispatch("consolidating-dispatch")
        #expect(try policy.choose(3, prompt: 17, among: replicas) == expected)
    }

    @Test func pagesAreCountedByTheirTokens() throws {
        let policy = try policies.dispatch("consolidating-dispatch", ["pageTokens": .integer(17)])
        let replicas = [
            Self.replica(0, requests: 1), Self.replica(1, requests: 3) { $0.freePages = 1 },
        ]
        #expect(try policy.choose(3, prompt: 17, among: replicas) == 1)
        #expect(try policy.choose(3, prompt: 18, among: replicas) == 0)
    }

    // MARK: - round-robin

    @Test func turnsAreEven() throws {
        let policy = try policies.dispatch("round-robin")
        let replicas = [2, 0, 1].map { Self.replica($0, pending: $0 * 1_000, requests: $0) }
        let chosen = try (0..<9).map { _ in try policy.choose(3, among: replicas) }
        #expect(chosen == [0, 1, 2, 0, 1, 2, 0, 1, 2])
    }

    @Test func theTurnOutlivesAReload() throws {
        let policy = try policies.dispatch("round-robin")
        let replicas = (0..<3).map { Self.replica($0) }
        let next = try policies.dispatch("round-robin")
        try next.importState(try #require(policy.exportState()))
        #expect(try next.choose(3, among: replicas) == 0)
        _ = try policy.choose(3, among: replicas)
        try next.importState(try #require(policy.exportState()))
        #expect(try next.choose(3, among: replicas) == 1)
        for state in [
            PolicyState(schema: "turn/9", bytes: [UInt8](repeating: 0, count: 8)),
            PolicyState(schema: "turn/1", bytes: [1, 2]),
            PolicyState(schema: "turn/1", bytes: [0, 0, 0, 0, 0, 0, 0, 0x80]),
        ] {
            #expect(throws: PolicyError.self) { try next.importState(state) }
        }
        #expect(try next.choose(3, among: replicas) == 2, "a refused state changes nothing")
    }
}
