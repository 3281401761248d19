// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import TestSupport
import Testing

@testable import PluginLoading

struct TokenCounterFairnessTests {
    private let policies: BuiltPolicies
    private var registry: PolicyRegistry { policies.registry }

    init() throws { policies = try BuiltPolicies() }

    private func policy(
        _ values: [String: ParameterValue] = [:]
    ) throws -> any FairnessPolicy {
        try registry.makeFairness("token-counter-fairness", values: values, seed: 1)
    }

    // MARK: - Two clients that always wait

    private static let pageTokens = 16
    private static let pages = 24
    private static let longestPrompt = 100

    private static let limits = BatchLimits(
        requests: 6, tokens: 48, freePages: pages, pageTokens: pageTokens)

    /// 2 · max(wp · L, wq · M) of Theorem 4.4.
    private static let bound = 2 * max(Double(longestPrompt), 2 * Double(pages * pageTokens))

    /// Keeps both clients waiting: one with long prompts and short answers, and more of them, one
    /// the other way round.
    private static func refill(
        _ loop: inout ServingLoop, tenants: [UInt32] = [1, 2], weights: [Double] = [1, 1],
        _ random: inout SeededRandom
    ) {
        for (tenant, weight) in zip(tenants, weights) {
            while loop.unfinished(tenant) < (tenant == 1 ? 20 : 10) {
                let isFirst = tenant == 1
                loop.ask(
                    tenant, prompt: 1 + random.below(isFirst ? longestPrompt : 10),
                    output: 1 + random.below(isFirst ? 5 : 30), weight: weight)
            }
        }
    }

    private struct Difference {
        var range: Double
        var service: Double
        var strikes: Int
    }

    /// How far the clients' services move apart and together again, each divided by its weight.
    private func difference(
        _ policy: (any FairnessPolicy)?, ahead: Bool, weights: [Double] = [1, 1], seed: UInt64
    ) -> Difference {
        var random = SeededRandom(seed: seed)
        var loop = ServingLoop(policy, plansAhead: ahead, limits: Self.limits)
        var (least, most) = (0.0, 0.0)
        for _ in 0..<1_200 {
            Self.refill(&loop, weights: weights, &random)
            let ran = loop.step()
            #expect(ran)
            let first = (loop.service[TenantID(rawValue: 1)] ?? 0) / weights[0]
            let second = (loop.service[TenantID(rawValue: 2)] ?? 0) / weights[1]
            least = min(least, first - second)
            most = max(most, first - second)
        }
        return Difference(
            range: most - least, service: loop.service.values.reduce(0, +),
            strikes: loop.scheduler.policyStatuses.reduce(0) { $0 + $1.strikes })
    }

    /// The theorem of the paper: the services of two clients that wait all the time never differ by
    /// more than the bound, over any stretch of time. First come, first served does not keep to it.
    @Test(arguments: [false, true], 0..<2 as Range<UInt64>)
    func clientsThatAlwaysWaitGetTheSame(ahead: Bool, seed: UInt64) throws {
        let fair = try difference(policy(), ahead: ahead, seed: seed)
        let unfair = difference(nil, ahead: ahead, seed: seed)
        print("seed \(seed): \(fair.range) of \(Self.bound), first come \(unfair.range)")
        #expect(fair.service > 10 * Self.bound)
        #expect(fair.range <= Self.bound, "seed \(seed)")
        #expect(unfair.range > Self.bound, "seed \(seed)")
        #expect(fair.strikes == 0)
    }

    @Test(arguments: [false, true], 0..<2 as Range<UInt64>)
    func weightsDivideTheService(ahead: Bool, seed: UInt64) throws {
        let weighted = try difference(policy(), ahead: ahead, weights: [2, 1], seed: seed)
        #expect(weighted.range <= Self.bound, "seed \(seed)")
        let equal = try difference(policy(), ahead: ahead, seed: seed)
        #expect(weighted.service > 10 * Self.bound && equal.service > 10 * Self.bound)
    }

    /// Whoever comes back does not get what it did not ask for meanwhile.
    @Test(arguments: [false, true], 0..<2 as Range<UInt64>)
    func idlenessIsNoCredit(ahead: Bool, seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var loop = ServingLoop(try policy(), plansAhead: ahead, limits: Self.limits)
        let (first, second) = (TenantID(rawValue: 1), TenantID(rawValue: 2))
        for _ in 0..<800 {
            Self.refill(&loop, tenants: [1], &random)
            let ran = loop.step()
            #expect(ran)
        }
        let before = loop.service[first] ?? 0
        #expect(before > 5 * Self.bound, "there is much that a client could ask back")
        var most = 0.0
        for _ in 0..<800 {
            Self.refill(&loop, &random)
            let ran = loop.step()
            #expect(ran)
            let gained = (loop.service[second] ?? 0) - ((loop.service[first] ?? 0) - before)
            most = max(most, gained)
        }
        #expect(most <= Self.bound, "seed \(seed)")
        #expect((loop.service[second] ?? 0) > 5 * Self.bound)
    }

