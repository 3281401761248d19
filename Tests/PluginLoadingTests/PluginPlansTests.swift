// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Testing

@testable import PluginLoading

/// What the plugins of this package plan, case by case.
struct PluginPlansTests {
    private let policies: BuiltPolicies
    private var registry: PolicyRegistry { policies.registry }

    init() throws { policies = try BuiltPolicies() }

    /// A request of `adapter` with 16 tokens to generate at most.
    private static func request(
        _ adapter: UInt32, prompt: Int, computed: Int = 0, generated: Int = 0
    ) -> RequestSnapshot {
        var request = RequestSnapshot(
            id: RequestID(rawValue: 1), adapter: AdapterID(rawValue: adapter),
            arrival: Instant(nanoseconds: 0), promptTokens: prompt)
        request.computedTokens = computed
        request.generatedTokens = generated
        request.phase = generated > 0 ? .decoding : computed > 0 ? .prefilling : .waiting
        return request
    }

    private static func context(
        requests: Int = 8, tokens: Int = 64, freePages: Int = 100
    ) -> BatchingContext {
        BatchingContext(
            now: Instant(nanoseconds: 0),
            limits: BatchLimits(
                requests: requests, tokens: tokens, freePages: freePages, pageTokens: 4))
    }

    private func plan(
        _ type: String, _ requests: [RequestSnapshot], _ context: BatchingContext,
        values: [String: ParameterValue] = [:]
    ) throws -> (mode: BatchMode, tokens: [Int: Int]) {
        let policy = try registry.makeBatching(type, values: values, seed: 1)
        var plan = BatchPlan()
        try policy.plan(requests.span, in: context, into: &plan)
        #expect(plan.violation(for: requests.span, under: context.limits) == nil)
        let tokens = plan.entries.map { ($0.index, $0.tokens) }
        return (plan.mode, Dictionary(uniqueKeysWithValues: tokens))
    }

    // MARK: - iteration-batching

    private func iteration(
        _ requests: [RequestSnapshot], _ context: BatchingContext, reserve: Bool = true
    ) throws -> [Int: Int] {
        let answer = try plan(
            "iteration-batching", requests, context, values: ["reserveOutput": .boolean(reserve)])
        #expect(answer.mode == .unmerged)
        return answer.tokens
    }

    @Test func decodeRowsGoOnAndPromptsJoinWhole() throws {
        let requests = [
            Self.request(1, prompt: 10), Self.request(2, prompt: 9, computed: 9, generated: 1),
            Self.request(0, prompt: 20),
        ]
        #expect(try iteration(requests, Self.context()) == [0: 10, 1: 1, 2: 20])
    }

    @Test func aPromptThatDoesNotFitTheIterationHoldsUpTheRest() throws {
        let requests = [
            Self.request(1, prompt: 10), Self.request(1, prompt: 7), Self.request(1, prompt: 2),
        ]
        #expect(try iteration(requests, Self.context(tokens: 16)) == [0: 10])
    }

    @Test func aPromptThatNoIterationHoldsIsSplit() throws {
        let requests = [Self.request(1, prompt: 100), Self.request(1, prompt: 2)]
        #expect(try iteration(requests, Self.context(tokens: 16)) == [0: 16])
        let begun = [Self.request(1, prompt: 100, computed: 90), Self.request(1, prompt: 2)]
        #expect(try iteration(begun, Self.context(tokens: 16)) == [0: 10, 1: 2])
    }

    /// 9 prompt tokens and 16 to generate are 24 computed: 6 pages of 4. The decoding request has
    /// 3 pages and 15 tokens to go, to 24: it may take 3 more.
    @Test(arguments: [
        (8, [1: 1]), (9, [0: 9, 1: 1]), (14, [0: 9, 1: 1]), (15, [0: 9, 1: 1, 2: 9]),
    ])
    func aRequestStartsWhenItsWholeOutputFits(freePages: Int, expected: [Int: Int]) throws {
        let requests = [
            Self.request(1, prompt: 9), Self.request(2, prompt: 9, computed: 9, generated: 1),
            Self.request(3, prompt: 9),
        ]
        #expect(try iteration(requests, Self.context(freePages: freePages)) == expected)
    }

