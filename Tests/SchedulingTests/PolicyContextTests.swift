// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Testing

/// What policies are told besides the requests, and what they may ask for besides a plan.
struct PolicyContextTests {
    /// Serves all in order, remembers what it was told, and prepares a copy if told to.
    private final class Listening: BatchingPolicy {
        static var descriptor: PolicyDescriptor {
            PolicyDescriptor(type: "listening", version: "1.0.0", summary: "Remembers.")
        }

        var prepares: AdapterID?
        var heard: BatchingContext?
        var shown: [RequestSnapshot] = []
        var observed: [StepObservation] = []

        init(parameters: NoParameters = NoParameters(), seed: UInt64 = 0) {}

        func plan(
            _ requests: Span<RequestSnapshot>, in context: BatchingContext,
            into plan: inout BatchPlan
        ) throws(PolicyError) {
            heard = context
            shown = requests.indices.map { requests[$0] }
            plan.entries = requests.indices.map {
                .init(index: $0, tokens: requests[$0].pendingTokens)
            }
            plan.prepares = prepares
        }

        func observe(_ step: StepObservation) { observed.append(step) }
    }

    /// Gives up requests that it is told to.
    private final class GivingUp: FairnessPolicy {
        static var descriptor: PolicyDescriptor {
            PolicyDescriptor(type: "giving-up", version: "1.0.0", summary: "Aborts.")
        }

        var unwanted: Set<RequestID> = []

        init(parameters: NoParameters = NoParameters(), seed: UInt64 = 0) {}

        func arrange(
            _ requests: Span<RequestSnapshot>, in context: FairnessContext,
            into arrangement: inout FairnessArrangement
        ) throws(PolicyError) {
            arrangement.order.reverse()
            arrangement.aborts = requests.indices.filter { unwanted.contains(requests[$0].id) }
        }
    }

    private struct Bench {
        let batching = Listening()
        let fairness = GivingUp()
        var scheduler: ReplicaScheduler

        init() {
            var configuration = ReplicaConfiguration(
                id: replica(0), batchRequests: 4, batchTokens: 64, pages: 64, adapterBytes: 30)
            configuration.mergedCopies = 1
            var policies = ReplicaPolicies()
            policies.batching = .init(name: "listening", policy: batching)
            policies.fairness = .init(name: "giving-up", policy: fairness)
            scheduler = ReplicaScheduler(configuration, policies: policies, clock: { .start })
            var description = AdapterDescription(id: adapter(1), bytes: 5, rank: 8)
            description.weight = 3
            _ = scheduler.register(description, at: .start)
            for id in 1...3 as ClosedRange<UInt64> {
                var new = NewRequest(
                    id: request(id), adapter: id == 1 ? adapter(1) : .base, arrival: .start,
                    promptTokens: 10)
                new.tenantWeight = 2
                new.firstTokenTarget = .milliseconds(7)
                _ = scheduler.submit(new, at: .start)
            }
            for case .load(let id) in scheduler.takeActions() {
                _ = scheduler.adapterLoaded(id, bytes: 5, time: .milliseconds(1), at: .start)
            }
        }

        mutating func complete(_ plan: StepPlan, took time: Duration) -> [RequestID] {
            scheduler.complete(StepOutcome(number: plan.number, stepTime: time), at: .start)
        }
    }

    @Test func requestsCarryWhatTheManifestSaysOfThem() {
        var bench = Bench()
        _ = bench.scheduler.planStep(at: .start)
        let first = bench.batching.shown.last
        #expect(first?.adapterRank == 8)
        #expect(first?.adapterWeight == 3)
        #expect(first?.tenantWeight == 2)
        #expect(first?.firstTokenDeadline == Instant(nanoseconds: 7_000_000))
        #expect(bench.batching.shown.first?.adapterRank == 0)
    }

    @Test func costsAndCopiesAreValues() throws {
        var bench = Bench()
        bench.batching.prepares = adapter(1)
        let planStep = bench.scheduler.planStep(at: .start)
        let plan = try #require(planStep)
        #expect(bench.batching.heard?.costs.observations == 0, "no step is measured yet")
        #expect(plan.mode == .unmerged)
        #expect(bench.scheduler.takeMergeActions() == [.build(adapter(1))])
        _ = bench.complete(plan, took: .milliseconds(20))
        let nextStep = bench.scheduler.planStep(at: .start)
        let next = try #require(nextStep)
        let heard = try #require(bench.batching.heard)
        #expect(heard.copies == MergedCopiesSnapshot(capacity: 1, building: adapter(1)))
        #expect(heard.costs.observations == 1)
        let work = try #require(bench.batching.observed.first).work
        #expect(work.promptTokens == 30)
        #expect(work.rankTokens == 80)
        #expect(bench.batching.observed.first?.servedTokens == [10, 10, 10])
        #expect(heard.costs.time(of: work) == bench.scheduler.costs.steps.predict(work))
        bench.scheduler.copyBuilt(
            adapter(1), bytes: 100, time: .milliseconds(5), at: .start)
        _ = bench.complete(next, took: .milliseconds(20))
        _ = bench.scheduler.planStep(at: .start)
        #expect(bench.batching.heard?.copies.ready == [adapter(1)])
        #expect(bench.batching.heard?.costs.mergeTime == .milliseconds(5))
    }

    @Test func whoIsGivenUpIsGoneAndReported() throws {
        var bench = Bench()
        bench.fairness.unwanted = [request(2)]
        let planStep = bench.scheduler.planStep(at: .start)
        let plan = try #require(planStep)
        #expect(plan.entries.map(\.id) == [request(3), request(1)])
        #expect(bench.scheduler.takeAborted().map(\.id) == [request(2)])
        #expect(bench.scheduler.takeAborted() == [])
        #expect(bench.scheduler.counters.aborted == 1)
        #expect(bench.scheduler.snapshot(of: request(2)) == nil)
        #expect(bench.scheduler.inconsistencies() == [])
    }

    @Test func allMayBeGivenUp() {
        var bench = Bench()
        bench.fairness.unwanted = [request(1), request(2), request(3)]
        #expect(bench.scheduler.planStep(at: .start) == nil)
        #expect(!bench.scheduler.isHoldingBack)
        #expect(bench.scheduler.takeAborted().count == 3)
        #expect(bench.scheduler.snapshots.isEmpty)
    }

    @Test func whoHasGeneratedIsNotGivenUp() throws {
        var bench = Bench()
        let planStep = bench.scheduler.planStep(at: .start)
        let plan = try #require(planStep)
        _ = bench.complete(plan, took: .milliseconds(20))
        bench.fairness.unwanted = [request(2)]
        let nextStep = bench.scheduler.planStep(at: .start)
        let next = try #require(nextStep)
        #expect(next.entries.map(\.id) == [request(1), request(2), request(3)], "arrival order")
        #expect(bench.scheduler.takeAborted() == [])
        let status = bench.scheduler.policyStatuses[1]
        #expect(status.lastStrike?.message.contains("has generated tokens") == true)
    }
}
