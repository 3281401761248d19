// SPDX-License-Identifier: Apache-2.0

package import Workloads

/// Which requests of a plan are to be sent when; time is a parameter.
package struct ArrivalQueue: Sendable {
    /// What decides when a request is sent.
    package enum Pace: Sendable, Equatable {
        /// The plan, whatever the server does (open loop).
        case planned
        /// The end of another one, so many being under way (closed loop).
        case concurrency(Int)
    }

    /// One request that is due.
    package enum Departure: Sendable, Equatable {
        /// To be sent now; its latency counts from `arrival`.
        case send(index: Int, arrival: Duration)
        /// Not to be sent, as too many are open.
        case shed(index: Int)
    }

    private let arrivals: [Duration]
    private let pace: Pace
    private let openLimit: Int
    private var next = 0

    /// `plan` is ascending by arrival; `openLimit` bounds the requests under way.
    package init(_ plan: [PlannedRequest], pace: Pace, openLimit: Int) {
        arrivals = plan.map(\.arrival)
        self.pace = pace
        self.openLimit = openLimit
    }

    /// Whether all have left.
    package var isEmpty: Bool { next == arrivals.count }

    /// When the next one is due by the plan; nil where none is, or where time does not decide.
    package var nextArrival: Duration? {
        pace == .planned && !isEmpty ? arrivals[next] : nil
    }

    /// The next one that leaves at `time`, while `open` are under way.
    package mutating func departure(at time: Duration, open: Int) -> Departure? {
        guard !isEmpty else { return nil }
        switch pace {
        case .planned:
            guard arrivals[next] <= time else { return nil }
            next += 1
            return open < openLimit
                ? .send(index: next - 1, arrival: arrivals[next - 1]) : .shed(index: next - 1)
        case .concurrency(let limit):
            guard open < min(limit, openLimit) else { return nil }
            next += 1
            return .send(index: next - 1, arrival: time)
        }
    }
}
