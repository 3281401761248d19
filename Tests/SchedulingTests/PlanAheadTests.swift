// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Testing

/// Steps that are planned while the one before is under way.
struct PlanAheadTests {
    private func scheduler(
        pages: Int = 16, requests: Int = 4, tokens: Int = 8,
        policies: ReplicaPolicies = ReplicaPolicies()
    ) -> ReplicaScheduler {
        var configuration = ReplicaConfiguration(
            id: replica(0), batchRequests: requests, batchTokens: tokens, pages: pages,
            adapterBytes: 10)
        configuration.pageTokens = 4
        return ReplicaScheduler(configuration, policies: policies, clock: { .start })
    }

    private func new(_ id: UInt64, prompt: Int, most: Int) -> NewRequest {
        var new = NewRequest(id: request(id), arrival: .start, promptTokens: prompt)
        new.maximumTokens = most
        return new
    }

    private func complete(
        _ number: Int, in scheduler: inout ReplicaScheduler, finished: [RequestID] = [],
        dropped: Set<RequestID> = []
    ) -> [RequestID] {
        var outcome = StepOutcome(
            number: number, stepTime: .milliseconds(10), finished: finished)
        outcome.dropped = dropped
        return scheduler.complete(outcome, at: .start)
    }

    /// Each entry as `[id, position, tokens, samples]`.
    private func rows(_ plan: StepPlan?) -> [[Int]]? {
        plan?.entries.map {
            [Int($0.id.rawValue), $0.position, $0.tokens, $0.samples ? 1 : 0]
        }
    }

    @Test
    func theNextStepCountsOnWhatIsUnderWay() {
        var scheduler = scheduler()
        _ = scheduler.submit(new(1, prompt: 11, most: 3), at: .start)
        #expect(scheduler.planAhead(at: .start) == nil, "ahead of nothing")
        #expect(rows(scheduler.planStep(at: .start)) == [[1, 0, 8, 0]])
        let expected: [[[Int]]] = [[[1, 8, 3, 1]], [[1, 11, 1, 1]], [[1, 12, 1, 1]]]
        for (index, expectedRows) in expected.enumerated() {
            let plan = scheduler.planAhead(at: .start)
            #expect(rows(plan) == expectedRows)
            #expect(plan?.isAhead == true)
            #expect(scheduler.planAhead(at: .start) == nil, "two steps ahead")
            #expect(scheduler.planStep(at: .start) == nil)
            #expect(complete(index + 2, in: &scheduler) == [], "not its turn")
            #expect(complete(index + 1, in: &scheduler) == [])
        }
        #expect(scheduler.planAhead(at: .start) == nil, "its last token is under way")
        #expect(complete(4, in: &scheduler) == [request(1)])
        #expect(scheduler.pages.freePages == 16)
        let counters = scheduler.counters
        #expect((counters.finished, counters.generatedTokens) == (1, 3))
        #expect((counters.aheadSteps, counters.wastedTokens) == (3, 0))
        #expect(scheduler.inconsistencies() == [])
    }

    @Test
    func whoComesDuringAStepRunsInTheNext() {
        var scheduler = scheduler()
        _ = scheduler.submit(new(1, prompt: 2, most: 9), at: .start)
        _ = scheduler.planStep(at: .start)
        _ = scheduler.submit(new(2, prompt: 3, most: 9), at: .start)
        #expect(rows(scheduler.planAhead(at: .start)) == [[1, 2, 1, 1], [2, 0, 3, 1]])
    }

    @Test(arguments: [true, false])
    func whoFinishesEarlyIsPartOfOneMoreStep(isDropped: Bool) {
        var scheduler = scheduler()
        _ = scheduler.submit(new(1, prompt: 2, most: 9), at: .start)
        _ = scheduler.submit(new(2, prompt: 2, most: 9), at: .start)
        _ = scheduler.planStep(at: .start)
        _ = scheduler.planAhead(at: .start)
        #expect(complete(1, in: &scheduler, finished: [request(2)]) == [])
        #expect(scheduler.finish(request(2), at: .start) == .unknown)
        #expect(scheduler.cancel(request(2), at: .start) == .unknown)
        #expect(scheduler.submit(new(2, prompt: 2, most: 9), at: .start) != nil)
        #expect((scheduler.backlog.requests, scheduler.departingRequests) == (1, 1))
        #expect(rows(scheduler.planAhead(at: .start)) == [[1, 3, 1, 1]])
        #expect(scheduler.pages.usedPages == 2)
        let dropped: Set<RequestID> = isDropped ? [request(2)] : []
        #expect(complete(2, in: &scheduler, dropped: dropped) == [request(2)])
        #expect(scheduler.pages.usedPages == 1)
        #expect(scheduler.counters.wastedTokens == (isDropped ? 0 : 1))
        #expect((scheduler.counters.finished, scheduler.counters.generatedTokens) == (1, 3))
        #expect(scheduler.inconsistencies() == [])
    }

