// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import PolicyKitTesting
import Testing

/// When `dlora-batching` switches, and how it tunes the thresholds of that.
struct DLoRABatchingTests {
    private let policies: BuiltPolicies

    init() throws { policies = try BuiltPolicies() }

    private func policy(
        _ values: [String: ParameterValue] = [:]
    ) throws -> any BatchingPolicy {
        try policies.batching("dlora-batching", values)
    }

    /// Room for 8 requests; the copies of these adapters are ready.
    private static func context(ready: [UInt32] = [], capacity: Int = 2) -> BatchingContext {
        var context = BatchingContext(
            now: Instant(nanoseconds: 0),
            limits: BatchLimits(requests: 8, tokens: 64, freePages: 100, pageTokens: 4))
        context.copies = MergedCopiesSnapshot(
            capacity: capacity, ready: ready.map { AdapterID(rawValue: $0) })
        return context
    }

    /// 10 ms for each iteration, and 10 µs for each row and rank; 30 ms for a merge.
    private static func measured(_ context: BatchingContext) -> BatchingContext {
        var context = context
        context.costs.observations = 100
        context.costs.perStep = 10e-3
        context.costs.perRankToken = 10e-6
        context.costs.mergeTime = .milliseconds(30)
        return context
    }

    // MARK: - Algorithm 1

    /// With α = 1 and β = 0.5, over a batch of 8 where there are more requests than that.
    @Test(
        arguments: [
            // 9 of 12 requests, a batch of 8: 9 / 8 > 1.
            ([(1, 9), (2, 3)], "merge 1: 9 requests / 8 fcfs = 1.13 > alpha 1.00", true),
            (
                [(1, 8), (2, 3)], "unmerged, most of 1: 8 requests / 8 fcfs = 1.00 <= alpha 1.00",
                false
            ),
            // The base cannot be merged, and the adapter that comes first wins a tie.
            (
                [(0, 20), (2, 3), (1, 3)],
                "unmerged, most of 2: 3 requests / 8 fcfs = 0.38 <= alpha 1.00",
                false
            ),
            ([(0, 20)], "unmerged: no adapter may be merged", false),
        ] as [([(UInt32, Int)], String, Bool)])
    func anAdapterIsMergedAboveAlpha(
        counts: [(UInt32, Int)], reason: String, isMerged: Bool
    ) throws {
        let requests = RequestQueue(counts.map { (adapter: $0.0, count: $0.1) }).requests
        let plan = try policy(["alpha": .number(1), "beta": .number(0.5)])
            .plan(requests, in: Self.context(ready: [1, 2]))
        #expect(plan.reason == reason)
        #expect(plan.mode == (isMerged ? .merged(AdapterID(rawValue: 1)) : .unmerged))
        #expect(plan.entries.map(\.index) == Array(0..<8))
    }

