// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Testing

@testable import PluginLoading

struct DeadlineFairnessTests {
    private let policies: BuiltPolicies
    private var registry: PolicyRegistry { policies.registry }

    init() throws { policies = try BuiltPolicies() }

    private func policy(
        abort: Bool = true, slack: Duration = .zero
    ) throws -> any FairnessPolicy {
        try registry.makeFairness(
            "deadline-fairness", values: ["abort": .boolean(abort), "slack": .duration(slack)],
            seed: 1)
    }

    private static func milliseconds(_ count: Int64) -> Instant {
        Instant(nanoseconds: count * 1_000_000)
    }

    /// A request that is due at a time in milliseconds, or never.
    private static func request(
        prompt: Int, due: Int64?, arrival: Int64 = 0, generated: Int = 0
    ) -> RequestSnapshot {
        var request = RequestSnapshot(
            id: RequestID(rawValue: 1), adapter: .base, arrival: milliseconds(arrival),
            promptTokens: prompt)
        request.firstTokenDeadline = due.map(milliseconds)
        if generated > 0 {
            request.phase = .decoding
            request.generatedTokens = generated
            request.computedTokens = prompt + generated - 1
        }
        return request
    }

    /// 10 ms for each iteration of 20 tokens, and 1 ms for each prompt token.
    private func arrange(
        _ policy: any FairnessPolicy, _ requests: [RequestSnapshot], at now: Int64 = 0,
        observations: Int = 100, error: Double = 0
    ) throws -> FairnessArrangement {
        let limits = BatchLimits(requests: 8, tokens: 20, freePages: 100, pageTokens: 16)
        var context = FairnessContext(now: Self.milliseconds(now), limits: limits)
        context.costs.observations = observations
        context.costs.perStep = 0.010
        context.costs.perPromptToken = 0.001
        context.costs.relativeError = error
        var arrangement = FairnessArrangement(order: Array(requests.indices))
        try policy.arrange(requests.span, in: context, into: &arrangement)
        #expect(arrangement.order.sorted() == Array(requests.indices))
        #expect(arrangement.violationOfAborts(among: requests.span) == nil)
        return arrangement
    }

    @Test func whatIsDueFirstComesFirst() throws {
        let requests = [
            Self.request(prompt: 10, due: nil), Self.request(prompt: 10, due: 300),
            Self.request(prompt: 10, due: 200), Self.request(prompt: 9, due: 1, generated: 1),
            Self.request(prompt: 10, due: 300), Self.request(prompt: 10, due: nil),
        ]
        for abort in [false, true] {
            let answer = try arrange(policy(abort: abort), requests)
            #expect(answer.order == [3, 2, 1, 4, 0, 5])
            #expect(answer.aborts == [])
            #expect(answer.mustServe == [])
        }
    }

    /// Ten seconds are the patience of those whom nothing is promised.
    @Test func whoHasWaitedLongIsDueToo() throws {
        var first = Self.request(prompt: 10, due: nil)
        first.adapter = AdapterID(rawValue: 4)
        let requests = [first, Self.request(prompt: 10, due: 10_001)]
        #expect(try arrange(policy(abort: false), requests, at: 9_999).order == [1, 0])
        let answer = try arrange(policy(abort: true), requests, at: 10_000)
        #expect(answer.order == [0, 1])
        #expect(answer.mustServe == [first.adapter])
        #expect(answer.aborts == [1], "30 ms from now, behind the other")
    }

    /// One row decodes, so 19 prompt tokens fit into an iteration. The first prompt, of 20, takes
    /// 10 + 19 and 10 + 1 ms; the second, of 10, then fills the second iteration up to 10 + 11 ms.
    @Test(
        arguments: [
            (40, 50, [], [], [2, 0, 1]), (39, 50, [0], [40], [2, 1, 0]),
            (40, 49, [1], [50], [2, 0, 1]), (39, 20, [0], [50], [2, 1, 0]),
            (39, 19, [1, 0], [20, 40], [2, 1, 0]),
        ] as [(Int64, Int64, [Int], [Int64], [Int])])
    func whatCannotBeInTimeEnds(
        first: Int64, second: Int64, aborts: [Int], predictions: [Int64], order: [Int]
    ) throws {
        let requests = [
            Self.request(prompt: 20, due: first), Self.request(prompt: 10, due: second),
            Self.request(prompt: 5, due: nil, generated: 3),
        ]
        let answer = try arrange(policy(), requests)
        #expect(answer.aborts == aborts)
        #expect(answer.predictedFirstTokens == predictions.map(Self.milliseconds))
        let rest = answer.order.filter { !aborts.contains($0) }
        #expect(rest == order.filter { !aborts.contains($0) })
        #expect(try arrange(policy(abort: false), requests).aborts == [])
    }

