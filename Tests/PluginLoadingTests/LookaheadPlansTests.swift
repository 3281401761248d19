// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Testing

@testable import PluginLoading

/// What `lookahead-batching` decides, case by case.
struct LookaheadPlansTests {
    private let registry: PolicyRegistry
    private let state: TemporaryFolder
    private static let one = AdapterID(rawValue: 1)
    private static let two = AdapterID(rawValue: 2)

    init() throws {
        state = try TemporaryFolder()
        var registry = try PolicyRegistry(builtIn: [])
        try registry.load(from: [buildFolder], stateFolder: state.path)
        self.registry = registry
    }

    /// So many requests of each adapter, that generate and have `left` tokens to go.
    private static func requests(
        _ counts: [(adapter: UInt32, count: Int)], left: Int = 100
    ) -> [RequestSnapshot] {
        var requests: [RequestSnapshot] = []
        for (adapter, count) in counts {
            for _ in 0..<count {
                var request = RequestSnapshot(
                    id: RequestID(rawValue: UInt64(requests.count + 1)),
                    adapter: AdapterID(rawValue: adapter), arrival: Instant(nanoseconds: 0),
                    promptTokens: 4)
                request.adapterRank = adapter == 0 ? 0 : 16
                request.phase = .decoding
                request.computedTokens = 4
                request.generatedTokens = 1
                request.maximumTokens = left + 1
                requests.append(request)
            }
        }
        return requests
    }

    /// 10 ms an iteration, and `paths` more when each of 16 rows has a path of rank 16.
    private static func context(
        paths: Double, ready: [AdapterID] = [], at seconds: Int = 0
    ) -> BatchingContext {
        var context = BatchingContext(
            now: Instant(nanoseconds: Int64(seconds) * 1_000_000_000),
            limits: BatchLimits(requests: 16, tokens: 256, freePages: 1_000, pageTokens: 4))
        context.costs.observations = 1_000
        context.costs.relativeError = 0.02
        context.costs.perStep = 10e-3
        context.costs.perRankToken = paths / 256
        context.costs.mergeTime = .milliseconds(20)
        context.copies.ready = ready
        context.wantsReason = true
        return context
    }

    /// A policy that has seen full merged iterations, or none.
    private func policy(
        tried: Bool = true, _ values: [String: ParameterValue] = [:]
    ) throws -> any BatchingPolicy {
        let policy = try registry.makeBatching("lookahead-batching", values: values, seed: 1)
        if tried { for _ in 0..<4 { policy.observe(Self.merged(rows: 16)) } }
        return policy
    }

    private static func merged(rows: Int) -> StepObservation {
        var step = StepObservation(
            start: Instant(nanoseconds: 0), stepTime: .milliseconds(10), mode: .merged(one),
            served: requests([(1, rows)]))
        step.work.decodeTokens = rows
        step.work.isMerged = true
        return step
    }

    private func plan(
        _ policy: any BatchingPolicy, _ requests: [RequestSnapshot], _ context: BatchingContext
    ) throws -> BatchPlan {
        var plan = BatchPlan()
        try policy.plan(requests.span, in: context, into: &plan)
        #expect(plan.violation(for: requests.span, under: context.limits) == nil)
        #expect(!plan.reason.isEmpty)
        return plan
    }

    // MARK: - Which mode

    private struct Case {
        let counts: [(adapter: UInt32, count: Int)]
        let paths: Double
        var ready: [AdapterID] = [LookaheadPlansTests.one]
        let mode: BatchMode
        let rows: Int
        var prepares: AdapterID?
    }

