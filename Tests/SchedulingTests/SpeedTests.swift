// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Testing

/// Prints how fast decisions are made; asserts nothing about time.
@Suite(.serialized)
struct SpeedTests {
    @Test(arguments: ["built-in", "shuffling", "sharing"])
    func stepsOfABusyReplica(policies: String) {
        var configuration = ReplicaConfiguration(
            id: replica(0), batchRequests: 32, batchTokens: 512, pages: 8_192,
            adapterBytes: 1_000)
        configuration.containment.budget = .seconds(60)
        configuration.sharesPrefixes = policies == "sharing"
        configuration.stallBudget = policies == "sharing" ? .milliseconds(100) : nil
        var chosen = ReplicaPolicies()
        if policies == "shuffling" {
            chosen.fairness = .init(name: "spiteful", policy: SpitefulFairness())
            chosen.batching = .init(
                name: "fcfs", policy: FirstComeFirstServedBatching())
        }
        var scheduler = ReplicaScheduler(configuration, policies: chosen, clock: { .start })
        for id in 1...16 as ClosedRange<UInt32> {
            _ = scheduler.register(
                AdapterDescription(id: adapter(id), bytes: 10, rank: 16), at: .start)
        }
        var nextID: UInt64 = 1
        var steps = 0
        let began = ContinuousClock.now
        while steps < 500 {
            while scheduler.backlog.requests < 1_032 {
                submit(nextID, to: &scheduler)
                nextID += 1
            }
            guard let plan = scheduler.planStep(at: .start) else { break }
            _ = scheduler.complete(
                StepOutcome(number: plan.number, stepTime: .milliseconds(20)), at: .start)
            steps += 1
        }
        let took = began.duration(to: .now)
        print("\(policies): \(took / max(1, steps)) per step, \(nextID) requests")
        #expect(steps == 500)
    }

    private func submit(_ id: UInt64, to scheduler: inout ReplicaScheduler) {
        var new = NewRequest(
            id: request(id), adapter: adapter(UInt32(id % 17)), arrival: .start,
            promptTokens: 100)
        new.maximumTokens = 64
        new.prompt = (0..<100).map { $0 < 80 ? $0 : Int32(truncatingIfNeeded: id) }
        _ = scheduler.submit(new, at: .start)
        for action in scheduler.takeActions() {
            guard case .load(let adapter) = action else { continue }
            _ = scheduler.adapterLoaded(adapter, bytes: 10, time: .milliseconds(1), at: .start)
        }
    }

    @Test(arguments: [8, 1_000])
    func dispatchOverManyReplicas(count: Int) {
        let replicas = (0..<count).map { index in
            ReplicaScheduler(
                ReplicaConfiguration(
                    id: replica(index), batchRequests: 32, batchTokens: 512, pages: 4_096,
                    adapterBytes: 1_000),
                clock: { .start })
        }
        var fleet = Fleet(
            replicas: replicas, limits: FleetLimits(queue: 1_000_000, contextLength: 4_096),
            clock: { .start })
        for id in 1...64 as ClosedRange<UInt32> {
            _ = fleet.register(
                AdapterDescription(id: adapter(id), bytes: 100, rank: 16), at: .start)
        }
        let requests = 1_000
        let began = ContinuousClock.now
        for id in 1...UInt64(requests) {
            let new = NewRequest(
                id: request(id), adapter: adapter(UInt32(id % 65)), arrival: .start,
                promptTokens: 100)
            _ = fleet.submit(new, at: .start)
        }
        let took = began.duration(to: .now)
        print("dispatch over \(count) replicas: \(took / requests) per request")
        #expect(fleet.counters.accepted == requests)
    }
}