    /// One prompt fills a step, and the next step is planned before the one before has been settled:
    /// the client that is being served must not look as poor as it was.
    @Test(arguments: [false, true])
    func nobodyIsServedTwiceOnOneBalance(ahead: Bool) throws {
        let limits = BatchLimits(requests: 4, tokens: 50, freePages: 64, pageTokens: 16)
        var loop = ServingLoop(try policy(), plansAhead: ahead, limits: limits)
        for tenant in [1, 1, 1, 1, 2, 2, 2, 2] as [UInt32] {
            loop.ask(tenant, prompt: 50, output: 1)
        }
        while loop.step() {}
        #expect(loop.steps == [1, 5, 2, 6, 3, 7, 4, 8].map { [RequestID(rawValue: $0)] })
    }

    // MARK: - Single arrangements

    private static func request(
        _ id: UInt64, adapter: UInt32 = 0, tenant: UInt32 = 0, prompt: Int = 10, generated: Int = 0
    ) -> RequestSnapshot {
        var request = RequestSnapshot(
            id: RequestID(rawValue: id), adapter: AdapterID(rawValue: adapter),
            tenant: TenantID(rawValue: tenant), arrival: Instant(nanoseconds: Int64(id)),
            promptTokens: prompt)
        if generated > 0 {
            request.phase = .decoding
            request.generatedTokens = generated
            request.computedTokens = prompt + generated - 1
            request.maximumTokens = 10_000
        }
        return request
    }

    private func arrange(
        _ policy: any FairnessPolicy, _ requests: [RequestSnapshot]
    ) throws -> FairnessArrangement {
        let limits = BatchLimits(requests: 8, tokens: 64, freePages: 4, pageTokens: 16)
        var context = FairnessContext(now: Instant(nanoseconds: 1_000), limits: limits)
        context.wantsReason = true
        var arrangement = FairnessArrangement(order: Array(requests.indices))
        try policy.arrange(requests.span, in: context, into: &arrangement)
        #expect(arrangement.order.sorted() == Array(requests.indices))
        return arrangement
    }

    /// Prompts of 10 tokens are charged as each takes its turn: of two tenants 0, 10, 20 and 0, 10;
    /// ties in order of arrival.
    @Test(arguments: [
        ("tenant", [0, 3, 1, 4, 2]), ("adapter", [0, 1, 3, 2, 4]), ("both", [0, 1, 3, 4, 2]),
    ])
    func clientsTakeTurns(per clients: String, order: [Int]) throws {
        let requests = [
            Self.request(1, adapter: 1, tenant: 1), Self.request(2, adapter: 2, tenant: 1),
            Self.request(3, adapter: 1, tenant: 1), Self.request(4, adapter: 3, tenant: 2),
            Self.request(5, adapter: 3, tenant: clients == "both" ? 3 : 2),
        ]
        let answer = try arrange(policy(["per": .string(clients)]), requests)
        #expect(answer.order == order)
        #expect(answer.mustServe == [])
    }

    @Test func whoHasBegunGoesOn() throws {
        let requests = [
            Self.request(1, tenant: 1), Self.request(2, tenant: 2),
            Self.request(3, tenant: 1, generated: 40),
        ]
        #expect(try arrange(policy(), requests).order == [2, 0, 1])
    }

    /// 100 tokens generated at 2 each, against a client that gets nothing though it waits.
    @Test func whoFallsTooFarBehindMustBeServed() throws {
        let policy = try policy(["per": .string("adapter"), "bound": .integer(150)])
        func requests(_ generated: Int) -> [RequestSnapshot] {
            [Self.request(1, adapter: 1, generated: generated), Self.request(2, adapter: 2)]
        }
        #expect(try arrange(policy, requests(1)).mustServe == [])
        #expect(try arrange(policy, requests(76)).mustServe == [], "150 tokens are allowed")
        let answer = try arrange(policy, requests(77))
        #expect(answer.mustServe == [AdapterID(rawValue: 2)])
        #expect(answer.reason.contains("152.0 tokens behind, the bound is 150.0"))
    }

