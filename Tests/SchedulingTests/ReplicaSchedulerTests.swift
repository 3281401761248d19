// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Testing

/// The life of requests on the built-in policies.
struct ReplicaSchedulerTests {
    private func scheduler(pages: Int = 16, tokens: Int = 8) -> ReplicaScheduler {
        var configuration = ReplicaConfiguration(
            id: replica(0), batchRequests: 4, batchTokens: tokens, pages: pages, adapterBytes: 10)
        configuration.pageTokens = 4
        return ReplicaScheduler(configuration, clock: { .start })
    }

    private func new(_ id: UInt64, prompt: Int, most: Int) -> NewRequest {
        var new = NewRequest(id: request(id), arrival: .start, promptTokens: prompt)
        new.maximumTokens = most
        return new
    }

    private func complete(
        _ plan: StepPlan?, in scheduler: inout ReplicaScheduler, finished: [RequestID] = []
    ) -> [RequestID] {
        scheduler.complete(
            StepOutcome(
                number: plan?.number ?? 0, stepTime: .milliseconds(10), finished: finished),
            at: .start)
    }

    /// Each entry as `[id, position, tokens, pages, samples]`.
    private func rows(_ plan: StepPlan?) -> [[Int]] {
        (plan?.entries ?? []).map {
            [Int($0.id.rawValue), $0.position, $0.tokens, $0.pages.count, $0.samples ? 1 : 0]
        }
    }

    @Test
    func aPromptIsComputedInChunksAndThenDecoded() {
        var scheduler = scheduler()
        #expect(scheduler.submit(new(1, prompt: 11, most: 3), at: .start) == nil)
        let expected: [[[Int]]] = [
            [[1, 0, 8, 2, 0]], [[1, 8, 3, 3, 1]], [[1, 11, 1, 3, 1]], [[1, 12, 1, 4, 1]],
        ]
        for (index, expectedRows) in expected.enumerated() {
            let plan = scheduler.planStep(at: .start)
            #expect(rows(plan) == expectedRows)
            #expect(plan?.number == index + 1)
            let ended = complete(plan, in: &scheduler)
            #expect(ended == (index == 3 ? [request(1)] : []))
        }
        #expect(scheduler.planStep(at: .start) == nil)
        #expect(scheduler.pages.freePages == 16)
        let counters = scheduler.counters
        #expect(
            (counters.finished, counters.promptTokens, counters.generatedTokens) == (1, 11, 3))
    }

    @Test
    func oneStepIsUnderWayAtATime() {
        var scheduler = scheduler()
        _ = scheduler.submit(new(1, prompt: 4, most: 3), at: .start)
        let plan = scheduler.planStep(at: .start)
        #expect(plan != nil && scheduler.isStepping)
        #expect(scheduler.planStep(at: .start) == nil)
        #expect(!scheduler.isHoldingBack)
        let stranger = StepOutcome(number: 99, stepTime: .seconds(1))
        #expect(scheduler.complete(stranger, at: .start) == [])
        #expect(scheduler.isStepping)
        _ = complete(plan, in: &scheduler)
        #expect(complete(plan, in: &scheduler) == [], "an outcome counts once")
    }

    @Test
    func decodeRowsAndPromptsShareAStep() {
        var scheduler = scheduler()
        _ = scheduler.submit(new(1, prompt: 2, most: 5), at: .start)
        _ = complete(scheduler.planStep(at: .start), in: &scheduler)
        _ = scheduler.submit(new(2, prompt: 20, most: 5), at: .start)
        #expect(rows(scheduler.planStep(at: .start)) == [[1, 2, 1, 1, 1], [2, 0, 7, 2, 0]])
    }

    @Test
    func whoFinishesEarlyEndsWithTheStep() {
        var scheduler = scheduler()
        _ = scheduler.submit(new(1, prompt: 2, most: 50), at: .start)
        _ = scheduler.submit(new(2, prompt: 2, most: 50), at: .start)
        let plan = scheduler.planStep(at: .start)
        let finished = [request(2), request(2), request(77)]
        #expect(complete(plan, in: &scheduler, finished: finished) == [request(2)])
        #expect(scheduler.backlog.requests == 1)
        #expect(scheduler.inconsistencies() == [])
    }

    @Test
    func aCancelDuringTheStepWaitsForItsEnd() {
        var scheduler = scheduler()
        _ = scheduler.submit(new(1, prompt: 2, most: 50), at: .start)
        let plan = scheduler.planStep(at: .start)
        _ = scheduler.submit(new(2, prompt: 2, most: 50), at: .start)
        #expect(scheduler.cancel(request(1), at: .start) == .afterStep)
        #expect(scheduler.cancel(request(1), at: .start) == .unknown)
        #expect(scheduler.cancel(request(2), at: .start) == .now)
        #expect(scheduler.cancel(request(3), at: .start) == .unknown)
        #expect(scheduler.pages.usedPages == 1)
        #expect(complete(plan, in: &scheduler, finished: [request(1)]) == [request(1)])
        #expect(scheduler.pages.usedPages == 0)
        #expect((scheduler.counters.cancelled, scheduler.counters.finished) == (2, 0))
    }

    @Test
    func aFailedStepEndsItsRequests() {
        var scheduler = scheduler()
        for id in 1...5 as ClosedRange<UInt64> {
            _ = scheduler.submit(new(id, prompt: 2, most: 9), at: .start)
        }
        let plan = scheduler.planStep(at: .start)
        #expect(scheduler.failStep(plan?.number ?? 0, at: .start).count == 4)
        #expect(scheduler.backlog.requests == 1)
        #expect(rows(scheduler.planStep(at: .start)) == [[5, 0, 2, 1, 1]])
    }

    @Test
    func earlierArrivalsStandInFrontWheneverTheyCome() {
        var scheduler = scheduler()
        for (id, seconds) in [(4, 3.0), (2, 1.0), (3, 1.0), (1, 2.0)] {
            var late = new(UInt64(id), prompt: 1, most: 1)
            late.arrival = .seconds(seconds)
            _ = scheduler.submit(late, at: .seconds(5))
        }
        #expect(rows(scheduler.planStep(at: .seconds(5))).map { $0[0] } == [2, 3, 1, 4])
    }

    @Test(arguments: [
        (0, 1, Refusal.emptyPrompt), (-1, 1, .emptyPrompt), (.min, .min, .emptyPrompt),
        (1, 0, .nothingToGenerate), (1, .min, .nothingToGenerate),
        (60, 6, .doesNotFitInMemory(pages: 17, limit: 16)),
        (.max, .max, .doesNotFitInMemory(pages: .max / 4 + 1, limit: 16)),
        (.max, 1, .doesNotFitInMemory(pages: .max / 4 + 1, limit: 16)),
    ])
    func whatCanNeverBeServedIsRefused(prompt: Int, most: Int, refusal: Refusal) {
        var scheduler = scheduler()
        #expect(scheduler.submit(new(1, prompt: prompt, most: most), at: .start) == refusal)
        #expect(scheduler.backlog.requests == 0)
    }

    @Test
    func aRequestThatFillsAllPagesIsServed() {
        var scheduler = scheduler()
        #expect(scheduler.submit(new(1, prompt: 60, most: 5), at: .start) == nil)
        #expect(
            scheduler.submit(new(1, prompt: 1, most: 1), at: .start)
                == .duplicateRequest(request(1)))
        var steps = 0
        while let plan = scheduler.planStep(at: .start), steps < 100 {
            _ = complete(plan, in: &scheduler)
            steps += 1
        }
        #expect(steps == 12)
        #expect(scheduler.counters.generatedTokens == 5)
    }
}
