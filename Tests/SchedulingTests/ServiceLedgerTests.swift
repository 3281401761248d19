// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Testing

/// The ledger's figures beside tables worked by hand; buckets are of 4 s.
struct ServiceLedgerTests {
    private func at(_ seconds: Double) -> Instant {
        Instant(nanoseconds: Int64(seconds * 1e9))
    }

    /// What happens to an adapter, at so many seconds.
    fileprivate enum Event {
        case demand(runnable: Int, waiting: Int)
        case served(prompt: Int, generated: Int)
        case launched(Int)
        case ended(Int)
    }

    private func ledger(
        _ events: [(Double, UInt32, Event)], weights: [Double] = []
    ) -> ServiceLedger {
        var ledger = ServiceLedger()
        for (seconds, id, event) in events {
            let now = at(seconds)
            switch event {
            case .demand(let runnable, let waiting):
                var demand = AdapterDemand()
                demand.unfinished = runnable
                demand.runnable = runnable
                demand.waiting = waiting
                if Int(id) <= weights.count { demand.weight = weights[Int(id) - 1] }
                ledger.note(demand, of: adapter(id), at: now)
            case .served(let prompt, let generated):
                ledger.served(
                    adapter(id), promptTokens: prompt, generatedTokens: generated, at: now)
            case .launched(let step): ledger.launched(adapter(id), step: step, at: now)
            case .ended(let step): ledger.ended(adapter(id), step: step, at: now)
            }
        }
        return ledger
    }

    /// The first adapter is forgotten with the very event that the last one is launched or ended by.
    @Test(arguments: [Event.launched(2), .ended(1)])
    fileprivate func whoIsForgottenLeavesTheOthersTheirAccounts(last: Event) {
        let ledger = ledger([
            (0, 1, .demand(runnable: 1, waiting: 0)), (1, 1, .demand(runnable: 0, waiting: 0)),
            (1, 2, .demand(runnable: 1, waiting: 0)), (2, 2, .launched(1)), (100, 2, last),
        ])
        #expect(ledger.services(at: at(100)).map(\.adapter) == [adapter(2)])
    }

    @Test func serviceIsPromptTokensAndTwiceTheGeneratedOnes() {
        let ledger = ledger([
            (1, 1, .demand(runnable: 1, waiting: 1)), (1, 1, .served(prompt: 10, generated: 1)),
            (2, 1, .served(prompt: 0, generated: 4)), (3, 1, .demand(runnable: 0, waiting: 0)),
        ])
        // 10 + 2·1 + 2·4
        #expect(ledger.services(at: at(5)).map(\.service) == [20])
        #expect(ledger.services(at: at(59)).map(\.service) == [20])
        #expect(ledger.services(at: at(63.9)).map(\.service) == [20])
        #expect(ledger.services(at: at(64)).isEmpty, "16 buckets later nothing is left")
    }

    /// Service of adapters 1, 2, …, and Jain's index: (Σx)² / (n Σx²).
    private static let indexes: [([Int], Double)] = [
        ([], 1), ([6], 1), ([5, 5], 1), ([6, 2], 0.8), ([8, 0], 0.5), ([0, 0], 1),
        ([1, 0, 0, 0], 0.25), ([1, 3, 4], 0.8205128205128205),
    ]

    @Test(arguments: indexes)
    func jainIndex(service: [Int], expected: Double) {
        var events: [(Double, UInt32, Event)] = []
        for (index, tokens) in service.enumerated() {
            let id = UInt32(index + 1)
            events.append((0, id, .demand(runnable: 1, waiting: 0)))
            events.append((1, id, .served(prompt: tokens, generated: 0)))
        }
        let figures = ledger(events).figures(at: at(2))
        #expect(figures.adapters == service.count)
        #expect(abs(figures.jainIndex - expected) < 1e-12)
    }

    @Test func serviceIsDividedByTheWeight() {
        let ledger = ledger(
            [
                (0, 1, .demand(runnable: 1, waiting: 1)), (0, 2, .demand(runnable: 1, waiting: 1)),
                (1, 1, .served(prompt: 30, generated: 0)),
                (1, 2, .served(prompt: 10, generated: 0)),
            ], weights: [3, 1])
        #expect(ledger.figures(at: at(2)).jainIndex == 1)
        #expect(ledger.figures(at: at(2)).largestServiceGap == 0)
    }

    /// Both wait from 0 s; 1 gets 10 in each bucket, 2 gets 4 in the first and 30 in the third.
    @Test func gapIsTheLargestOfTimesThatLastUntilNow() {
        let both: [(Double, UInt32, Event)] = [
            (0, 1, .demand(runnable: 2, waiting: 1)), (0, 2, .demand(runnable: 2, waiting: 1)),
            (1, 1, .served(prompt: 10, generated: 0)), (1, 2, .served(prompt: 4, generated: 0)),
        ]
        #expect(ledger(both).figures(at: at(2)).largestServiceGap == 6)
        let second = both + [(5, 1, .served(prompt: 10, generated: 0))]
        // Since 0 s: 20 to 4; since 4 s: 10 to 0.
        #expect(ledger(second).figures(at: at(6)).largestServiceGap == 16)
        let third =
            second + [
                (9, 1, .served(prompt: 10, generated: 0)),
                (9, 2, .served(prompt: 0, generated: 15)),
            ]
        // Since 0 s: 30 to 34; since 4 s: 20 to 30; since 8 s: 10 to 30.
        #expect(ledger(third).figures(at: at(10)).largestServiceGap == 20)
    }

