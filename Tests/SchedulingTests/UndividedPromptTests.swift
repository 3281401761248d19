// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Testing

/// Prompts that must be computed in one iteration, on pages of four tokens.
struct UndividedPromptTests {
    private func scheduler(
        pages: Int = 32, tokens: Int = 16, batching: (any BatchingPolicy)? = nil
    ) -> ReplicaScheduler {
        var configuration = ReplicaConfiguration(
            id: replica(0), batchRequests: 4, batchTokens: tokens, pages: pages, adapterBytes: 10)
        configuration.pageTokens = 4
        var policies = ReplicaPolicies()
        policies.batching = batching.map { NamedPolicy(name: "test", policy: $0) }
        return ReplicaScheduler(configuration, policies: policies, clock: { .start })
    }

    private func new(
        _ id: UInt64, prompt: Int, most: Int = 1, undivided: Bool = true
    ) -> NewRequest {
        var new = NewRequest(
            id: request(id), arrival: .seconds(Double(id)), promptTokens: prompt)
        new.maximumTokens = most
        new.isUndivided = undivided
        return new
    }

    /// Each entry of the next step as `[id, position, tokens]`; the step is carried out.
    private func step(_ scheduler: inout ReplicaScheduler) -> [[Int]] {
        guard let plan = scheduler.planStep(at: .seconds(100)) else { return [] }
        _ = scheduler.complete(
            StepOutcome(number: plan.number, stepTime: .milliseconds(1)), at: .seconds(100))
        #expect(scheduler.inconsistencies() == [])
        return plan.entries.map { [Int($0.id.rawValue), $0.position, $0.tokens] }
    }

    @Test func itWaitsUntilThereIsRoomForAllOfIt() {
        var scheduler = scheduler()
        for request in [new(1, prompt: 10, undivided: false), new(2, prompt: 10)] {
            #expect(scheduler.submit(request, at: .start) == nil)
        }
        #expect(step(&scheduler) == [[1, 0, 10]])
        #expect(step(&scheduler) == [[2, 0, 10]])
    }

    @Test func nobodyOvertakesIt() {
        var scheduler = scheduler()
        let requests = [
            new(1, prompt: 2, most: 3, undivided: false), new(2, prompt: 15),
            new(3, prompt: 2, undivided: false),
        ]
        for request in requests { #expect(scheduler.submit(request, at: .start) == nil) }
        #expect(step(&scheduler) == [[1, 0, 2]])
        #expect(step(&scheduler) == [[1, 2, 1], [2, 0, 15]])
        #expect(step(&scheduler) == [[1, 3, 1], [3, 0, 2]])
    }

    @Test func itIsRefusedWhereNoIterationHoldsIt() {
        var scheduler = scheduler()
        #expect(
            scheduler.submit(new(1, prompt: 17), at: .start) == .undividedPromptTooLong(limit: 16))
        #expect(scheduler.submit(new(2, prompt: 17, undivided: false), at: .start) == nil)
        #expect(scheduler.submit(new(3, prompt: 16), at: .start) == nil)
    }

    /// What was generated before may be computed in another iteration.
    @Test func afterAPreemptionOnlyThePromptStaysWhole() {
        var scheduler = scheduler(pages: 9, tokens: 12)
        _ = scheduler.submit(new(1, prompt: 4, most: 30, undivided: false), at: .start)
        _ = scheduler.submit(new(2, prompt: 11, most: 20), at: .start)
        var rows: [[Int]] = []
        while scheduler.backlog.requests > 0, rows.count < 200 { rows += step(&scheduler) }
        let own = rows.filter { $0[0] == 2 }
        let beginnings = own.filter { $0[1] == 0 }
        #expect(beginnings.count > 1, "it was preempted")
        #expect(beginnings.allSatisfy { $0[2] >= 11 })
        #expect(scheduler.counters.finished == 2)
    }

    /// The stall budget cuts what can be cut.
    @Test func theStallBudgetDoesNotCutIt() {
        var limits = BatchLimits(requests: 4, tokens: 6, freePages: 32, pageTokens: 4)
        limits.undividedTokens = 16
        var whole = RequestSnapshot(
            id: request(1), adapter: .base, arrival: .start, promptTokens: 12)
        whole.undividedTokens = 12
        let cut = RequestSnapshot(id: request(2), adapter: .base, arrival: .start, promptTokens: 12)
        func fill(_ requests: [RequestSnapshot]) -> [BatchPlan.Entry] {
            let entries = BatchFilling(requests.span, limits: limits).entries
            let plan = BatchPlan(entries: entries)
            #expect(plan.violation(for: requests.span, under: limits) == nil)
            return entries
        }
        #expect(fill([whole, cut]) == [.init(index: 0, tokens: 12)])
        #expect(fill([cut, whole]) == [.init(index: 0, tokens: 6)])
        let short = BatchPlan(entries: [.init(index: 0, tokens: 11)])
        #expect(short.violation(for: [whole].span, under: limits) != nil)
        limits.undividedTokens = 11
        #expect(fill([whole, cut]) == [], "it is not overtaken")
    }

