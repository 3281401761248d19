// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Testing

/// Which pages requests share, and when, on pages of four tokens.
struct PrefixSharingTests {
    /// A replica with what a test needs to drive it.
    private struct Bench {
        var scheduler: ReplicaScheduler

        init(
            pages: Int = 32, tokens: Int = 64, requests: Int = 4,
            batching: (any BatchingPolicy)? = nil
        ) {
            var configuration = ReplicaConfiguration(
                id: replica(0), batchRequests: requests, batchTokens: tokens, pages: pages,
                adapterBytes: 100)
            configuration.pageTokens = 4
            configuration.sharesPrefixes = true
            var policies = ReplicaPolicies()
            policies.batching = batching.map { NamedPolicy(name: "test", policy: $0) }
            scheduler = ReplicaScheduler(configuration, policies: policies, clock: { .start })
            for id in 1...3 as ClosedRange<UInt32> {
                _ = scheduler.register(
                    AdapterDescription(id: adapter(id), bytes: 10, rank: 8), at: .start)
            }
        }

        mutating func submit(
            _ id: UInt64, _ prompt: [Int32], most: Int = 1, on adapter: AdapterID = .base,
            variant: UInt64 = 0, undivided: Bool = false
        ) {
            var new = NewRequest(
                id: request(id), adapter: adapter, arrival: .start, promptTokens: prompt.count)
            new.prompt = prompt
            new.maximumTokens = most
            new.variant = variant
            new.isUndivided = undivided
            #expect(scheduler.submit(new, at: .start) == nil)
            for action in scheduler.takeActions() {
                guard case .load(let id) = action else { continue }
                _ = scheduler.adapterLoaded(id, bytes: 10, time: .milliseconds(1), at: .start)
            }
        }

        /// Lets a step that wants to be merged run unmerged, upon which the copy is built.
        mutating func buildCopy(of adapter: AdapterID) {
            submit(99, [1], on: adapter)
            step()
        }

        /// Runs a step in which every request draws the token 7.
        ///
        /// - Returns: each entry as `[id, position, tokens]`, and the pages of each.
        @discardableResult
        mutating func step() -> (rows: [[Int]], pages: [[Int32]]) {
            guard let plan = scheduler.planStep(at: .start) else { return ([], []) }
            var outcome = StepOutcome(number: plan.number, stepTime: .milliseconds(1))
            for entry in plan.entries where entry.samples { outcome.tokens[entry.id] = [7] }
            _ = scheduler.complete(outcome, at: .start)
            for case .build(let id) in scheduler.takeMergeActions() {
                scheduler.copyBuilt(id, bytes: 1, time: .milliseconds(1), at: .start)
            }
            #expect(scheduler.inconsistencies() == [])
            let rows = plan.entries.map { [Int($0.id.rawValue), $0.position, $0.tokens] }
            return (rows, plan.entries.map(\.pages))
        }
    }

    private let prompt: [Int32] = Array(100..<110)

    @Test
    func whoBeginsAlikeSharesTheFullPages() {
        var bench = Bench()
        bench.submit(1, prompt, most: 9)
        let first = bench.step()
        bench.submit(2, prompt, most: 9)
        let second = bench.step()
        #expect(first.rows == [[1, 0, 10]])
        #expect(second.rows == [[1, 10, 1], [2, 8, 2]])
        #expect(second.pages[1].prefix(2) == first.pages[0].prefix(2))
        #expect(second.pages[1][2] != first.pages[0][2], "the page that is written is its own")
        #expect(bench.scheduler.pages.usedPages == 4)
        #expect(bench.scheduler.pages.wastedTokens == 1 + 2)
        let counters = bench.scheduler.counters
        #expect((counters.prefixQueryTokens, counters.prefixHitTokens) == (20, 8))
        #expect(counters.promptTokens == 12, "only what was computed")
    }

    /// A prompt after `100, 101, …, 109`, on the base or an adapter, and where it begins.
    @Test(arguments: [
        (Array(100..<110), 0, 8), (Array(100..<109), 0, 8), (Array(100..<108), 0, 4),
        (Array(100..<105), 0, 4), (Array(100..<104), 0, 0), (Array(100..<140), 0, 8),
        (Array(100..<107) + [0, 0, 0], 0, 4), ([0] + Array(101..<110), 0, 0),
        (Array(104..<110), 0, 0), (Array(100..<110), 1, 0), ([100], 0, 0),
    ])
    func onlyTheSameTokensOnTheSameWeightsAreShared(
        prompt: [Int32], on number: UInt32, from start: Int
    ) {
        var bench = Bench()
        bench.submit(1, self.prompt)
        bench.step()
        bench.submit(2, prompt, on: adapter(number))
        #expect(bench.step().rows == [[2, start, prompt.count - start]])
    }

