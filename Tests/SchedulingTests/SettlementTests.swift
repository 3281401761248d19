// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Testing

/// What policies are told, and what becomes of policies that do not do their part.
struct SettlementTests {
    /// Reverses the order and notes what it is told.
    private final class Reversing: FairnessPolicy {
        static var descriptor: PolicyDescriptor {
            PolicyDescriptor(type: "reversing", version: "1.0.0", summary: "Last come, first.")
        }

        var settlements: [ServiceSettlement] = []

        init(parameters: NoParameters = NoParameters(), seed: UInt64 = 0) {}

        func arrange(
            _ requests: Span<RequestSnapshot>, in context: FairnessContext,
            into arrangement: inout FairnessArrangement
        ) throws(PolicyError) {
            arrangement.order.reverse()
        }

        func settle(_ settlement: ServiceSettlement) { settlements.append(settlement) }
    }

    /// Plans as told and notes what it is shown.
    private final class Scripted: BatchingPolicy {
        static var descriptor: PolicyDescriptor {
            PolicyDescriptor(type: "scripted", version: "1.0.0", summary: "Plans as told.")
        }

        var script: (BatchingContext, Int) throws(PolicyError) -> BatchPlan = { _, _ in
            BatchPlan()
        }
        var steps: [StepObservation] = []
        var calls = 0

        init(parameters: NoParameters = NoParameters(), seed: UInt64 = 0) {}

        func plan(
            _ requests: Span<RequestSnapshot>, in context: BatchingContext,
            into plan: inout BatchPlan
        ) throws(PolicyError) {
            calls += 1
            plan = try script(context, requests.count)
        }

        func observe(_ step: StepObservation) { steps.append(step) }
    }

    private func scheduler(
        batching: Scripted? = nil, fairness: Reversing? = nil,
        clock: @escaping PolicyClock = { .start }
    ) -> ReplicaScheduler {
        let configuration = ReplicaConfiguration(
            id: replica(0), batchRequests: 2, batchTokens: 16, pages: 32, adapterBytes: 10)
        var policies = ReplicaPolicies()
        policies.batching = batching.map { .init(name: "scripted", policy: $0) }
        policies.fairness = fairness.map { .init(name: "reversing", policy: $0) }
        var scheduler = ReplicaScheduler(configuration, policies: policies, clock: clock)
        for id in 1...2 as ClosedRange<UInt32> {
            _ = scheduler.register(
                AdapterDescription(id: adapter(id), bytes: 5, rank: 8), at: .start)
        }
        return scheduler
    }

    private func submit(
        _ ids: ClosedRange<UInt64>, on id: UInt32 = 0, to scheduler: inout ReplicaScheduler
    ) {
        for number in ids {
            let new = NewRequest(
                id: request(number), adapter: adapter(id), arrival: .start, promptTokens: 4)
            #expect(scheduler.submit(new, at: .start) == nil)
        }
        for case .load(let id) in scheduler.takeActions() {
            _ = scheduler.adapterLoaded(id, bytes: 5, time: .milliseconds(1), at: .start)
        }
    }

    private func step(
        _ scheduler: inout ReplicaScheduler, at now: Instant = .start
    ) -> StepPlan? {
        guard let plan = scheduler.planStep(at: now) else { return nil }
        _ = scheduler.complete(
            StepOutcome(
                number: plan.number, stepTime: .milliseconds(7), mergeTime: .milliseconds(3)),
            at: now)
        return plan
    }

    @Test
    func fairnessLearnsWhoRanInPlaceOfWhom() {
        let fairness = Reversing()
        var scheduler = scheduler(fairness: fairness)
        submit(1...3, to: &scheduler)
        #expect(step(&scheduler)?.entries.map(\.id) == [request(3), request(2)])
        let settlement = fairness.settlements.first
        #expect(settlement?.displaced.map(\.id) == [request(1)])
        #expect(settlement?.advanced.map(\.id) == [request(3)])
        #expect(settlement?.step.served.map(\.id) == [request(3), request(2)])
        #expect(settlement?.step.promptTokens == 8)
    }

    @Test
    func whoRunsInTurnDisplacesNobody() {
        let batching = Scripted()
        var scheduler = scheduler(batching: batching)
        batching.script = { _, _ in
            BatchPlan(entries: [.init(index: 1, tokens: 4), .init(index: 0, tokens: 4)])
        }
        submit(1...3, to: &scheduler)
        #expect(step(&scheduler)?.entries.map(\.id) == [request(2), request(1)])
        let observed = batching.steps.first
        #expect(observed?.served.map(\.phase) == [.waiting, .waiting])
        #expect(observed?.stepTime == .milliseconds(7))
        #expect(observed?.mergeTime == .milliseconds(3))
    }

