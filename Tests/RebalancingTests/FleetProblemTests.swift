// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import TestSupport
import Testing

@testable import Rebalancing

struct FleetProblemTests {
    private static func time(_ milliseconds: Int) -> Instant {
        Instant(nanoseconds: Int64(milliseconds) * 1_000_000)
    }

    /// Replicas with so many requests of ten tokens of output each, all on adapter 1.
    private static func fleet(_ counts: [Int], isMeasured: Bool = true) -> FleetSnapshot {
        var fleet = FleetSnapshot(now: time(0))
        fleet.handoverSecondsPerToken = 0
        var adapter = FleetAdapter(id: AdapterID(rawValue: 1), bytes: 10)
        adapter.holders = [ReplicaID(rawValue: 0)]
        fleet.adapters = [adapter]
        var number: UInt64 = 0
        for (index, count) in counts.enumerated() {
            var load = ReplicaSnapshot(id: ReplicaID(rawValue: index))
            load.totalPages = 100
            load.batchRequests = 4
            var replica = FleetReplica(load: load)
            replica.adapterBytes = 100
            if isMeasured {
                replica.costs.observations = 10
                replica.costs.perStep = 0.04
                replica.costs.perDecodeToken = 0.01
                replica.costs.perPromptToken = 0.001
            }
            fleet.replicas.append(replica)
            for _ in 0..<count {
                number += 1
                var request = RequestSnapshot(
                    id: RequestID(rawValue: number), adapter: adapter.id, arrival: time(0),
                    promptTokens: 20)
                request.maximumTokens = 10
                fleet.requests.append(
                    FleetRequest(request: request, replica: ReplicaID(rawValue: index)))
            }
        }
        return fleet
    }

    @Test
    func requestsCostWhatTheReplicaHasMeasured() throws {
        let problem = try #require(RebalancingProblem(Self.fleet([2, 0]), RebalancingSettings()))
        #expect(problem.requests.count == 2)
        // 20 prompt tokens, ten tokens of output, each with a quarter of a step.
        #expect(abs(problem.requests[0].seconds - (0.02 + 10 * (0.01 + 0.01))) < 1e-9)
        #expect(abs(problem.requests[0].moveSeconds - 0.005) < 1e-9)
        #expect(problem.adapters[0].holders == [0])
    }

    @Test
    func runningRequestsCostWhatTheyHaveUnlessItIsHandedOver() throws {
        var fleet = Self.fleet([2, 0])
        fleet.requests[0].request.phase = .decoding
        fleet.requests[0].request.computedTokens = 20
        fleet.requests[1] = fleet.requests[0]
        fleet.requests[1].request.id = RequestID(rawValue: 9)
        fleet.requests[1].isHandoverPossible = false
        let problem = try #require(RebalancingProblem(fleet, RebalancingSettings()))
        #expect(abs(problem.requests[0].moveSeconds - 0.005) < 1e-9)
        #expect(abs(problem.requests[1].moveSeconds - 0.025) < 1e-9)
        #expect(problem.requests[0].pages == 2)
    }

    @Test
    func onlyTheBusiestAndTheIdlestTakePart() throws {
        var settings = RebalancingSettings()
        settings.pairs = 1
        let problem = try #require(
            RebalancingProblem(Self.fleet([2, 9, 1, 3, 4]), settings))
        #expect(problem.replicas.map(\.id.rawValue) == [1, 2])
        #expect(problem.requests.count == 10)
        #expect(RebalancingProblem(Self.fleet([3]), settings) == nil)
    }

    @Test(arguments: [true, false])
    func plansAreValidAndEvenLoadsOut(isMeasured: Bool) throws {
        let fleet = Self.fleet([8, 0, 1], isMeasured: isMeasured)
        var settings = RebalancingSettings()
        settings.movePenalty = 0
        let problem = try #require(RebalancingProblem(fleet, settings))
        let plan = problem.plan(for: GreedySolver.solve(problem))
        #expect(plan.violation(in: fleet) == nil)
        #expect(plan.requests.count == 5)
        #expect(plan.adapters.count { $0.kind == .load } == 2)
        #expect(plan.requests.allSatisfy { $0.source.rawValue == 0 })
    }

    // MARK: - When

    private struct State {
        var pending: [Int]
        var waiting: [Int]
        var free = [50, 50]
    }

    @Test(
        arguments: [
            (State(pending: [2_000, 0], waiting: [3, 0]), true),
            // Nobody waits there, or the others are as late.
            (State(pending: [2_000, 0], waiting: [0, 3]), false),
            (State(pending: [2_000, 1_500], waiting: [3, 3]), false),
            (State(pending: [0, 0], waiting: [0, 0], free: [5, 50]), true),
            (State(pending: [0, 0], waiting: [0, 0], free: [5, 20]), false),
            (State(pending: [0, 0], waiting: [0, 0], free: [11, 90]), false),
        ] as [(State, Bool)])
    private func queueDelayAndMemoryTrigger(state: State, expected: Bool) {
        let trigger = RebalancingTrigger(
            queueDelay: .milliseconds(500), memory: 0.1, coolDown: .seconds(1))
        #expect(trigger.isDue(among: Self.replicas(state).span, at: Self.time(0)) == expected)
    }

    private static func replicas(_ state: State) -> [ReplicaSnapshot] {
        state.pending.indices.map { index in
            var replica = ReplicaSnapshot(id: ReplicaID(rawValue: index))
            replica.pendingTime = .milliseconds(state.pending[index])
            replica.waitingRequests = state.waiting[index]
            replica.freePages = state.free[index]
            replica.totalPages = 100
            return replica
        }
    }

    @Test
    func nothingIsAskedBeforeTheCoolDown() {
        var trigger = RebalancingTrigger(
            queueDelay: .milliseconds(500), memory: 0.1, coolDown: .seconds(1))
        let late = Self.replicas(State(pending: [2_000, 0], waiting: [3, 0]))
        func isDue(_ milliseconds: Int) -> Bool {
            trigger.isDue(among: late.span, at: Self.time(milliseconds))
        }
        trigger.propose(at: Self.time(0))
        #expect(!isDue(999) && isDue(1_000))
        var outcome = MigrationOutcome()
        outcome.skipped = 2
        trigger.observe(outcome, at: Self.time(1_000))
        #expect(!isDue(4_999) && isDue(5_000))
        outcome.handedOver = 1
        trigger.observe(outcome, at: Self.time(5_000))
        #expect(!isDue(5_999) && isDue(6_000))
    }
}