    @Test
    func pagesOfAdaptersAreSharedOnTheirOwnGenerationOnly() {
        var bench = Bench()
        for id in 1...3 as ClosedRange<UInt32> { bench.submit(UInt64(id), prompt, on: adapter(id)) }
        bench.step()
        for id in 1...3 as ClosedRange<UInt32> {
            bench.submit(10 + UInt64(id), prompt, on: adapter(id))
        }
        #expect(bench.step().rows == [[11, 8, 2], [12, 8, 2], [13, 8, 2]])
        #expect(bench.scheduler.pages.cachedPages == 6)
    }

    @Test
    func pagesOfOneVariantAreNotSharedWithAnother() {
        var bench = Bench()
        for id in 1...3 as ClosedRange<UInt64> {
            bench.submit(id, prompt, on: adapter(1), variant: id)
            #expect(bench.step().rows == [[Int(id), 0, 10]])
        }
        bench.submit(12, prompt, on: adapter(1), variant: 2)
        #expect(bench.step().rows == [[12, 8, 2]])
        #expect(bench.scheduler.pages.cachedPages == 6)
        bench.scheduler.retire(adapter(1), at: .start)
        #expect(bench.scheduler.pages.cachedPages == 0, "all variants go with the adapter")
    }

    @Test
    func aPromptThatMayNotBeCutSharesNothing() {
        var bench = Bench()
        bench.submit(1, prompt)
        bench.step()
        bench.submit(2, prompt, undivided: true)
        #expect(bench.step().rows == [[2, 0, 10]])
    }

    @Test
    func pagesStayWhenTheLastWhoUsedThemIsGoneAndCountAsFree() {
        var bench = Bench(pages: 8)
        bench.submit(1, prompt)
        bench.step()
        #expect(bench.scheduler.backlog.requests == 0)
        #expect(bench.scheduler.pages.cachedPages == 2)
        #expect(bench.scheduler.pages.freePages == 8)
        bench.submit(2, prompt)
        #expect(bench.step().rows == [[2, 8, 2]])
    }

    @Test
    func theLongestUnusedLeaveFirstAndEndsBeforeBeginnings() {
        var bench = Bench(pages: 5)
        bench.submit(1, Array(10..<22))
        bench.step()
        bench.submit(2, Array(50..<55))
        bench.step()
        #expect(bench.scheduler.pages.cachedPages == 4)
        // Two of five pages are needed: one is free, one is the end of the oldest prefix.
        bench.submit(3, Array(90..<95))
        bench.step()
        bench.submit(4, Array(10..<22))
        #expect(bench.step().rows == [[4, 8, 4]])
    }

    @Test
    func mergedStepsLeaveNothingToOthers() {
        var bench = Bench(batching: Merging(steps: Set(0..<10)))
        bench.buildCopy(of: adapter(1))
        bench.submit(1, prompt, on: adapter(1))
        bench.step()
        bench.submit(2, prompt, on: adapter(1))
        #expect(bench.step().rows == [[2, 0, 10]])
        #expect(bench.scheduler.pages.cachedPages == 0)
    }

    @Test
    func whatFollowsAMergedStepIsNotSharedEither() {
        var bench = Bench(tokens: 5, batching: Merging(steps: [0, 2]))
        bench.buildCopy(of: adapter(1))
        bench.submit(1, Array(1..<20), on: adapter(1))
        for _ in 0..<4 { bench.step() }
        bench.submit(2, Array(1..<20), on: adapter(1))
        #expect(bench.step().rows == [[2, 4, 5]], "five tokens were computed unmerged, one page")
    }

    @Test
    func whatWasGeneratedIsSharedToo() {
        var bench = Bench()
        bench.submit(1, prompt, most: 8)
        for _ in 0..<8 { bench.step() }
        bench.submit(2, prompt + [7, 7, 7, 7, 7, 7, 7, 1, 2])
        #expect(bench.step().rows == [[2, 16, 3]], "the last token of an answer is not computed")
    }