    @Test func gapCountsOnlyTimesInWhichBothWait() {
        let events: [(Double, UInt32, Event)] = [
            (0, 1, .demand(runnable: 1, waiting: 1)), (1, 1, .served(prompt: 100, generated: 0)),
            (5, 2, .demand(runnable: 1, waiting: 1)), (6, 1, .served(prompt: 50, generated: 0)),
            (9, 1, .served(prompt: 7, generated: 0)),
        ]
        // Adapter 2 waits since within the bucket of 4 s: the first whole one begins at 8 s.
        #expect(ledger(events.dropLast()).figures(at: at(7)).largestServiceGap == 0)
        let both = ledger(events)
        #expect(both.figures(at: at(10)).largestServiceGap == 7)
        let alone = ledger(events + [(10, 2, .demand(runnable: 1, waiting: 0))])
        #expect(alone.figures(at: at(11)).largestServiceGap == 0, "it only runs, nobody waits")
    }

    @Test func unservedIsSinceTheLastStepOrTheFirstRunnableRequest() {
        let events: [(Double, UInt32, Event)] = [
            (1, 1, .demand(runnable: 1, waiting: 1)), (2, 2, .demand(runnable: 1, waiting: 1)),
            (2.5, 1, .launched(1)), (3, 1, .launched(2)), (3.5, 1, .ended(1)),
        ]
        let running = ledger(events)
        #expect(running.services(at: at(6)).map(\.unserved) == [nil, .seconds(4)])
        #expect(running.figures(at: at(3)).longestUnserved == .milliseconds(1500), "1 waited 1.5 s")
        #expect(running.figures(at: at(6)).longestUnserved == .seconds(4))
        let over = ledger(events + [(4, 1, .ended(2)), (4.5, 2, .launched(3)), (5, 2, .ended(3))])
        #expect(over.services(at: at(6)).map(\.unserved) == [.seconds(2), .seconds(1)])
        #expect(over.figures(at: at(6)).longestUnserved == .milliseconds(2500))
        let idle = ledger(
            events + [
                (4, 1, .ended(2)), (4, 1, .demand(runnable: 0, waiting: 0)),
                (4.5, 2, .launched(3)), (5, 2, .ended(3)), (5, 2, .demand(runnable: 0, waiting: 0)),
            ])
        #expect(idle.figures(at: at(60)).longestUnserved == .milliseconds(2500))
        #expect(idle.figures(at: at(69)).longestUnserved == .zero)
    }

    @Test func accountsOfAMinuteAgoAreForgottenAndOthersKeepTheirs() {
        var ledger = ledger([
            (0, 1, .demand(runnable: 1, waiting: 0)), (0, 1, .demand(runnable: 0, waiting: 0)),
            (0, 2, .demand(runnable: 1, waiting: 0)), (62, 2, .served(prompt: 5, generated: 0)),
        ])
        ledger.served(adapter(2), promptTokens: 3, generatedTokens: 0, at: at(70))
        let services = ledger.services(at: at(70))
        #expect(services.map(\.adapter) == [adapter(2)])
        #expect(services.map(\.service) == [8])
    }
}

/// What the scheduler writes into its ledger.
struct ReplicaLedgerTests {
    @Test func aReplicaEntersDemandServiceAndModes() {
        let configuration = ReplicaConfiguration(
            id: replica(0), batchRequests: 4, batchTokens: 16, pages: 64, adapterBytes: 30)
        var scheduler = ReplicaScheduler(configuration, clock: { .start })
        var new = NewRequest(id: request(1), arrival: .start, promptTokens: 20)
        new.maximumTokens = 2
        #expect(scheduler.submit(new, at: .start) == nil)
        let second = Instant.start.advanced(by: .seconds(1))
        #expect(scheduler.ledger.figures(at: second).longestUnserved == .seconds(1))
        for number in 1...3 {
            guard let plan = scheduler.planStep(at: second) else {
                Issue.record("nothing planned")
                return
            }
            #expect(plan.number == number)
            _ = scheduler.complete(
                StepOutcome(number: number, stepTime: .milliseconds(20)), at: second)
        }
        // 16 and 4 prompt tokens, the latter with the first token, then the second.
        #expect(scheduler.ledger.services(at: second).map(\.service) == [20 + 2 * 2])
        #expect(scheduler.backlog.requests == 0)
        #expect(scheduler.ledger.services(at: second).map(\.unserved) == [nil])
        #expect(scheduler.timeline.changes == [ModeChange(since: second, mode: .unmerged)])
        #expect(scheduler.counters.unmergedTime == .milliseconds(60))
        #expect(scheduler.inconsistencies() == [])
    }
}