    /// What is a little late, or only perhaps, comes behind what can be in time.
    @Test func theSlackAndTheErrorOfTheFitAreAllowed() throws {
        let requests = [
            Self.request(prompt: 20, due: 39), Self.request(prompt: 10, due: 50),
            Self.request(prompt: 10, due: nil),
        ]
        // Without a decoding row 20 tokens fit: 30 ms, then 20 ms more.
        let late = [Self.request(prompt: 20, due: 29)] + requests[1...]
        #expect(try arrange(policy(), late).aborts == [0])
        let slack = try arrange(policy(slack: .milliseconds(1)), late)
        #expect(slack.aborts == [])
        #expect(slack.order == [1, 0, 2])
        #expect(try arrange(policy(), late, error: 0.1).aborts == [])
        #expect(try arrange(policy(), requests).order == [0, 1, 2])
    }

    @Test func nothingEndsBeforeCostsAreMeasured() throws {
        let requests = [Self.request(prompt: 20, due: 1)]
        #expect(try arrange(policy(), requests, at: 500, observations: 0).aborts == [])
        #expect(try arrange(policy(), requests, at: 500, observations: 1).aborts == [0])
    }

    @Test func whoWasPreemptedAfterItsFirstTokenGoesOn() throws {
        var preempted = Self.request(prompt: 12, due: 1)
        preempted.generatedTokens = 2
        let answer = try arrange(
            policy(), [Self.request(prompt: 10, due: 900), preempted], at: 500)
        #expect(answer.aborts == [])
        #expect(answer.order == [1, 0])
    }

    // MARK: - Overload

    /// Requests come half as fast again as they can be served, each with a target of ten services.
    private func inTime(abort: Bool, ahead: Bool) throws -> (goodput: Int, answered: Int) {
        let limits = BatchLimits(requests: 4, tokens: 32, freePages: 64, pageTokens: 16)
        var loop = ServingLoop(try policy(abort: abort), plansAhead: ahead, limits: limits)
        let target = Duration.microseconds(52_000)
        var due: [RequestID: Instant] = [:]
        var next = Instant(nanoseconds: 0)
        while due.count < 600 || !loop.scheduler.snapshots.isEmpty {
            while due.count < 600, next <= loop.now {
                due[loop.ask(1, prompt: 32, output: 1, target: target)] =
                    loop.now.advanced(by: target)
                next = next.advanced(by: .microseconds(3_500))
            }
            if !loop.step() {
                if due.count == 600 { break }
                loop.wait(until: next)
            }
        }
        let strikes = loop.scheduler.policyStatuses.reduce(0) { $0 + $1.strikes }
        #expect(strikes == 0)
        #expect(loop.firstTokens.count + loop.aborted.count == 600, "nobody is lost")
        #expect(loop.aborted.allSatisfy { $0.predictedFirstToken != nil })
        return (
            loop.firstTokens.count { $0.value <= due[$0.key] ?? $0.value }, loop.firstTokens.count
        )
    }

    @Test(arguments: [false, true])
    func givingUpWhatIsTooLateServesMoreInTime(ahead: Bool) throws {
        let patient = try inTime(abort: false, ahead: ahead)
        let aborting = try inTime(abort: true, ahead: ahead)
        print("in time: \(patient.goodput) of 600, with early abort \(aborting.goodput)")
        #expect(patient.answered == 600)
        #expect(aborting.answered < 600)
        #expect(aborting.goodput > 3 * patient.goodput)
        #expect(aborting.goodput * 10 > aborting.answered * 8, "hardly any is answered late")
    }
}