    @Test
    func aCancelWaitsForTheLastStepThatHasTheRequest() {
        var scheduler = scheduler()
        _ = scheduler.submit(new(1, prompt: 2, most: 9), at: .start)
        _ = scheduler.planStep(at: .start)
        _ = scheduler.planAhead(at: .start)
        #expect(scheduler.cancel(request(1), at: .start) == .afterStep)
        #expect(complete(1, in: &scheduler) == [])
        #expect(scheduler.pages.usedPages == 1)
        #expect(complete(2, in: &scheduler) == [request(1)])
        #expect(scheduler.pages.usedPages == 0)
        #expect(scheduler.counters.cancelled == 1)
    }

    @Test
    func aStepThatFailsTakesTheOneAheadWithIt() {
        var scheduler = scheduler(requests: 2)
        for id in 1...3 as ClosedRange<UInt64> {
            _ = scheduler.submit(new(id, prompt: 2, most: id == 2 ? 1 : 9), at: .start)
        }
        #expect(rows(scheduler.planStep(at: .start)) == [[1, 0, 2, 1], [2, 0, 2, 1]])
        #expect(rows(scheduler.planAhead(at: .start)) == [[1, 2, 1, 1], [3, 0, 2, 1]])
        #expect(Set(scheduler.failStep(1, at: .start)) == [request(1), request(2)])
        #expect(scheduler.counters.failed == 2)
        #expect(complete(2, in: &scheduler) == [], "it was withdrawn")
        #expect(scheduler.pages.usedPages == 0)
        #expect(rows(scheduler.planStep(at: .start)) == [[3, 0, 2, 1]])
        #expect(scheduler.inconsistencies() == [])
    }

    /// Both need a page and one is free: one of them would have to give up pages under way.
    @Test
    func nobodyLosesPagesThatAStepUses() {
        var scheduler = scheduler(pages: 3)
        _ = scheduler.submit(new(1, prompt: 4, most: 5), at: .start)
        _ = scheduler.submit(new(2, prompt: 4, most: 5), at: .start)
        _ = scheduler.planStep(at: .start)
        #expect(scheduler.planAhead(at: .start) == nil)
        _ = complete(1, in: &scheduler)
        #expect(rows(scheduler.planStep(at: .start)) == [[1, 4, 1, 1]])
        #expect(scheduler.counters.preemptions == 1)
    }

    /// Plans nothing, ever.
    private final class Idle: BatchingPolicy {
        static var descriptor: PolicyDescriptor {
            PolicyDescriptor(type: "idle", version: "1.0.0", summary: "Plans nothing.")
        }

        init(parameters: NoParameters = NoParameters(), seed: UInt64 = 0) {}

        func plan(
            _ requests: Span<RequestSnapshot>, in context: BatchingContext,
            into plan: inout BatchPlan
        ) throws(PolicyError) {}
    }

    @Test
    func aPolicyMayWaitForTheEndOfAStepWithoutBlame() {
        var policies = ReplicaPolicies()
        policies.batching = .init(name: "idle", policy: Idle())
        var scheduler = scheduler(policies: policies)
        _ = scheduler.submit(new(1, prompt: 2, most: 9), at: .start)
        while scheduler.planStep(at: .start) == nil { #expect(scheduler.isHoldingBack) }
        let (strikes, empty) = (
            scheduler.policyStatuses[0].strikes, scheduler.counters.emptyPlans
        )
        for _ in 0..<10 { #expect(scheduler.planAhead(at: .start) == nil) }
        #expect(!scheduler.isHoldingBack)
        #expect(scheduler.policyStatuses[0].strikes == strikes)
        #expect(scheduler.counters.emptyPlans == empty)
    }
}
