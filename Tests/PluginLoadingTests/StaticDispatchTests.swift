// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Testing

@testable import PluginLoading

struct StaticDispatchTests {
    private let policies: BuiltPolicies

    init() throws { policies = try BuiltPolicies() }

    private func choice(
        adapter: UInt32, pending: [Int], copies: Int = 1
    ) throws -> Int {
        let policy = try policies.registry.makeDispatch(
            "static-dispatch", values: ["copies": .integer(Int64(copies))], seed: 1)
        let replicas = pending.enumerated().map { index, milliseconds in
            var replica = ReplicaSnapshot(id: ReplicaID(rawValue: index))
            replica.pendingTime = .milliseconds(milliseconds)
            return replica
        }
        let request = RequestSnapshot(
            id: RequestID(rawValue: 1), adapter: AdapterID(rawValue: adapter),
            arrival: Instant(nanoseconds: 0), promptTokens: 8)
        return try policy.choose(
            for: request, among: replicas.span, at: Instant(nanoseconds: 0)
        ).rawValue
    }

    @Test(arguments: [(1, 1), (2, 2), (3, 3), (4, 0), (5, 1), (.max, 3)] as [(UInt32, Int)])
    func eachAdapterHasOneReplica(adapter: UInt32, replica: Int) throws {
        #expect(try choice(adapter: adapter, pending: [0, 900, 900, 900]) == replica)
    }

    @Test
    func theLeastLoadedOfItsReplicasTakesARequest() throws {
        #expect(try choice(adapter: 1, pending: [0, 5, 0, 4], copies: 2) == 3)
        #expect(try choice(adapter: 1, pending: [0, 4, 0, 5], copies: 2) == 1)
        #expect(try choice(adapter: 2, pending: [7, 0, 8, 0], copies: 2) == 0)
        #expect(try choice(adapter: 2, pending: [7, 3, 8, 4], copies: 100) == 1)
    }

    @Test
    func theBaseGoesWhereItWaitsLeast() throws {
        #expect(try choice(adapter: 0, pending: [3, 2, 1, 4]) == 2)
    }
}