    private static let cases: [Case] = [
        // Paths double an iteration: 12 of 16 alone, merged, then the rest.
        Case(counts: [(2, 4), (1, 12)], paths: 10e-3, mode: .merged(one), rows: 12),
        // They add a third: better all at once, with a path less for each of 12 and one more for 4.
        Case(counts: [(2, 4), (1, 12)], paths: 3e-3, mode: .mixed(one), rows: 16),
        // They are free.
        Case(counts: [(2, 4), (1, 12)], paths: 0, mode: .unmerged, rows: 16),
        Case(counts: [(2, 4), (1, 12)], paths: 0, ready: [], mode: .unmerged, rows: 16),
        // No adapter has enough requests.
        Case(counts: [(2, 8), (1, 8)], paths: 3e-3, mode: .unmerged, rows: 16),
        // The copy must be built first, beside all.
        Case(
            counts: [(2, 4), (1, 12)], paths: 10e-3, ready: [], mode: .unmerged, rows: 16,
            prepares: one),
        // Nobody waits for others.
        Case(counts: [(1, 5)], paths: 0.2e-3, mode: .merged(one), rows: 5),
        // The base needs no path.
        Case(counts: [(0, 16)], paths: 10e-3, ready: [], mode: .unmerged, rows: 16),
    ]

    @Test(arguments: cases.indices)
    func theLeastSumOfCompletionTimesDecides(index: Int) throws {
        let item = Self.cases[index]
        let answer = try plan(
            policy(), Self.requests(item.counts), Self.context(paths: item.paths, ready: item.ready)
        )
        #expect(answer.mode == item.mode, "\(answer.reason)")
        #expect(answer.entries.count == item.rows, "\(answer.reason)")
        #expect(answer.prepares == item.prepares, "\(answer.reason)")
    }

    @Test func nothingIsPredictedBeforeEnoughIterations() throws {
        var context = Self.context(paths: 10e-3, ready: [Self.one])
        context.costs.observations = 31
        let requests = Self.requests([(2, 4), (1, 12)])
        let early = try plan(policy(), requests, context)
        #expect(early.mode == .unmerged)
        #expect(early.entries.count == 16)
        context.costs.observations = 32
        #expect(try plan(policy(), requests, context).mode == .merged(Self.one))
    }

    @Test func aGainWithinTheErrorOfThePredictionChangesNothing() throws {
        var context = Self.context(paths: 3e-3, ready: [Self.one])
        let requests = Self.requests([(2, 4), (1, 12)])
        context.costs.relativeError = 0.9
        #expect(try plan(policy(), requests, context).mode == .unmerged)
        context.costs.relativeError = 0.02
        #expect(try plan(policy(), requests, context).mode == .mixed(Self.one))
    }

    @Test func whoseRequestsAreShortMayBeginFirst() throws {
        var requests = Self.requests([(2, 8)], left: 400) + Self.requests([(1, 8)], left: 4)
        for index in requests.indices {
            requests[index].id = RequestID(rawValue: UInt64(index))
            requests[index].phase = .waiting
            requests[index].computedTokens = 0
            requests[index].generatedTokens = 0
        }
        var context = Self.context(paths: 0)
        context.limits.requests = 8
        let answer = try plan(policy(), requests, context)
        #expect(Set(answer.entries.map(\.index)) == Set(8..<16), "\(answer.reason)")
    }

    // MARK: - Trials

    @Test func mergedIterationsAreTriedWhereFewWaitForThem() throws {
        let subject = try policy(tried: false)
        let requests = Self.requests([(2, 4), (1, 12)])
        let first = try plan(subject, requests, Self.context(paths: 0))
        #expect(first.mode == .unmerged)
        #expect(first.prepares == Self.one)
        let context = Self.context(paths: 0, ready: [Self.one])
        for _ in 0..<4 {
            // So that each is decided anew.
            var changed = context
            changed.copies.building = Self.two
            _ = try plan(subject, requests, changed)
            #expect(try plan(subject, requests, context).mode == .merged(Self.one))
            subject.observe(Self.merged(rows: 12))
        }
        var changed = context
        changed.copies.building = Self.two
        _ = try plan(subject, requests, changed)
        #expect(try plan(subject, requests, context).mode == .unmerged)
    }

    @Test func withFewerRowsMixedIterationsAreTried() throws {
        let subject = try policy(tried: false)
        let requests = Self.requests([(2, 6), (1, 7), (3, 3)])
        let answer = try plan(subject, requests, Self.context(paths: 0, ready: [Self.one]))
        #expect(answer.mode == .mixed(Self.one))
        #expect(answer.entries.count == 16)
    }

