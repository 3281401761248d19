// SPDX-License-Identifier: Apache-2.0

import LoadGeneration
import Testing
import Workloads

struct ArrivalQueueTests {
    private let plan = [10, 20, 20, 50].map {
        PlannedRequest(arrival: .milliseconds($0), adapter: 0, promptTokens: 1, outputTokens: 1)
    }

    @Test func requestsLeaveAtTheirTimes() {
        var queue = ArrivalQueue(plan, pace: .planned, openLimit: 9)
        #expect(queue.nextArrival == .milliseconds(10))
        #expect(queue.departure(at: .milliseconds(9), open: 0) == nil)
        #expect(
            queue.departure(at: .milliseconds(10), open: 0)
                == .send(index: 0, arrival: .milliseconds(10)))
        #expect(queue.departure(at: .milliseconds(10), open: 1) == nil)
        #expect(queue.nextArrival == .milliseconds(20))
    }

    /// However late it is, latencies count from the plan.
    @Test func lateRequestsKeepTheirArrival() {
        var queue = ArrivalQueue(plan, pace: .planned, openLimit: 9)
        let departures = (0..<5).map { queue.departure(at: .seconds(1), open: $0) }
        #expect(
            departures == [
                .send(index: 0, arrival: .milliseconds(10)),
                .send(index: 1, arrival: .milliseconds(20)),
                .send(index: 2, arrival: .milliseconds(20)),
                .send(index: 3, arrival: .milliseconds(50)), nil,
            ])
        #expect(queue.isEmpty && queue.nextArrival == nil)
    }

    @Test func whatIsOverTheLimitIsShed() {
        var queue = ArrivalQueue(plan, pace: .planned, openLimit: 2)
        #expect(queue.departure(at: .seconds(1), open: 2) == .shed(index: 0))
        #expect(
            queue.departure(at: .seconds(1), open: 1)
                == .send(index: 1, arrival: .milliseconds(20)))
    }

    @Test func aClosedLoopKeepsSoManyUnderWay() {
        var queue = ArrivalQueue(plan, pace: .concurrency(2), openLimit: 9)
        #expect(queue.nextArrival == nil)
        #expect(queue.departure(at: .zero, open: 0) == .send(index: 0, arrival: .zero))
        #expect(queue.departure(at: .zero, open: 1) == .send(index: 1, arrival: .zero))
        #expect(queue.departure(at: .zero, open: 2) == nil)
        let later = Duration.milliseconds(70)
        #expect(queue.departure(at: later, open: 1) == .send(index: 2, arrival: later))
    }
}