    @Test func withoutReservationThePromptAloneMustFit() throws {
        let requests = [
            Self.request(1, prompt: 9), Self.request(2, prompt: 9, computed: 9, generated: 1),
            Self.request(3, prompt: 9),
        ]
        let context = Self.context(freePages: 5)
        #expect(try iteration(requests, context, reserve: false) == [0: 9, 1: 1])
    }

    @Test func theFirstStartsAloneEvenIfItsOutputDoesNotFit() throws {
        let requests = [Self.request(1, prompt: 9), Self.request(1, prompt: 9)]
        #expect(try iteration(requests, Self.context(freePages: 4)) == [0: 9])
    }

    @Test func absentAdaptersArePassedOverAndRequestsBegunAreCounted() throws {
        var absent = Self.request(1, prompt: 5)
        absent.isAdapterResident = false
        let requests = [
            absent, Self.request(2, prompt: 5, computed: 5, generated: 1),
            Self.request(2, prompt: 6), Self.request(2, prompt: 7),
        ]
        #expect(try iteration(requests, Self.context(requests: 2)) == [1: 1, 2: 6])
    }

    // MARK: - merged-only

    @Test func theFirstRequestsAdapterRunsMergedAndAlone() throws {
        let requests = [
            Self.request(2, prompt: 10), Self.request(1, prompt: 4),
            Self.request(2, prompt: 9, computed: 9, generated: 1), Self.request(0, prompt: 4),
        ]
        let answer = try plan("merged-only", requests, Self.context())
        #expect(answer.mode == .merged(AdapterID(rawValue: 2)))
        #expect(answer.tokens == [0: 10, 2: 1])
    }

    @Test func theBaseModelRunsUnmergedAndAlone() throws {
        let requests = [
            Self.request(0, prompt: 10), Self.request(1, prompt: 4), Self.request(0, prompt: 3),
        ]
        let answer = try plan("merged-only", requests, Self.context())
        #expect(answer.mode == .unmerged)
        #expect(answer.tokens == [0: 10, 2: 3])
    }

    @Test func fairnessDecidesWhoMustRunAndWhoMayNotMerge() throws {
        let requests = [Self.request(1, prompt: 10), Self.request(3, prompt: 4)]
        var context = Self.context()
        context.mustServe = [AdapterID(rawValue: 9), AdapterID(rawValue: 3)]
        let urgent = try plan("merged-only", requests, context)
        #expect(urgent.mode == .merged(AdapterID(rawValue: 3)))
        #expect(urgent.tokens == [1: 4])
        context.notMergeable = [AdapterID(rawValue: 3)]
        let unmerged = try plan("merged-only", requests, context)
        #expect(unmerged.mode == .unmerged)
        #expect(unmerged.tokens == [1: 4])
    }

    @Test func promptsAreSplitAtTheTokenLimit() throws {
        let requests = [
            Self.request(1, prompt: 10), Self.request(1, prompt: 9, computed: 9, generated: 1),
            Self.request(1, prompt: 30),
        ]
        let answer = try plan("merged-only", requests, Self.context(tokens: 16))
        #expect(answer.tokens == [0: 10, 1: 1, 2: 5])
    }

    @Test func othersOnlyFinishWhileTheFirstWaitsForPages() throws {
        let requests = [
            Self.request(1, prompt: 20), Self.request(2, prompt: 3),
            Self.request(2, prompt: 9, computed: 9, generated: 1),
        ]
        let answer = try plan("merged-only", requests, Self.context(freePages: 3))
        #expect(answer.mode == .merged(AdapterID(rawValue: 2)))
        #expect(answer.tokens == [2: 1])
    }
}