    /// The pages hold 64 tokens and 11 more: twice that at 2 tokens each is 300.
    @Test func theTheoremBoundsTheLag() throws {
        let policy = try policy(["per": .string("adapter")])
        func requests(_ generated: Int) -> [RequestSnapshot] {
            var first = Self.request(1, adapter: 1, generated: generated)
            first.computedTokens = 11
            return [first, Self.request(2, adapter: 2)]
        }
        #expect(try arrange(policy, requests(1)).mustServe == [])
        #expect(try arrange(policy, requests(151)).mustServe == [])
        #expect(try arrange(policy, requests(152)).mustServe == [AdapterID(rawValue: 2)])
    }

    /// What others have computed costs nothing, and what a preemption has computed again neither.
    @Test func onlyWhatIsComputedForItIsCharged() throws {
        let policy = try policy(["bound": .integer(20)])
        var first = Self.request(1, tenant: 1, prompt: 100)
        let other = Self.request(2, tenant: 2)
        _ = try arrange(policy, [first, other])
        // It shares 90 tokens, computes the others, and is preempted.
        first.computedTokens = 90
        let step = StepObservation(
            start: Instant(nanoseconds: 0), stepTime: .milliseconds(1), mode: .unmerged,
            served: [first])
        policy.settle(
            ServiceSettlement(now: Instant(nanoseconds: 0), step: step, displaced: [], advanced: [])
        )
        first.promptTokens = 101
        first.generatedTokens = 1
        first.computedTokens = 0
        #expect(try arrange(policy, [first, other]).mustServe == [], "12 tokens of 20")
        first.computedTokens = 60
        first.phase = .prefilling
        #expect(try arrange(policy, [first, other]).mustServe == [])
    }

    // MARK: - State

    @Test func countersOutliveAReload() throws {
        let policy = try policy(["per": .string("adapter"), "bound": .integer(150)])
        let before = [Self.request(1, adapter: 1, generated: 1), Self.request(2, adapter: 2)]
        _ = try arrange(policy, before)
        _ = try arrange(
            policy, [Self.request(1, adapter: 1, generated: 77), Self.request(2, adapter: 2)])
        let exported = try #require(policy.exportState())
        let heir = try self.policy(["per": .string("adapter"), "bound": .integer(150)])
        try heir.importState(exported)
        let waiting = [Self.request(3, adapter: 1), Self.request(4, adapter: 2)]
        #expect(try arrange(heir, waiting).order == [1, 0])
        let other = try self.policy(["per": .string("tenant")])
        #expect(throws: PolicyError.self) { try other.importState(exported) }
    }

    @Test func clientsThatAreGoneAreForgotten() throws {
        let policy = try policy()
        var most = 0
        for round in 0..<40 as Range<UInt64> {
            let requests = (0..<300 as Range<UInt64>).map {
                Self.request(round * 300 + $0, tenant: UInt32(round * 300 + $0))
            }
            _ = try arrange(policy, requests)
            most = max(most, try clients(in: policy))
        }
        #expect(most > 4096 && most <= 8192 + 300)
    }

    /// How many clients a policy keeps: the sixth word of its state.
    private func clients(in policy: any FairnessPolicy) throws -> Int {
        let bytes = try #require(policy.exportState()).bytes
        return bytes[40..<48].reversed().reduce(0) { $0 << 8 | Int($1) }
    }

    /// A replay that begins in the middle takes the same decisions as what it replays.
    @Test func anHeirGoesOnInTheMiddle() throws {
        let policy = try policy()
        var requests = (1...6 as ClosedRange<UInt64>).map {
            Self.request($0, tenant: UInt32($0 % 3), prompt: 20 + Int($0))
        }
        _ = try arrange(policy, requests)
        requests[2].computedTokens = 11
        requests[2].phase = .prefilling
        _ = try arrange(policy, Array(requests.dropFirst()))
        let heir = try self.policy()
        try heir.importState(try #require(policy.exportState()))
        for _ in 0..<5 {
            requests[2].computedTokens += 2
            let rest = Array(requests.dropFirst())
            let step = StepObservation(
                start: Instant(nanoseconds: 0), stepTime: .milliseconds(1), mode: .unmerged,
                served: [requests[0], requests[2]])
            let settlement = ServiceSettlement(
                now: Instant(nanoseconds: 0), step: step, displaced: [], advanced: [])
            for policy in [policy, heir] { policy.settle(settlement) }
            #expect(try arrange(heir, rest) == arrange(policy, rest))
            #expect(heir.exportState() == policy.exportState())
        }
    }

    @Test func weightsOfNothingAreRefused() throws {
        #expect(throws: PluginError.self) {
            try policy(["inputWeight": .number(0), "outputWeight": .number(0)])
        }
    }
}