    /// Unmerged, then 9 of 12: merged. Then 4 of 8 is β itself: it stays. Then 3 of 8: unmerged.
    @Test func betweenTheThresholdsTheModeStays() throws {
        let policy = try policy(["alpha": .number(1), "beta": .number(0.5)])
        let context = Self.context(ready: [1])
        func reason(_ first: Int, _ second: Int) throws -> String {
            let requests = RequestQueue([(2, second), (1, first)]).requests
            let plan = try policy.plan(requests, in: context)
            let isMerged = plan.mode == .merged(AdapterID(rawValue: 1))
            #expect(plan.entries.count == (isMerged ? min(8, first) : 8))
            #expect(
                plan.entries.allSatisfy { !isMerged || $0.index >= second }, "others stand still")
            return plan.reason
        }
        #expect(try reason(4, 4) == "unmerged, most of 2: 4 requests / 8 fcfs = 0.50 <= alpha 1.00")
        #expect(try reason(9, 3) == "merge 1: 9 requests / 8 fcfs = 1.13 > alpha 1.00")
        #expect(try reason(4, 4) == "stay merged 1: 4 requests / 8 fcfs = 0.50 >= beta 0.50")
        #expect(try reason(3, 5) == "unmerge 1: 3 requests / 8 fcfs = 0.38 < beta 0.50")
        #expect(try reason(4, 4) == "unmerged, most of 2: 4 requests / 8 fcfs = 0.50 <= alpha 1.00")
    }

    @Test func whoMayNotMergeIsPassedOverAndUnmerged() throws {
        let policy = try policy()
        let requests = RequestQueue([(1, 20), (2, 9)]).requests
        var context = Self.context(ready: [1, 2])
        context.notMergeable = [AdapterID(rawValue: 1)]
        #expect(
            try policy.plan(requests, in: context).reason
                == "merge 2: 9 requests / 8 fcfs = 1.13 > alpha 1.00")
        context.notMergeable = [AdapterID(rawValue: 2), AdapterID(rawValue: 1)]
        let plan = try policy.plan(requests, in: context)
        #expect(plan.reason == "unmerge 2: it may not be merged or has no requests")
        #expect(plan.mode == .unmerged)
    }

    @Test func theArtifactGoesFromOneAdapterToAnother() throws {
        for (variant, expected) in [
            ("paper", ["merge 1", "unmerge 1", "merge 2"]),
            ("artifact", ["merge 1", "merge 2", "stay merged 2"]),
        ] {
            let policy = try policy(["variant": .string(variant)])
            let context = Self.context(ready: [1, 2])
            let first = RequestQueue([(1, 9)]).requests
            let second = RequestQueue([(1, 1), (2, 9)]).requests
            let reasons = try [first, second, second].map {
                try policy.plan($0, in: context).reason
            }
            #expect(reasons.map { String($0.prefix { $0 != ":" }) } == expected)
        }
    }

    @Test func theArtifactMergesAtAlphaItself() throws {
        let policy = try policy(["variant": .string("artifact")])
        let plan = try policy.plan(RequestQueue([(1, 8)]).requests, in: Self.context(ready: [1]))
        #expect(plan.mode == .merged(AdapterID(rawValue: 1)))
    }

    // MARK: - Copies

    @Test func everyoneIsServedWhileACopyIsBuilt() throws {
        let policy = try policy()
        let requests = RequestQueue([(2, 3), (1, 9)]).requests
        let waiting = try policy.plan(requests, in: Self.context())
        #expect(waiting.mode == .unmerged)
        #expect(waiting.entries.map(\.index) == Array(0..<8))
        #expect(waiting.prepares == AdapterID(rawValue: 1))
        #expect(waiting.reason == "prepare 1: 9 requests / 8 fcfs = 1.13 > alpha 1.00")
        // Another gets more requests meanwhile, but the copy is nearly there.
        let others = RequestQueue([(2, 10), (1, 9)]).requests
        #expect(try policy.plan(others, in: Self.context()).prepares == AdapterID(rawValue: 1))
        let ready = try policy.plan(requests, in: Self.context(ready: [1]))
        #expect(ready.mode == .merged(AdapterID(rawValue: 1)))
        #expect(ready.prepares == nil)
    }

    @Test func aCopyThatIsNotWantedAnyMoreIsNotAwaited() throws {
        let policy = try policy()
        _ = try policy.plan(RequestQueue([(1, 9)]).requests, in: Self.context())
        let plan = try policy.plan(RequestQueue([(2, 9), (1, 2)]).requests, in: Self.context())
        #expect(plan.prepares == AdapterID(rawValue: 2))
    }

    @Test func withoutRoomForCopiesNothingIsAwaited() throws {
        let plan = try policy().plan(
            RequestQueue([(1, 9)]).requests, in: Self.context(capacity: 0))
        #expect(plan.mode == .unmerged)
        #expect(plan.prepares == nil)
        #expect(plan.entries.count == 8)
        #expect(plan.reason == "unmerged: there is no room for a merged copy")
    }

    // MARK: - Algorithm 3

    @Test func starvingAdaptersGoFirstAndOthersFillTheBatch() throws {
        let policy = try policy()
        let requests = RequestQueue([(1, 9), (2, 1), (3, 2)]).requests
        var context = Self.context(ready: [1])
        #expect(try policy.plan(requests, in: context).mode == .merged(AdapterID(rawValue: 1)))
        context.mustServe = [3, 9, 2].map { AdapterID(rawValue: $0) }
        let starving = try policy.plan(requests, in: context)
        #expect(starving.mode == .unmerged)
        #expect(starving.entries.map(\.index) == [10, 11, 9, 0, 1, 2, 3, 4])
        #expect(starving.reason == "unmerged, starving first: 3, 2")
        context.mustServe = []
        let after = try policy.plan(requests, in: context)
        #expect(after.reason.hasPrefix("stay merged 1"), "S.state is as it was")
    }

    // MARK: - Algorithm 2

    /// α as the next reason shows it, after some plans in a row on the same requests.
    private static func threshold(_ reason: String) -> String {
        String(reason.split(separator: " ").last ?? "")
    }

    /// 6 of adapter 1 and 2 of adapter 2, rank 8. Unmerged, 8 rows take 10 + 8·8·0.01 = 10.64 ms;
    /// merged, 6 take 10 ms. Over 10 iterations, T_unmerge = 80 / 106.4 ms = 0.752 / ms and
    /// T_merge = 60 / (100 + 30) = 0.462: α grows tenfold by a tenth.
    /// With 8 of one adapter, T_merge = 80 / (100 + 30) = 0.615 < 0.752 too, over 10 iterations. Over
    /// 100 it is 800 / 1030 = 0.777 > 0.752: α falls.
    @Test(
        arguments: [
            ([(1, 6), (2, 2)], 10, "1.10"), ([(1, 8)], 10, "1.10"), ([(1, 8)], 100, "0.95"),
        ] as [([(UInt32, Int)], Int, String)])
    func unmergedPeriodsTuneAlpha(
        counts: [(UInt32, Int)], period: Int, alpha: String
    ) throws {
        let requests = RequestQueue(counts.map { (adapter: $0.0, count: $0.1) }).requests
        let policy = try policy(["period": .integer(Int64(period))])
        let context = Self.measured(Self.context())
        for _ in 0..<period {
            #expect(Self.threshold(try policy.plan(requests, in: context).reason) == "1.00")
        }
        #expect(Self.threshold(try policy.plan(requests, in: context).reason) == alpha)
    }

    /// A ready copy makes the switch free: T_merge = 80 / 100 ms over 10 iterations.
    @Test func aReadyCopyMakesTheSwitchFree() throws {
        let requests = RequestQueue([(1, 8)]).requests
        let policy = try policy(["period": .integer(10)])
        let context = Self.measured(Self.context(ready: [1]))
        for _ in 0..<10 { _ = try policy.plan(requests, in: context) }
        #expect(
            try policy.plan(requests, in: context).reason
                == "merge 1: 8 requests / 8 fcfs = 1.00 > alpha 0.95")
    }

    /// Merged on 1 with 5 of 8 requests: T_merge = 5 / 10 ms, T_unmerge = 8 / 10.64 ms, so β grows:
    /// 0.55, and with 0.65 above 5 / 8 it is left. With 16 requests of adapter 1 there are 8 in both
    /// batches: β falls.
    @Test func mergedPeriodsTuneBeta() throws {
        let policy = try policy(["period": .integer(10), "beta": .number(0.5)])
        let context = Self.measured(Self.context(ready: [1]))
        let many = RequestQueue([(1, 16)]).requests
        let few = RequestQueue([(1, 5), (2, 3)]).requests
        _ = try policy.plan(many, in: context)
        for _ in 0..<29 { _ = try policy.plan(few, in: context) }
        #expect(
            try policy.plan(few, in: context).reason
                == "unmerge 1: 5 requests / 8 fcfs = 0.63 < beta 0.65")
        let other = try self.policy(["period": .integer(10), "beta": .number(0.5)])
        for _ in 0..<10 { _ = try other.plan(many, in: context) }
        #expect(Self.threshold(try other.plan(many, in: context).reason) == "0.45")
    }

    @Test func anotherMostWantedAdapterIsABreakPoint() throws {
        let policy = try policy(["smoothing": .number(1)])
        let context = Self.measured(Self.context())
        let first = RequestQueue([(1, 5), (2, 3)]).requests
        let second = RequestQueue([(1, 3), (2, 5)]).requests
        _ = try policy.plan(first, in: context)
        #expect(Self.threshold(try policy.plan(second, in: context).reason) == "1.00")
        // One iteration is charged 30 ms: α × 1.1, twice.
        #expect(Self.threshold(try policy.plan(first, in: context).reason) == "1.10")
        #expect(Self.threshold(try policy.plan(first, in: context).reason) == "1.21")
    }

    /// The artifact tunes at switches only, and then the other threshold: α after a merged period.
    @Test func theArtifactTunesAlphaAfterMergedPeriods() throws {
        let policy = try policy(["variant": .string("artifact"), "beta": .number(0.5)])
        let context = Self.measured(Self.context(ready: [1]))
        let many = RequestQueue([(1, 16)]).requests
        let few = RequestQueue([(1, 1), (2, 4), (3, 3)]).requests
        for _ in 0..<100 { _ = try policy.plan(many, in: context) }
        #expect(Self.threshold(try policy.plan(many, in: context).reason) == "0.50")
        // T_merge = 808 / (1010 + 30) ms = 0.777 > T_unmerge = 808 / 1074.6 = 0.752: α falls.
        _ = try policy.plan(few, in: context)
        #expect(
            try policy.plan(few, in: context).reason
                == "unmerged, most of 2: 4 requests / 8 fcfs = 0.50 <= alpha 0.95")
    }

    @Test func alphaStaysBelowTheCeiling() throws {
        let policy = try policy(["period": .integer(1), "ceiling": .number(1.5)])
        let context = Self.measured(Self.context())
        let requests = RequestQueue([(1, 4), (2, 4)]).requests
        for _ in 0..<20 { _ = try policy.plan(requests, in: context) }
        #expect(Self.threshold(try policy.plan(requests, in: context).reason) == "1.50")
    }

    /// 8 rows, merged or not, are equal but for 0.64 of 10.64 ms. One merge in 40 iterations is
    /// guessed at 3 × 10 ms, which is more than 40 × 0.64 = 25.6 ms; in 80 iterations it is less.
    @Test(arguments: [(40, "1.10"), (80, "0.95")])
    func theFirstMergeIsGuessedInMeasuredIterations(period: Int, alpha: String) throws {
        let policy = try policy(["period": .integer(Int64(period))])
        let requests = RequestQueue([(1, 8)]).requests
        var context = Self.measured(Self.context())
        context.costs.mergeTime = nil
        for _ in 0..<period { _ = try policy.plan(requests, in: context) }
        #expect(Self.threshold(try policy.plan(requests, in: context).reason) == alpha)
    }

    @Test func withoutMeasurementsNothingIsTuned() throws {
        let policy = try policy(["period": .integer(1)])
        let requests = RequestQueue([(1, 8)]).requests
        for _ in 0..<20 { _ = try policy.plan(requests, in: Self.context()) }
        #expect(Self.threshold(try policy.plan(requests, in: Self.context()).reason) == "1.00")
    }

    /// The first period has T_merge / T_unmerge = (60 / 106) · (106.4 / 80) = 0.75 or so, and the
    /// later ones, of 8 requests with a ready copy, 1.064. Smoothed by 0.1 the mean is still below
    /// 1 after one of them; unsmoothed it is above.
    @Test(arguments: [(0.1, "1.21"), (1.0, "1.05")])
    func periodsAreSmoothed(smoothing: Double, alpha: String) throws {
        let policy = try policy(["period": .integer(10), "smoothing": .number(smoothing)])
        let context = Self.measured(Self.context(ready: [1]))
        let few = RequestQueue([(1, 6), (2, 2)]).requests
        let all = RequestQueue([(1, 8)]).requests
        for _ in 0..<10 { _ = try policy.plan(few, in: context) }
        for _ in 0..<10 { _ = try policy.plan(all, in: context) }
        #expect(Self.threshold(try policy.plan(few, in: context).reason) == alpha)
    }

    // MARK: - State

    @Test func aReloadKeepsTheModeAndTheThresholds() throws {
        let policy = try policy(["period": .integer(10)])
        let context = Self.measured(Self.context(ready: [1]))
        let requests = RequestQueue([(1, 8)]).requests
        for _ in 0..<15 { _ = try policy.plan(requests, in: context) }
        let heir = try self.policy(["period": .integer(10)])
        try heir.importState(#require(policy.exportState()))
        for _ in 0..<30 {
            #expect(try heir.plan(requests, in: context) == policy.plan(requests, in: context))
        }
    }

    @Test func contradictingThresholdsAreRefused() {
        for values in [["alpha": 0.5], ["beta": 1.0], ["alpha": 9.0]] {
            #expect(throws: (any Error).self) {
                try policy(values.mapValues { .number($0) })
            }
        }
    }

    @Test(arguments: [2, 5] as [UInt64])
    func theArtifactsVariantConforms(seed: UInt64) throws {
        let violations = PolicyConformance(seed: seed).batching { _ in
            try policies.batching("dlora-batching", ["variant": .string("artifact")])
        }
        #expect(violations == [])
    }
}
