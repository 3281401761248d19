// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Testing

/// What happens when pages run out.
struct PreemptionTests {
    private func scheduler(
        pages: Int, policies: ReplicaPolicies = ReplicaPolicies()
    ) -> ReplicaScheduler {
        var configuration = ReplicaConfiguration(
            id: replica(0), batchRequests: 4, batchTokens: 16, pages: pages, adapterBytes: 0)
        configuration.pageTokens = 4
        return ReplicaScheduler(configuration, policies: policies, clock: { .start })
    }

    private func submit(
        _ id: UInt64, prompt: Int, most: Int, to scheduler: inout ReplicaScheduler
    ) {
        var new = NewRequest(id: request(id), arrival: .start, promptTokens: prompt)
        new.maximumTokens = most
        #expect(scheduler.submit(new, at: .start) == nil)
    }

    private func step(_ scheduler: inout ReplicaScheduler) -> StepPlan? {
        guard let plan = scheduler.planStep(at: .start) else { return nil }
        _ = scheduler.complete(
            StepOutcome(number: plan.number, stepTime: .milliseconds(1)), at: .start)
        return plan
    }

    @Test
    func theLastInOrderGivesItsPagesToTheFirst() {
        var scheduler = scheduler(pages: 4)
        submit(1, prompt: 4, most: 9, to: &scheduler)
        submit(2, prompt: 4, most: 9, to: &scheduler)
        for _ in 0..<5 { _ = step(&scheduler) }
        // Both have 8 tokens in 2 pages; the next row of each needs a page and none is free.
        #expect(scheduler.pages.freePages == 0)
        let plan = step(&scheduler)
        #expect(plan?.entries.map(\.id) == [request(1)])
        #expect(scheduler.counters.preemptions == 1)
        let preempted = scheduler.snapshot(of: request(2))
        #expect(preempted?.phase == .waiting)
        #expect(preempted?.promptTokens == 9 && preempted?.computedTokens == 0)
        #expect(preempted?.generatedTokens == 5)
        #expect(preempted?.arrival == .start)
    }

    @Test
    func aPreemptedRequestIsComputedAgainAndGoesOn() {
        var scheduler = scheduler(pages: 4)
        submit(1, prompt: 4, most: 9, to: &scheduler)
        submit(2, prompt: 4, most: 9, to: &scheduler)
        var recomputed: StepEntry?
        for _ in 0..<40 {
            guard let plan = step(&scheduler) else { break }
            let again = plan.entries.first { $0.id == request(2) && $0.position == 0 }
            if plan.number > 1, recomputed == nil { recomputed = again }
        }
        #expect(recomputed?.tokens == 9, "prompt and what had been generated, in one go")
        #expect(recomputed?.samples == true)
        #expect(scheduler.counters.finished == 2)
        #expect(scheduler.counters.generatedTokens == 18, "no token is generated twice")
        #expect(scheduler.pages.freePages == 4)
    }

    @Test
    func halfComputedPromptsCannotBlockOneAnother() {
        var scheduler = scheduler(pages: 4)
        submit(1, prompt: 16, most: 1, to: &scheduler)
        submit(2, prompt: 16, most: 1, to: &scheduler)
        var steps = 0
        while step(&scheduler) != nil, steps < 20 { steps += 1 }
        #expect(scheduler.counters.finished == 2)
    }

    /// Wants adapter 1 served before any other.
    private final class Urgent: FairnessPolicy {
        static var descriptor: PolicyDescriptor {
            PolicyDescriptor(type: "urgent", version: "1.0.0", summary: "Adapter 1 first.")
        }

        init(parameters: NoParameters = NoParameters(), seed: UInt64 = 0) {}

        func arrange(
            _ requests: Span<RequestSnapshot>, in context: FairnessContext,
            into arrangement: inout FairnessArrangement
        ) throws(PolicyError) {
            arrangement.mustServe = [AdapterID(rawValue: 1)]
        }
    }

    @Test
    func anUrgentRequestWithoutPagesDoesNotHoldUpWhoHasThem() {
        var policies = ReplicaPolicies()
        policies.fairness = .init(name: "urgent", policy: Urgent())
        var configuration = ReplicaConfiguration(
            id: replica(0), batchRequests: 4, batchTokens: 6, pages: 2, adapterBytes: 1)
        configuration.pageTokens = 4
        var scheduler = ReplicaScheduler(configuration, policies: policies, clock: { .start })
        _ = scheduler.register(
            AdapterDescription(id: adapter(1), bytes: 1, rank: 8), at: .start)
        submit(1, prompt: 8, most: 1, to: &scheduler)
        #expect(step(&scheduler)?.entries.first?.tokens == 6)
        var urgent = NewRequest(
            id: request(2), adapter: adapter(1), arrival: .seconds(1), promptTokens: 4)
        urgent.maximumTokens = 2
        #expect(scheduler.submit(urgent, at: .start) == nil)
        _ = scheduler.adapterLoaded(adapter(1), bytes: 1, time: .milliseconds(1), at: .start)
        #expect(step(&scheduler)?.entries.map(\.id) == [request(1)])
        #expect(step(&scheduler)?.entries.map(\.id) == [request(2)])
    }

    /// Both policies keep the rules, and together they undo all that is computed.
    @Test
    func policiesThatUndoOneAnotherAreOverruled() {
        var policies = ReplicaPolicies()
        policies.batching = .init(name: "b", policy: SpitefulBatching())
        policies.fairness = .init(name: "f", policy: SpitefulFairness())
        var scheduler = scheduler(pages: 5, policies: policies)
        for id in 1...4 as ClosedRange<UInt64> {
            submit(id, prompt: 18, most: 2, to: &scheduler)
        }
        for _ in 0..<2_000 { _ = step(&scheduler) }
        #expect(scheduler.counters.finished == 4, "\(scheduler.counters)")
        #expect(scheduler.counters.forcedSteps > 0)
        #expect(scheduler.policyStatuses.map(\.strikes) == [0, 0, 0])
    }
}