    @Test
    func modesReachTheExecutorAndTheNextPlan() {
        let batching = Scripted()
        var modes: [BatchMode] = []
        var scheduler = scheduler(batching: batching)
        batching.script = { context, _ in
            modes.append(context.currentMode)
            return BatchPlan(
                mode: .mixed(AdapterID(rawValue: 1)), entries: [.init(index: 0, tokens: 1)])
        }
        submit(1...1, on: 1, to: &scheduler)
        #expect(step(&scheduler)?.mode == .unmerged)
        scheduler.buildCopies()
        #expect(step(&scheduler)?.mode == .mixed(adapter(1)))
        _ = step(&scheduler)
        #expect(modes == [.unmerged, .unmerged, .mixed(adapter(1))])
        #expect(
            batching.steps.map(\.mode) == [.unmerged] + [.mixed(adapter(1)), .mixed(adapter(1))])
        #expect((scheduler.counters.mixedSteps, scheduler.counters.switches) == (2, 1))
        #expect((scheduler.counters.unmergedInstead, scheduler.counters.merges) == (1, 1))
        #expect(scheduler.costs.merging.observations == 1)
    }

    @Test
    func theAdapterOfAMergedStepStaysWhileItRuns() {
        let batching = Scripted()
        var scheduler = scheduler(batching: batching)
        submit(1...1, on: 1, to: &scheduler)
        submit(2...2, on: 2, to: &scheduler)
        batching.script = { _, _ in
            BatchPlan(
                mode: .mixed(AdapterID(rawValue: 1)), entries: [.init(index: 1, tokens: 1)])
        }
        _ = step(&scheduler)
        scheduler.buildCopies()
        let plan = scheduler.planStep(at: .start)
        #expect(plan?.mode == .mixed(adapter(1)))
        #expect(plan?.entries.map(\.id) == [request(2)])
        #expect(scheduler.cancel(request(1), at: .start) == .now)
        scheduler.retire(adapter(1), at: .start)
        #expect(scheduler.takeActions() == [])
        _ = scheduler.complete(
            StepOutcome(number: 2, stepTime: .milliseconds(1)), at: .start)
        #expect(scheduler.takeActions() == [.unload(adapter(1))])
    }

    @Test
    func whoPlansNothingIsOverruledTheThirdTime() {
        let batching = Scripted()
        var scheduler = scheduler(batching: batching)
        submit(1...1, to: &scheduler)
        for _ in 0..<2 {
            #expect(scheduler.planStep(at: .start) == nil)
            #expect(scheduler.isHoldingBack)
        }
        #expect(step(&scheduler)?.entries.map(\.id) == [request(1)])
        #expect(!scheduler.isHoldingBack)
        #expect(scheduler.policyStatuses[0].lastStrike?.fault == .heldBack)
        #expect((scheduler.counters.emptyPlans, scheduler.counters.forcedSteps) == (3, 1))
        #expect(scheduler.planStep(at: .start) == nil, "the count begins anew")
    }

    @Test
    func anEmptyPlanIsRightWhereNothingCanRun() {
        let batching = Scripted()
        var scheduler = scheduler(batching: batching)
        _ = scheduler.submit(
            NewRequest(id: request(1), adapter: adapter(1), arrival: .start, promptTokens: 4),
            at: .start)
        #expect(scheduler.planStep(at: .start) == nil)
        #expect(!scheduler.isHoldingBack)
        #expect(batching.calls == 0)
    }

    @Test
    func badPlansCostThePolicyItsPlaceAndNoRequest() {
        let batching = Scripted()
        batching.script = { _, count in BatchPlan(entries: [.init(index: count, tokens: 1)]) }
        var scheduler = scheduler(batching: batching)
        submit(1...4, to: &scheduler)
        for _ in 0..<5 { #expect(step(&scheduler)?.entries.count == 2) }
        #expect(batching.calls == 3)
        #expect(scheduler.policyStatuses[0].state == .fallenBack(until: .seconds(30)))
        #expect(scheduler.policyStatuses[0].lastStrike?.fault == .badAnswer)
        _ = step(&scheduler, at: .seconds(30))
        #expect(batching.calls == 4)
        #expect(scheduler.policyStatuses[0].state == .fallenBack(until: .seconds(90)))
    }

    @Test
    func aThrowIsAStrikeAndTheStepGoesOn() {
        let batching = Scripted()
        batching.script = { _, _ throws(PolicyError) in throw PolicyError("out of ideas") }
        var scheduler = scheduler(batching: batching)
        submit(1...1, to: &scheduler)
        #expect(step(&scheduler) != nil)
        #expect(scheduler.policyStatuses[0].lastStrike?.message == "out of ideas")
    }

    @Test
    func aSlowPolicyIsHeardThreeTimes() {
        nonisolated(unsafe) var clock = Instant.start
        let batching = Scripted()
        batching.script = { _, _ in
            clock = clock.advanced(by: .milliseconds(5))
            return BatchPlan(entries: [.init(index: 0, tokens: 1)])
        }
        var scheduler = scheduler(batching: batching, clock: { clock })
        submit(1...2, to: &scheduler)
        let sizes = (0..<4).map { _ in step(&scheduler)?.entries.count }
        #expect(sizes == [1, 1, 1, 2])
        #expect(scheduler.policyStatuses[0].lastStrike?.fault == .overran)
    }

    @Test
    func otherPoliciesTakeOverBetweenSteps() {
        let batching = Scripted()
        var scheduler = scheduler(batching: batching)
        submit(1...1, to: &scheduler)
        #expect(scheduler.planStep(at: .start) == nil)
        scheduler.replacePolicies(ReplicaPolicies(), of: Set(PolicyKind.pipeline))
        #expect(step(&scheduler) != nil)
        #expect(scheduler.policyStatuses[0].name == "fcfs-unmerged")
    }
}