    /// Cuts every prompt, and knows nothing of those that may not be.
    private final class Cutting: BatchingPolicy {
        static var descriptor: PolicyDescriptor {
            PolicyDescriptor(type: "cutting-batching", version: "1.0.0", summary: "Cuts prompts.")
        }

        init(parameters: NoParameters = NoParameters(), seed: UInt64 = 0) {}

        func plan(
            _ requests: Span<RequestSnapshot>, in context: BatchingContext,
            into plan: inout BatchPlan
        ) throws(PolicyError) {
            plan.entries = requests.indices.prefix(4).map { .init(index: $0, tokens: 1) }
        }
    }

    @Test func aPlanThatCutsItIsMadeWhole() {
        var scheduler = scheduler(batching: Cutting())
        for request in [new(1, prompt: 9), new(2, prompt: 3, undivided: false)] {
            #expect(scheduler.submit(request, at: .start) == nil)
        }
        #expect(step(&scheduler) == [[1, 0, 9], [2, 0, 1]])
        #expect(scheduler.policyStatuses.allSatisfy { $0.strikes == 0 })
    }

    /// Beside three streams there is never room for it, and the policy does not care.
    @Test func whereItFindsNoRoomTheDefaultTakesOverUntilItHasRun() {
        var scheduler = scheduler(tokens: 6, batching: Cutting())
        var id: UInt64 = 10
        func stream() -> NewRequest {
            id += 1
            return new(id, prompt: 1, most: 20, undivided: false)
        }
        for _ in 0..<3 { #expect(scheduler.submit(stream(), at: .start) == nil) }
        var late = new(1, prompt: 6)
        late.arrival = .seconds(50)
        #expect(scheduler.submit(late, at: .start) == nil)
        var steps = 0
        while scheduler.snapshot(of: request(1)) != nil, steps < 200 {
            #expect(!step(&scheduler).isEmpty)
            steps += 1
            while scheduler.backlog.requests < 4 {
                var next = stream()
                next.arrival = .seconds(60)
                #expect(scheduler.submit(next, at: .start) == nil)
            }
        }
        #expect(scheduler.snapshot(of: request(1)) == nil, "it starves")
        #expect(scheduler.counters.forcedSteps > 0)
    }
}

/// Adapters on which nothing can be merged.
struct UnmergeableTests {
    private final class Merging: BatchingPolicy {
        static var descriptor: PolicyDescriptor {
            PolicyDescriptor(type: "merging", version: "1.0.0", summary: "Merges whatever comes.")
        }

        init(parameters: NoParameters = NoParameters(), seed: UInt64 = 0) {}

        var prepares = false
        private(set) var told: Set<AdapterID> = []

        func plan(
            _ requests: Span<RequestSnapshot>, in context: BatchingContext,
            into plan: inout BatchPlan
        ) throws(PolicyError) {
            told = context.notMergeable
            try FirstComeFirstServedBatching().plan(requests, in: context, into: &plan)
            guard let first = plan.entries.first else { return }
            let adapter = requests[first.index].adapter
            if prepares { plan.prepares = adapter } else { plan.mode = .mixed(adapter) }
        }
    }

    @Test(arguments: [false, true])
    func aPlanThatMergesOnOneIsRefused(prepares: Bool) {
        let policy = Merging()
        policy.prepares = prepares
        var policies = ReplicaPolicies()
        policies.batching = NamedPolicy(name: "merging", policy: policy)
        var scheduler = ReplicaScheduler(
            ReplicaConfiguration(
                id: replica(0), batchRequests: 4, batchTokens: 16, pages: 32, adapterBytes: 10),
            policies: policies, clock: { .start })
        var mixture = AdapterDescription(id: adapter(1), bytes: 4, rank: 8)
        mixture.isMergeable = false
        let plain = AdapterDescription(id: adapter(2), bytes: 4, rank: 8)
        for adapter in [mixture, plain] {
            #expect(scheduler.register(adapter, at: .start) == nil)
        }
        for (id, strikes) in [(2, 0), (1, 1)] as [(UInt32, Int)] {
            var new = NewRequest(
                id: request(UInt64(id)), adapter: adapter(id), arrival: .start, promptTokens: 3)
            new.maximumTokens = 1
            #expect(scheduler.submit(new, at: .start) == nil)
            for case .load(let id) in scheduler.takeActions() {
                _ = scheduler.adapterLoaded(id, bytes: 4, time: .milliseconds(1), at: .start)
            }
            let plan = scheduler.planStep(at: .start)
            #expect(plan?.entries.count == 1 && plan?.mode == .unmerged)
            #expect(policy.told == [adapter(1)])
            #expect(scheduler.policyStatuses[0].strikes == strikes)
            _ = scheduler.complete(
                StepOutcome(number: plan?.number ?? 0, stepTime: .milliseconds(1)), at: .start)
        }
        #expect(
            scheduler.policyStatuses[0].lastStrike?.message.contains("is a mixture") == true)
        #expect(scheduler.takeMergeActions() == [.build(adapter(2))])
    }
}
