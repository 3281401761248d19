// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import PolicyKitTesting
import Scheduling
import Testing

@testable import PluginLoading
@testable import PolicyIsolation

/// A policy decides the same in a process of its own as in the host's.
@Suite(.serialized) struct SameAnswersTests {
    private let policies: IsolatedPolicies

    init() throws { policies = try IsolatedPolicies() }

    /// Runs a loop of two tenants that ask for more while it goes on.
    private func steps(
        _ fairness: (any FairnessPolicy)?, _ batching: (any BatchingPolicy)?, plansAhead: Bool
    ) -> [[RequestID]] {
        var loop = ServingLoop(
            fairness, batching: batching, plansAhead: plansAhead,
            limits: BatchLimits(requests: 4, tokens: 64, freePages: 64, pageTokens: 16))
        var generator = SeededGenerator(seed: 5)
        for round in 0..<200 {
            for _ in 0..<Int.random(in: 0...2, using: &generator) where round < 120 {
                loop.ask(
                    UInt32.random(in: 1...3, using: &generator),
                    prompt: Int.random(in: 1...40, using: &generator),
                    output: Int.random(in: 1...12, using: &generator))
            }
            _ = loop.step()
        }
        return loop.steps
    }

    @Test(arguments: ["credit-fairness", "token-counter-fairness", "deadline-fairness"])
    func fairness(type: String) throws {
        let pair = try policies.pair(type, as: (any FairnessPolicy).self)
        let expected = steps(pair.inline, nil, plansAhead: true)
        #expect(expected.count > 100)
        #expect(steps(pair.isolated, nil, plansAhead: true) == expected)
        #expect(pair.isolated.exportState() == pair.inline.exportState())
    }

    @Test(arguments: ["dlora-batching", "lookahead-batching", "iteration-batching"])
    func batching(type: String) throws {
        let pair = try policies.pair(type, as: (any BatchingPolicy).self)
        let expected = steps(nil, pair.inline, plansAhead: false)
        #expect(expected.count > 100)
        #expect(steps(nil, pair.isolated, plansAhead: false) == expected)
        #expect(pair.isolated.exportState() == pair.inline.exportState())
    }

    @Test func reasonsOfPlansAreTheSame() throws {
        let pair = try policies.pair("dlora-batching", as: (any BatchingPolicy).self)
        var queue = RequestQueue([(1, 12), (2, 3), (0, 2)])
        for round in 0..<20 {
            queue.append(round % 3, of: 2)
            var context = BatchingContext(
                now: Instant(nanoseconds: Int64(round) * 1_000_000),
                limits: BatchLimits(requests: 8, tokens: 64, freePages: 100, pageTokens: 16))
            context.copies = MergedCopiesSnapshot(capacity: 1, ready: [AdapterID(rawValue: 1)])
            let expected = try pair.inline.plan(queue.requests, in: context)
            #expect(try pair.isolated.plan(queue.requests, in: context) == expected)
        }
    }

    @Test(arguments: ["adapter-aware-dispatch", "consolidating-dispatch", "round-robin"])
    func dispatch(type: String) throws {
        let pair = try policies.pair(type, as: (any DispatchPolicy).self)
        #expect(pair.isolated.placementInterval == pair.inline.placementInterval)
        var generator = SeededGenerator(seed: 6)
        var fleet = DispatchFleet(replicas: 4, adapterBytes: 100)
        for id in 1...8 as ClosedRange<UInt32> { fleet.add(id, bytes: 20, on: [Int(id) % 4]) }
        for round in 0..<100 {
            var replicas = fleet.snapshot.replicas.map(\.load)
            for index in replicas.indices {
                replicas[index].waitingRequests = Int.random(in: 0...9, using: &generator)
                replicas[index].pendingTime = .milliseconds(
                    Int.random(in: 0...900, using: &generator))
            }
            let adapter = UInt32.random(in: 0...8, using: &generator)
            let expected = try pair.inline.choose(adapter, among: replicas, at: round)
            #expect(try pair.isolated.choose(adapter, among: replicas, at: round) == expected)
            guard round % 20 == 0 else { continue }
            fleet.advance(to: round)
            #expect(
                try pair.isolated.place(in: fleet.snapshot) == pair.inline.place(in: fleet.snapshot)
            )
        }
    }

    @Test func residency() throws {
        let pair = try policies.pair("scored-residency", as: (any ResidencyPolicy).self)
        var generator = SeededGenerator(seed: 7)
        for round in 1...100 {
            let now = Instant(nanoseconds: Int64(round) * 1_000_000_000)
            let candidates = (1...8).map { id in
                var adapter = AdapterSnapshot(
                    id: AdapterID(rawValue: UInt32(id)),
                    bytes: Int.random(in: 1...1 << 20, using: &generator),
                    lastUse: Instant(
                        nanoseconds: Int64.random(in: 0...now.nanoseconds, using: &generator)))
                adapter.uses = Int.random(in: 0...50, using: &generator)
                adapter.loadTime = .milliseconds(Int.random(in: 0...90, using: &generator))
                return adapter
            }
            let expected = try pair.inline.evict(from: candidates.span, at: now)
            #expect(try pair.isolated.evict(from: candidates.span, at: now) == expected)
        }
    }

    @Test(arguments: ["greedy-migration", "ilp-migration"])
    func migration(type: String) throws {
        let pair = try policies.pair(type, as: (any MigrationPolicy).self)
        var fleet = DispatchFleet(replicas: 3, adapterBytes: 1_000, at: 10)
        for id in 1...4 as ClosedRange<UInt32> { fleet.add(id, bytes: 20, on: [0]) }
        var snapshot = fleet.snapshot
        snapshot.replicas[0].load.waitingRequests = 12
        snapshot.replicas[0].load.pendingTime = .seconds(20)
        for id in 1...12 {
            var request = RequestSnapshot(
                id: RequestID(rawValue: UInt64(id)),
                adapter: AdapterID(rawValue: UInt32(id % 4 + 1)),
                arrival: Instant(nanoseconds: Int64(id)), promptTokens: 50)
            request.maximumTokens = 100
            snapshot.requests.append(
                FleetRequest(request: request, replica: ReplicaID(rawValue: 0)))
        }
        let loads = snapshot.replicas.map(\.load)
        #expect(
            pair.isolated.isDue(among: loads.span, at: snapshot.now)
                == pair.inline.isDue(among: loads.span, at: snapshot.now))
        let expected = try plan(pair.inline, snapshot)
        #expect(try plan(pair.isolated, snapshot) == expected)
    }

    private func plan(
        _ policy: any MigrationPolicy, _ fleet: FleetSnapshot
    ) throws(PolicyError) -> MigrationPlan {
        switch try policy.propose(for: fleet) {
        case .none: MigrationPlan()
        case .plan(let plan): plan
        case .solve(let solve): try solve()
        @unknown default: throw PolicyError("the proposal is of an unknown sort")
        }
    }

    @Test func anIsolatedPolicyConforms() throws {
        let kit = PolicyConformance(seed: 1, rounds: 15)
        #expect(
            kit.fairness { seed in
                try policies.make("credit-fairness", as: (any FairnessPolicy).self, seed: seed)
            } == [])
        #expect(
            kit.residency { seed in
                try policies.make("scored-residency", as: (any ResidencyPolicy).self, seed: seed)
            } == [])
    }
}
