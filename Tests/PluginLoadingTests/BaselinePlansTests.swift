// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Testing

@testable import PluginLoading

/// What the baselines of the literature plan, case by case.
struct BaselinePlansTests {
    private let policies: BuiltPolicies
    private var registry: PolicyRegistry { policies.registry }

    init() throws { policies = try BuiltPolicies() }

    /// A request of `adapter` with a prompt of 10 tokens.
    private static func request(
        _ adapter: UInt32, computed: Int = 0, generated: Int = 0, isResident: Bool = true
    ) -> RequestSnapshot {
        var request = RequestSnapshot(
            id: RequestID(rawValue: 1), adapter: AdapterID(rawValue: adapter),
            arrival: Instant(nanoseconds: 0), promptTokens: 10)
        request.computedTokens = generated > 0 ? 9 + generated : computed
        request.generatedTokens = generated
        request.phase = generated > 0 ? .decoding : computed > 0 ? .prefilling : .waiting
        request.isAdapterResident = isResident
        return request
    }

    private static func waiting(_ adapters: UInt32...) -> [RequestSnapshot] {
        adapters.map { request($0) }
    }

    private static func running(_ adapters: UInt32...) -> [RequestSnapshot] {
        adapters.map { request($0, generated: 1) }
    }

    private static func context(
        requests: Int = 8, tokens: Int = 64, freePages: Int = 100, mustServe: [UInt32] = []
    ) -> BatchingContext {
        var context = BatchingContext(
            now: Instant(nanoseconds: 0),
            limits: BatchLimits(
                requests: requests, tokens: tokens, freePages: freePages, pageTokens: 4))
        context.mustServe = mustServe.map(AdapterID.init(rawValue:))
        return context
    }

    private func policy(
        _ type: String, _ values: [String: ParameterValue] = [:]
    ) throws -> any BatchingPolicy {
        try registry.makeBatching(type, values: values, seed: 1)
    }

    private func plan(
        _ policy: any BatchingPolicy, _ requests: [RequestSnapshot], _ context: BatchingContext
    ) throws -> (mode: BatchMode, tokens: [Int: Int]) {
        var plan = BatchPlan()
        try policy.plan(requests.span, in: context, into: &plan)
        #expect(plan.violation(for: requests.span, under: context.limits) == nil)
        let tokens = plan.entries.map { ($0.index, $0.tokens) }
        return (plan.mode, Dictionary(uniqueKeysWithValues: tokens))
    }

    // MARK: - adapter-prefix-batching

    private struct PrefixCase {
        let requests: [RequestSnapshot]
        var context = BaselinePlansTests.context()
        let tokens: [Int: Int]
    }

    private static let prefixes: [PrefixCase] = [
        PrefixCase(requests: waiting(1, 1, 2, 1), tokens: [0: 10, 1: 10]),
        PrefixCase(requests: waiting(2, 1, 1), tokens: [0: 10]),
        // The base is an adapter like any other.
        PrefixCase(requests: waiting(0, 0, 1, 0), tokens: [0: 10, 1: 10]),
        // Who has begun goes on behind the prefix, nobody of another adapter does.
        PrefixCase(requests: waiting(1) + running(2, 1) + waiting(1), tokens: [0: 10, 2: 1]),
        // Who is not there does not hold up the others.
        PrefixCase(
            requests: [request(3, isResident: false)] + waiting(1)
                + [request(3, isResident: false)] + waiting(1, 2),
            tokens: [1: 10, 3: 10]),
        PrefixCase(
            requests: waiting(1, 1, 1), context: context(requests: 2), tokens: [0: 10, 1: 10]),
        PrefixCase(
            requests: waiting(1, 1, 1), context: context(tokens: 15), tokens: [0: 10, 1: 5]),
        // Those that must be served stand in front, all of them.
        PrefixCase(
            requests: waiting(1, 1, 2, 1, 2), context: context(mustServe: [9, 2]),
            tokens: [2: 10, 4: 10]),
        // Others hold the pages that the prefix waits for.
        PrefixCase(
            requests: waiting(1) + running(2, 3) + waiting(2), context: context(freePages: 1),
            tokens: [1: 1]),
    ]

    @Test(arguments: prefixes.indices)
    func theLongestPrefixOfOneAdapterRuns(index: Int) throws {
        let item = Self.prefixes[index]
        let answer = try plan(policy("adapter-prefix-batching"), item.requests, item.context)
        #expect(answer.tokens == item.tokens)
        #expect(answer.mode == .unmerged)
    }

    @Test func theAdapterRunsMergedWhereThatIsAskedForAndAllowed() throws {
        let merging = try policy("adapter-prefix-batching", ["mode": .string("merged")])
        let requests = Self.waiting(2, 2, 1)
        let adapter = AdapterID(rawValue: 2)
        #expect(try plan(merging, requests, Self.context()).mode == .merged(adapter))
        var context = Self.context()
        context.notMergeable = [adapter]
        #expect(try plan(merging, requests, context).mode == .unmerged)
        #expect(try plan(merging, Self.waiting(0, 2), Self.context()).mode == .unmerged)
    }

