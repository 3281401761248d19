// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Testing

struct BuiltInPolicyTests {
    @Test
    func thereIsOneOfEachKind() {
        #expect(BuiltInPolicies.all.map { $0.kind } == PolicyKind.allCases)
        #expect(
            BuiltInPolicies.all.map { $0.descriptor.type }
                == ["fcfs-unmerged", "arrival-order", "least-pending", "none", "lru", "uniform"])
    }

    // MARK: - least-pending

    private struct Replica {
        var pending = 0
        var load: Int?
        var requests = 0
        var tokens = 0
    }

    private func choose(_ replicas: [Replica]) throws -> Int {
        let snapshots = replicas.enumerated().map { index, replica in
            var snapshot = ReplicaSnapshot(id: ReplicaID(rawValue: index))
            snapshot.queueTime = .milliseconds(replica.pending)
            snapshot.isAdapterResident = replica.load == nil
            snapshot.adapterLoadTime = .milliseconds(replica.load ?? 0)
            snapshot.waitingRequests = replica.requests
            snapshot.pendingPromptTokens = replica.tokens
            return snapshot
        }
        let new = RequestSnapshot(
            id: request(1), adapter: adapter(1), arrival: .start, promptTokens: 1)
        return try LeastPendingDispatch().choose(
            for: new, among: snapshots.span, at: .start
        ).rawValue
    }

    @Test
    func leastPendingCountsTheLoadOfTheAdapter() throws {
        #expect(try choose([Replica(pending: 9), Replica(pending: 5)]) == 1)
        #expect(try choose([Replica(pending: 9), Replica(pending: 5, load: 5)]) == 0)
        #expect(try choose([Replica(pending: 9), Replica(pending: 5, load: 3)]) == 1)
    }

    @Test
    func leastPendingBreaksTiesByRequestsThenTokensThenPlace() throws {
        #expect(try choose([Replica(requests: 2), Replica(requests: 1)]) == 1)
        #expect(try choose([Replica(tokens: 8), Replica(tokens: 7)]) == 1)
        #expect(try choose([Replica(), Replica(), Replica()]) == 0)
    }

    @Test
    func leastPendingRefusesToChooseFromNothing() {
        #expect(throws: PolicyError.self) { try choose([]) }
    }

    // MARK: - lru

    @Test
    func theLeastRecentlyUsedLeaves() throws {
        let candidates = [(3, 5), (4, 2), (1, 2), (2, 9)].map { id, use in
            AdapterSnapshot(
                id: AdapterID(rawValue: UInt32(id)), bytes: 1, lastUse: .seconds(Double(use)))
        }
        let leaving = try LeastRecentlyUsedResidency().evict(from: candidates.span, at: .start)
        #expect(leaving == adapter(1))
    }
}
