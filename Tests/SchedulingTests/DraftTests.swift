// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Testing

/// Steps in which requests verify their own guesses.
struct DraftTests {
    private func scheduler(pages: Int = 16, tokens: Int = 8) -> ReplicaScheduler {
        var configuration = ReplicaConfiguration(
            id: replica(0), batchRequests: 4, batchTokens: tokens, pages: pages, adapterBytes: 10)
        configuration.pageTokens = 4
        return ReplicaScheduler(configuration, clock: { .start })
    }

    private func submit(
        _ id: UInt64, prompt: Int, most: Int, to scheduler: inout ReplicaScheduler
    ) {
        var new = NewRequest(id: request(id), arrival: .start, promptTokens: prompt)
        new.maximumTokens = most
        #expect(scheduler.submit(new, at: .start) == nil)
    }

    private func complete(
        _ plan: StepPlan?, in scheduler: inout ReplicaScheduler, accepted: [RequestID: Int] = [:],
        finished: [RequestID] = []
    ) -> [RequestID] {
        var outcome = StepOutcome(
            number: plan?.number ?? 0, stepTime: .milliseconds(10), finished: finished)
        outcome.accepted = accepted
        return scheduler.complete(outcome, at: .start)
    }

    /// Each entry as `[id, position, tokens, drafts, pages]`.
    private func rows(_ plan: StepPlan?) -> [[Int]]? {
        plan?.entries.map {
            [Int($0.id.rawValue), $0.position, $0.tokens, $0.drafts, $0.pages.count]
        }
    }

    @Test(arguments: [(0, 1), (1, 1), (2, 2), (4, 2), (9, 2), (-3, 1)])
    func whatIsRejectedLeavesNothingBehind(accepted: Int, pages: Int) {
        var scheduler = scheduler()
        submit(1, prompt: 2, most: 20, to: &scheduler)
        let drafts = [request(1): 4]
        let prompt = scheduler.planStep(at: .start, drafts: drafts)
        #expect(rows(prompt) == [[1, 0, 2, 0, 1]], "a prompt has nothing to verify")
        _ = complete(prompt, in: &scheduler)
        let plan = scheduler.planStep(at: .start, drafts: drafts)
        #expect(rows(plan) == [[1, 2, 5, 4, 2]])
        #expect(scheduler.planAhead(at: .start) == nil)
        #expect(complete(plan, in: &scheduler, accepted: [request(1): accepted]) == [])
        let kept = max(0, min(4, accepted))
        #expect(scheduler.pages.usedPages == pages)
        #expect(scheduler.pages.tokens(of: request(1)) == 3 + kept)
        #expect(scheduler.snapshot(of: request(1))?.generatedTokens == 2 + kept)
        #expect(scheduler.snapshot(of: request(1))?.pendingTokens == 1)
        #expect(scheduler.counters.generatedTokens == 2 + kept)
        #expect((scheduler.counters.draftTokens, scheduler.counters.acceptedTokens) == (4, kept))
        #expect(rows(scheduler.planStep(at: .start))?.first?.prefix(3) == [1, 3 + kept, 1])
        #expect(scheduler.inconsistencies() == [])
    }

    @Test
    func draftsTakeWhatThePlanLeaves() {
        var scheduler = scheduler(pages: 5)
        for id in 1...3 as ClosedRange<UInt64> { submit(id, prompt: 2, most: 18, to: &scheduler) }
        _ = complete(scheduler.planStep(at: .start), in: &scheduler)
        let drafts = [request(1): 1, request(2): .max, request(3): 9]
        // 3 rows of 8 tokens, and 2 free pages: five drafts, in the order of the plan.
        let plan = scheduler.planStep(at: .start, drafts: drafts)
        #expect(rows(plan) == [[1, 2, 2, 1, 1], [2, 2, 5, 4, 2], [3, 2, 1, 0, 1]])
    }

    @Test
    func noMoreIsGuessedThanMayBeGenerated() {
        var scheduler = scheduler()
        submit(1, prompt: 2, most: 4, to: &scheduler)
        _ = complete(scheduler.planStep(at: .start), in: &scheduler)
        let plan = scheduler.planStep(at: .start, drafts: [request(1): 5])
        #expect(rows(plan) == [[1, 2, 3, 2, 2]])
        #expect(complete(plan, in: &scheduler, accepted: [request(1): 2]) == [request(1)])
        #expect((scheduler.counters.finished, scheduler.counters.generatedTokens) == (1, 4))
        #expect(scheduler.pages.usedPages == 0)
    }

    @Test
    func aTextThatEndsAmongItsDraftsIsGone() {
        var scheduler = scheduler()
        submit(1, prompt: 2, most: 20, to: &scheduler)
        _ = complete(scheduler.planStep(at: .start), in: &scheduler)
        let plan = scheduler.planStep(at: .start, drafts: [request(1): 3])
        let ended = complete(
            plan, in: &scheduler, accepted: [request(1): 1], finished: [request(1)])
        #expect(ended == [request(1)])
        #expect(scheduler.pages.usedPages == 0)
        #expect(scheduler.inconsistencies() == [])
    }

    @Test
    func aFailedStepEndsWhoVerifies() {
        var scheduler = scheduler()
        submit(1, prompt: 2, most: 20, to: &scheduler)
        _ = complete(scheduler.planStep(at: .start), in: &scheduler)
        let plan = scheduler.planStep(at: .start, drafts: [request(1): 3])
        #expect(scheduler.failStep(plan?.number ?? 0, at: .start) == [request(1)])
        #expect(scheduler.pages.usedPages == 0)
    }
}
