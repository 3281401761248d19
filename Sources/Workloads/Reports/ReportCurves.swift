// SPDX-License-Identifier: Apache-2.0

/// What the plots of a report show, of all its seeds together; times in seconds.
package struct ReportCurves: Sendable, Equatable, Codable {
    /// The 1/200th, 2/200th … 200/200th quantile; empty where no request completed.
    package var timeToFirstToken: [Double]
    package var endToEnd: [Double]
    /// The width of one interval of the series below.
    package var interval: Double
    /// In each interval, on average over the seeds: tokens of output in a second.
    package var outputTokensPerSecond: [Double]
    /// Requests that had arrived and had no token yet.
    package var waiting: [Double]
    package var adapters: [AdapterStatistics]

    static let quantileCount = 200
    static let intervalCount = 80

    init(_ runs: [[RequestOutcome]], names: ModelNames) {
        let all = runs.flatMap { $0 }
        timeToFirstToken = Self.quantiles(all.compactMap(\.timeToFirstToken))
        endToEnd = Self.quantiles(all.compactMap(\.latency))
        let end = all.map(\.ended.seconds).max() ?? 0
        let interval = end > 0 ? end / Double(Self.intervalCount) : 1
        self.interval = interval
        var tokens = [Double](repeating: 0, count: Self.intervalCount)
        var waiting = tokens
        let scale = 1 / (interval * Double(max(runs.count, 1)))
        for one in all {
            if one.sent != nil {
                let wait =
                    one.arrival
                    .seconds...max(
                        one.arrival.seconds, (one.firstToken ?? one.ended).seconds)
                Self.spread(
                    (wait.upperBound - wait.lowerBound) * scale, over: wait, of: interval,
                    into: &waiting)
            }
            guard let first = one.firstToken?.seconds, one.outputTokens > 0 else { continue }
            let span = first...max(first, one.lastToken?.seconds ?? first)
            Self.spread(scale, over: first...first, of: interval, into: &tokens)
            Self.spread(
                Double(one.outputTokens - 1) * scale, over: span, of: interval, into: &tokens)
        }
        outputTokensPerSecond = tokens
        self.waiting = waiting
        adapters = AdapterStatistics.each(all, names: names)
    }

    private static func quantiles(_ values: [Double]) -> [Double] {
        guard !values.isEmpty else { return [] }
        let sorted = values.sorted()
        return (1...quantileCount).map {
            Distribution.quantile($0, of: sorted, whole: quantileCount)
        }
    }

    /// Adds `amount` to the intervals, evenly over `span`.
    private static func spread(
        _ amount: Double, over span: ClosedRange<Double>, of interval: Double,
        into intervals: inout [Double]
    ) {
        func place(_ time: Double) -> Int {
            min(max(Int(time / interval), 0), intervals.count - 1)
        }
        let (first, last) = (place(span.lowerBound), place(span.upperBound))
        let width = span.upperBound - span.lowerBound
        guard first < last, width > 0 else {
            intervals[first] += amount
            return
        }
        for index in first...last {
            let start = max(span.lowerBound, Double(index) * interval)
            let end =
                index == last ? span.upperBound : min(span.upperBound, Double(index + 1) * interval)
            intervals[index] += amount * max(end - start, 0) / width
        }
    }
}