    // MARK: - clustered-batching

    private func clustered(
        _ requests: [RequestSnapshot], adapters: Int, strict: Bool = true,
        _ context: BatchingContext = context()
    ) throws -> Set<Int> {
        let subject = try policy(
            "clustered-batching",
            ["adapters": .integer(Int64(adapters)), "strict": .boolean(strict)])
        let answer = try plan(subject, requests, context)
        #expect(answer.mode == .unmerged)
        return Set(answer.tokens.keys)
    }

    @Test func aBatchHasFewAdaptersInOrderAndTheBaseBeside() throws {
        let requests = Self.waiting(1, 2, 3, 0, 1, 3)
        #expect(try clustered(requests, adapters: 2) == [0, 1, 3, 4])
        #expect(try clustered(requests, adapters: 1) == [0, 3, 4])
        #expect(try clustered(requests, adapters: 3) == [0, 1, 2, 3, 4, 5])
    }

    @Test func adaptersThatRunComeBeforeThoseThatStandInFront() throws {
        let requests = Self.waiting(1, 2) + Self.running(3, 4) + Self.waiting(4, 1)
        #expect(try clustered(requests, adapters: 2) == [2, 3, 4])
        #expect(try clustered(requests, adapters: 3) == [0, 2, 3, 4, 5])
    }

    @Test func adaptersThatMustBeServedComeBeforeThoseThatRun() throws {
        let requests = Self.running(3, 4) + Self.waiting(1, 2)
        let context = Self.context(mustServe: [2])
        #expect(try clustered(requests, adapters: 2, context) == [0, 3])
        #expect(try clustered(requests, adapters: 1, context) == [3])
    }

    @Test func roomThatIsLeftGoesToOthersWhereTheLimitIsNotStrict() throws {
        let requests = Self.waiting(1, 2, 3, 1)
        #expect(
            try clustered(requests, adapters: 1, strict: false, Self.context(requests: 3))
                == [0, 1, 3])
    }

    @Test func othersGoOnWhereTheClusterFindsNoPages() throws {
        let requests = Self.waiting(1) + Self.running(2, 3)
        let context = Self.context(freePages: 0, mustServe: [1])
        var ran = requests
        // The last page of each has room for one more row.
        for index in 1...2 { ran[index].computedTokens = 11 }
        #expect(try clustered(ran, adapters: 1, context) == [1])
    }

    // MARK: - waiting-ratio-batching

    private struct RatioCase {
        let requests: [RequestSnapshot]
        var context = BaselinePlansTests.context()
        let tokens: [Int: Int]
    }

    private static let ratios: [RatioCase] = [
        // Nobody runs: whoever waits begins.
        RatioCase(requests: waiting(1), tokens: [0: 10]),
        // 1.2 times 2, rounded down, are 2.
        RatioCase(requests: running(1, 2) + waiting(3), tokens: [0: 1, 1: 1]),
        RatioCase(requests: running(1, 2) + waiting(3, 4), tokens: [2: 10, 3: 10]),
        // Five run, six are needed; there is room for three.
        RatioCase(
            requests: running(1, 2, 3, 4, 5) + waiting(1, 1, 1, 1, 1, 1),
            tokens: [0: 1, 1: 1, 2: 1, 3: 1, 4: 1]),
        RatioCase(
            requests: running(1, 2, 3, 4, 5) + waiting(1, 1, 1, 1, 1, 1),
            context: context(requests: 16), tokens: [5: 10, 6: 10, 7: 10, 8: 10, 9: 10, 10: 10]),
        // A prompt that has begun ends first, alone.
        RatioCase(
            requests: running(1, 2) + [request(3, computed: 4)] + waiting(3, 4, 5, 6),
            tokens: [2: 6]),
        // Pages for one prompt, less one for each row.
        RatioCase(
            requests: running(1, 2) + waiting(3, 4), context: context(freePages: 5),
            tokens: [0: 1, 1: 1]),
        // Who must be served waits for no others.
        RatioCase(
            requests: running(1, 2, 2) + waiting(3, 4), context: context(mustServe: [4]),
            tokens: [3: 10, 4: 10]),
        RatioCase(
            requests: running(1) + [request(2, isResident: false)], tokens: [0: 1]),
    ]

    @Test(arguments: ratios.indices)
    func promptsJoinWhenEnoughOfThemWait(index: Int) throws {
        let item = Self.ratios[index]
        let answer = try plan(policy("waiting-ratio-batching"), item.requests, item.context)
        #expect(answer.tokens == item.tokens)
        #expect(answer.mode == .unmerged)
    }

    @Test func oneJoinsAfterEnoughIterations() throws {
        let subject = try policy("waiting-ratio-batching", ["patience": .integer(3)])
        let requests = Self.running(1, 2, 3) + Self.waiting(1)
        for _ in 0..<3 {
            #expect(try plan(subject, requests, Self.context()).tokens == [0: 1, 1: 1, 2: 1])
        }
        #expect(try plan(subject, requests, Self.context()).tokens == [3: 10])
        #expect(try plan(subject, requests, Self.context()).tokens == [0: 1, 1: 1, 2: 1])
    }
}
