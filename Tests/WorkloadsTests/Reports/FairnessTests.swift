// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Workloads

struct FairnessTests {
    @Test(arguments: [
        ([1.0, 1, 1, 1], 1.0), ([1.0, 0, 0, 0], 0.25), ([1.0, 0.5], 0.9), ([0.0, 0], 1.0),
    ])
    func jainsIndexIsThatOfItsFormula(_ shares: [Double], _ expected: Double) {
        #expect(near(Fairness.jain(shares), expected))
    }

    /// Two adapters ask for 12 each; by the last arrival, at 100 ms, one has got all and the other
    /// nothing; at the end both have.
    @Test func serviceIsCountedToTheLastArrival() throws {
        let fairness = try #require(
            Fairness([
                .at(0, first: 10, last: 10, adapter: 0),
                .at(0, first: 500, last: 500, adapter: 1),
                .at(100, first: 200, last: 200, adapter: 2, prompt: 0, tokens: 0),
            ]))
        #expect(near(fairness.jain, 0.5))
        #expect(near(fairness.jainAtEnd, 1))
    }

    @Test func aFailureIsSeenAtTheEnd() throws {
        let fairness = try #require(
            Fairness([.at(0, first: 5, last: 5), .at(0, first: nil, last: nil, adapter: 1)]))
        #expect(near(fairness.jainAtEnd, 0.5))
    }

    /// Both wait from 0 to 100 ms. In that time the first adapter gets 3 requests of 10 + 2, the
    /// other gets one of them: at most 36 - 0 apart before the other's comes.
    @Test func theGapIsTheLargestWhileBothWait() throws {
        let busy = [10, 20, 30, 100].map { RequestOutcome.at(0, first: $0, last: $0) }
        let slow = [40, 100].map { RequestOutcome.at(0, first: $0, last: $0, adapter: 1) }
        let fairness = try #require(Fairness(busy + slow))
        #expect(near(fairness.largestGap, 36))
    }

    @Test func whoDoesNotWaitHasNoGap() throws {
        let fairness = try #require(
            Fairness([
                .at(0, first: 10, last: 90, tokens: 50), .at(20, first: 30, last: 30, adapter: 1),
            ]))
        #expect(fairness.largestGap == nil)
    }

    /// The definition on a grid: over all stretches in which both wait in every millisecond,
    /// whose ends may lie just before or just behind a moment.
    private func largestGap(_ outcomes: [RequestOutcome]) -> Double? {
        func service(_ adapter: Int, _ time: Int, _ isIncluded: Bool) -> Double {
            outcomes.filter { $0.adapter == adapter }.reduce(0) { sum, one in
                guard let first = one.firstToken.map({ Int($0.seconds * 1000 + 0.5) }) else {
                    return sum
                }
                let last = Int((one.lastToken ?? .zero).seconds * 1000 + 0.5)
                guard first < time || first == time && isIncluded else { return sum }
                let prompt = Double(one.promptTokens)
                guard last > first, one.outputTokens > 1 else {
                    return sum + prompt + 2 * Double(one.outputTokens)
                }
                let part = Double(min(time, last) - first) / Double(last - first)
                return sum + prompt + 2 + 2 * Double(one.outputTokens - 1) * part
            }
        }
        func waits(_ adapter: Int, _ time: Int) -> Bool {
            outcomes.contains { one in
                let start = Int(one.arrival.seconds * 1000 + 0.5)
                let end = Int((one.firstToken ?? one.ended).seconds * 1000 + 0.5)
                return one.adapter == adapter && start <= time && time < end
            }
        }
        var largest: Double?
        for start in 0..<60 {
            var end = start
            while end < 60, waits(0, end), waits(1, end) { end += 1 }
            guard end > start else { continue }
            // Just behind the start, just before and behind each moment, just before the end.
            let moments =
                [(start, true)] + (start + 1..<end).flatMap { [($0, false), ($0, true)] }
                + [(end, false)]
            let leads = moments.map { service(0, $0.0, $0.1) - service(1, $0.0, $0.1) }
            for (place, lead) in leads.enumerated() {
                for later in leads[place...] { largest = max(largest ?? 0, abs(later - lead)) }
            }
        }
        return largest
    }

    @Test func theGapIsThatOfTheDefinition() {
        for seed in 0..<60 {
            var random = SeededRandom(seed: UInt64(seed))
            let outcomes = (0..<(2 + random.below(8))).map { _ -> RequestOutcome in
                let arrival = random.below(20)
                let first = arrival + random.below(15)
                let tokens = 1 + random.below(5)
                return .at(
                    arrival, first: random.chance(10) ? nil : first,
                    last: first + (tokens > 1 ? random.below(12) : 0), adapter: random.below(2),
                    prompt: random.below(20), tokens: tokens)
            }
            let expected = largestGap(outcomes)
            let found = Fairness(outcomes)?.largestGap
            #expect(
                (expected == nil) == (found == nil)
                    && near(found ?? 0, expected ?? 0, within: 1e-6),
                "seed \(seed): \(found as Double?) instead of \(expected as Double?)")
        }
    }
}