    @Test
    func requestsThatComputeTheSameAtOnceKeepOneCopy() {
        var bench = Bench()
        bench.submit(1, prompt, most: 9)
        bench.submit(2, prompt, most: 9)
        #expect(bench.step().rows == [[1, 0, 10], [2, 0, 10]])
        #expect(bench.scheduler.pages.usedPages == 4)
        #expect(
            bench.scheduler.pages.pages(of: request(1)).prefix(2)
                == bench.scheduler.pages.pages(of: request(2)).prefix(2))
    }

    @Test
    func aPromptThatIsHalfDoneGoesOnWithWhatOthersHaveDone() {
        var bench = Bench(tokens: 16)
        bench.submit(1, Array(1..<12), most: 9)
        bench.submit(2, Array(1..<12), most: 9)
        #expect(bench.step().rows == [[1, 0, 11], [2, 0, 5]])
        #expect(bench.step().rows == [[1, 11, 1], [2, 8, 3]])
    }

    @Test
    func aPreemptedRequestFindsItsPagesAgain() {
        var bench = Bench(pages: 6)
        bench.submit(1, Array(1..<5), most: 12)
        bench.submit(2, Array(51..<59), most: 8)
        var rows: [[Int]] = []
        while bench.scheduler.counters.finished < 2 { rows += bench.step().rows }
        #expect(bench.scheduler.counters.preemptions == 1)
        let again = rows.filter { $0[0] == 2 && $0[2] > 1 }
        #expect(again.count == 2 && again[0] == [2, 0, 8])
        #expect(again.last == [2, 8, 5], "\(rows)")
    }

    @Test
    func policiesSeeSharedTokensAsComputed() {
        let watch = Watching()
        var bench = Bench(batching: watch)
        bench.submit(1, prompt)
        bench.step()
        bench.submit(2, prompt)
        _ = bench.step()
        let seen = watch.seen.last?.first
        #expect(seen?.phase == .waiting)
        #expect((seen?.computedTokens, seen?.pendingTokens) == (8, 2))
        #expect(seen?.newPages(computing: 2, pageTokens: 4) == 1)
    }

    @Test
    func theBacklogHoldsOnlyWhatIsLeftToCompute() {
        let watch = Watching()
        watch.holdsBack = true
        var bench = Bench(batching: watch)
        watch.holdsBack = false
        bench.submit(1, prompt)
        bench.step()
        watch.holdsBack = true
        bench.submit(2, prompt)
        #expect(bench.scheduler.backlog.promptTokens == 10)
        #expect(bench.scheduler.planStep(at: .start) == nil)
        #expect(bench.scheduler.backlog.promptTokens == 2)
    }

    @Test
    func whoWaitsDoesNotKeepPagesFromThoseInFront() {
        let watch = Watching()
        var bench = Bench(pages: 6, batching: watch)
        bench.submit(1, Array(1..<14))
        bench.step()
        #expect(bench.scheduler.pages.cachedPages == 3)
        // The one in front needs four pages, which leaves two: too few for the one behind.
        bench.submit(2, Array(51..<65))
        bench.submit(3, Array(1..<14))
        watch.holdsBack = true
        _ = bench.scheduler.planStep(at: .start)
        #expect(bench.scheduler.pages.freePages == 6)
        #expect(bench.scheduler.snapshot(of: request(3))?.computedTokens == 0)
    }

    @Test
    func pagesOfARetiredAdapterAreFreedWithItsLastRequest() {
        var bench = Bench()
        bench.submit(1, prompt, on: adapter(1))
        bench.step()
        bench.submit(2, prompt, most: 3, on: adapter(1))
        bench.step()
        bench.submit(3, prompt, on: adapter(2))
        bench.step()
        bench.scheduler.retire(adapter(1), at: .start)
        #expect(bench.scheduler.pages.cachedPages == 4)
        bench.step()
        #expect(bench.scheduler.backlog.requests == 0)
        #expect(bench.scheduler.pages.cachedPages == 2)
        bench.scheduler.retire(adapter(2), at: .start)
        #expect(bench.scheduler.pages.cachedPages == 0)
        #expect(bench.scheduler.inconsistencies() == [])
    }

    @Test
    func aFailedStepLeavesNothingToOthers() {
        var bench = Bench()
        bench.submit(1, prompt)
        let plan = bench.scheduler.planStep(at: .start)
        _ = bench.scheduler.failStep(plan?.number ?? 0, at: .start)
        #expect(bench.scheduler.pages.cachedPages == 0)
        bench.submit(2, prompt)
        #expect(bench.step().rows == [[2, 0, 10]])
    }

    @Test
    func unknownTokensAreNotShared() {
        var bench = Bench()
        var new = NewRequest(id: request(1), arrival: .start, promptTokens: 10)
        new.prompt = [1, 2, 3]
        new.maximumTokens = 1
        #expect(bench.scheduler.submit(new, at: .start) == nil)
        bench.step()
        #expect(bench.scheduler.pages.cachedPages == 0)
    }
}

/// Wants to merge on the first request's adapter in some steps, and runs nobody else.
private final class Merging: BatchingPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(type: "merging", version: "1.0.0", summary: "Merges for some steps.")
    }

    private let merged: Set<Int>
    private var step = 0

    init(parameters: NoParameters = NoParameters(), seed: UInt64 = 0) { merged = [] }

    init(steps: Set<Int>) { merged = steps }

    func plan(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) throws(PolicyError) {
        defer { step += 1 }
        let tokens = min(requests[0].pendingTokens, context.limits.tokens)
        plan.entries = [.init(index: 0, tokens: tokens)]
        if merged.contains(step) { plan.mode = .merged(requests[0].adapter) }
    }
}

/// Plans as the built-in default does, or nothing, and keeps what it was shown.
private final class Watching: BatchingPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(type: "watching", version: "1.0.0", summary: "Keeps what it sees.")
    }

    var holdsBack = false
    private(set) var seen: [[RequestSnapshot]] = []

    init(parameters: NoParameters = NoParameters(), seed: UInt64 = 0) {}

    func plan(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) throws(PolicyError) {
        seen.append(requests.indices.map { requests[$0] })
        if holdsBack { return }
        try FirstComeFirstServedBatching().plan(requests, in: context, into: &plan)
    }
}