    @Test func withoutTrialsNothingIsMerged() throws {
        let subject = try policy(tried: false, ["trials": .integer(0)])
        let requests = Self.requests([(2, 4), (1, 12)])
        let answer = try plan(subject, requests, Self.context(paths: 10e-3, ready: [Self.one]))
        #expect(answer.mode == .unmerged)
        #expect(answer.prepares == nil)
    }

    @Test func aCopyThatTheHostDoesNotBuildIsNotAskedForForEver() throws {
        let subject = try policy()
        let requests = Self.requests([(2, 4), (1, 12)])
        let asked = try (0..<40).count { _ in
            try plan(subject, requests, Self.context(paths: 10e-3)).prepares == Self.one
        }
        #expect(asked >= 8 && asked <= 32, "\(asked)")
    }

    @Test func aReloadKeepsWhatWasTried() throws {
        let old = try policy()
        let new = try policy(tried: false)
        let saved = try #require(old.exportState())
        try new.importState(saved)
        let requests = Self.requests([(2, 4), (1, 12)])
        let context = Self.context(paths: 0, ready: [Self.one])
        #expect(try plan(new, requests, context).mode == .unmerged)
        for other in [
            PolicyState(schema: "lookahead/0", bytes: saved.bytes),
            PolicyState(schema: saved.schema, bytes: [1, 2]),
        ] {
            #expect(throws: PolicyError.self) { try new.importState(other) }
        }
    }

    // MARK: - Fairness

    @Test func nobodyIsMergedOnWhomFairnessForbids() throws {
        var context = Self.context(paths: 10e-3, ready: [Self.one])
        context.notMergeable = [Self.one]
        let answer = try plan(policy(), Self.requests([(2, 4), (1, 12)]), context)
        #expect(answer.mode == .unmerged)
        #expect(answer.prepares == nil)
    }

    @Test func whoMustBeServedIsServedFirst() throws {
        var context = Self.context(paths: 10e-3, ready: [Self.one])
        context.mustServe = [Self.two]
        let answer = try plan(policy(), Self.requests([(1, 20), (2, 4)]), context)
        #expect(answer.mode != .merged(Self.one))
        #expect(answer.entries.prefix(4).map(\.index) == [20, 21, 22, 23])
        #expect(answer.entries.count == 16)
    }

    @Test func theFirstInOrderIsNotPassedOverForEver() throws {
        let subject = try policy()
        var requests = Self.requests([(2, 4), (1, 12)])
        func mode(at seconds: Int) throws -> BatchMode {
            try plan(
                subject, requests, Self.context(paths: 10e-3, ready: [Self.one], at: seconds)
            ).mode
        }
        #expect(try mode(at: 0) == .merged(Self.one))
        #expect(try mode(at: 29) == .merged(Self.one))
        #expect(try mode(at: 30) == .merged(Self.one))
        // From now on in order, until it has ended.
        #expect(try mode(at: 31) != .merged(Self.one))
        #expect(try mode(at: 90) != .merged(Self.one))
        requests.removeFirst()
        #expect(try mode(at: 91) == .merged(Self.one))
    }

    // MARK: - Time

    @Test(arguments: [256, 1_024])
    func aCallIsTimed(count: Int) throws {
        let subject = try policy()
        let counts = (1...32 as ClosedRange<UInt32>).map { (adapter: $0, count: count / 32) }
        var requests = Self.requests(counts)
        for index in requests.indices where index % 8 != 0 {
            requests[index].phase = .waiting
            requests[index].computedTokens = 0
            requests[index].generatedTokens = 0
        }
        let clock = ContinuousClock()
        var longest = Duration.zero
        for seconds in 0..<10 {
            var context = Self.context(paths: 10e-3, ready: [Self.one], at: seconds)
            // So that each is decided anew.
            context.copies.building = seconds % 2 == 0 ? Self.two : nil
            let time = try clock.measure { _ = try plan(subject, requests, context) }
            longest = max(longest, time)
        }
        print("lookahead-batching with \(count) requests of 32 adapters: at most \(longest) a call")
        #expect(longest > .zero)
    }
}
