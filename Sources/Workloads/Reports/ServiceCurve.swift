// SPDX-License-Identifier: Apache-2.0

/// How much service one adapter has received by any time, and when it was waiting for more.
///
/// Service is counted as VTC does (Sheng et al., OSDI 2024, section 3): a prompt token is 1, a token
/// of output 2. A prompt counts when its first token comes; tokens of output come evenly between
/// the first and the last, as a client keeps no more of them than that.
struct ServiceCurve {
    static let promptWeight = 1.0
    static let outputWeight = 2.0

    /// A time at which the curve jumps or bends.
    private struct Bend {
        var time: Double
        var before: Double
        var after: Double
        /// Service for each second from here on.
        var slope: Double
    }

    private var bends: [Bend] = []
    /// Ascending, apart from each other: a request of the adapter waits for its first token.
    private(set) var backlog: [Range<Double>] = []

    init(_ outcomes: [RequestOutcome]) {
        var changes: [(time: Double, jump: Double, slope: Double)] = []
        for outcome in outcomes {
            guard let first = outcome.firstToken?.seconds else { continue }
            let last = max(outcome.lastToken?.seconds ?? first, first)
            let tokens = Double(outcome.outputTokens)
            var jump = Self.promptWeight * Double(outcome.promptTokens)
            if last > first, tokens > 1 {
                let slope = Self.outputWeight * (tokens - 1) / (last - first)
                changes.append((last, 0, -slope))
                jump += Self.outputWeight
                changes.append((first, jump, slope))
            } else {
                changes.append((first, jump + Self.outputWeight * tokens, 0))
            }
        }
        bend(at: changes.sorted { $0.time < $1.time })
        wait(outcomes)
    }

    private mutating func bend(at changes: [(time: Double, jump: Double, slope: Double)]) {
        for change in changes {
            if let last = bends.last, last.time == change.time {
                bends[bends.count - 1].after += change.jump
                bends[bends.count - 1].slope += change.slope
            } else {
                let before = value(at: change.time)
                bends.append(
                    Bend(
                        time: change.time, before: before, after: before + change.jump,
                        slope: (bends.last?.slope ?? 0) + change.slope))
            }
        }
    }

    private mutating func wait(_ outcomes: [RequestOutcome]) {
        let waits = outcomes.filter { $0.sent != nil }
            .map { ($0.arrival.seconds, ($0.firstToken ?? $0.ended).seconds) }
            .filter { $0.0 < $0.1 }
            .sorted { $0.0 < $1.0 }
        for (start, end) in waits {
            if let last = backlog.last, start <= last.upperBound {
                backlog[backlog.count - 1] = last.lowerBound..<max(last.upperBound, end)
            } else {
                backlog.append(start..<end)
            }
        }
    }

    /// All service to the end.
    var total: Double { bends.last?.after ?? 0 }

    /// Service up to and including `time`.
    func value(at time: Double) -> Double { value(at: time, includingJump: true) }

    /// Service up to `time`, with or without what comes in that very moment.
    private func value(at time: Double, includingJump: Bool) -> Double {
        var low = 0
        var high = bends.count
        while low < high {
            let middle = (low + high) / 2
            if bends[middle].time <= time { low = middle + 1 } else { high = middle }
        }
        guard low > 0 else { return 0 }
        let bend = bends[low - 1]
        if bend.time == time { return includingJump ? bend.after : bend.before }
        return bend.after + bend.slope * (time - bend.time)
    }

    /// The largest difference of the service that two adapters receive in any stretch of time during
    /// which both wait without a break (VTC's definition of the gap); nil where there is none.
    static func gap(_ one: ServiceCurve, _ other: ServiceCurve) -> Double? {
        var largest: Double?
        var (i, j) = (0, 0)
        while i < one.backlog.count, j < other.backlog.count {
            let (a, b) = (one.backlog[i], other.backlog[j])
            let start = max(a.lowerBound, b.lowerBound)
            let end = min(a.upperBound, b.upperBound)
            if start < end {
                largest = max(largest ?? 0, spread(one, other, in: start..<end))
            }
            if a.upperBound <= b.upperBound { i += 1 } else { j += 1 }
        }
        return largest
    }

    /// The largest minus the smallest lead of one over the other: what a stretch from one of these
    /// times to the other differs by.
    private static func spread(
        _ one: ServiceCurve, _ other: ServiceCurve, in stretch: Range<Double>
    ) -> Double {
        func lead(_ time: Double, _ includingJump: Bool) -> Double {
            one.value(at: time, includingJump: includingJump)
                - other.value(at: time, includingJump: includingJump)
        }
        var low = lead(stretch.lowerBound, true)
        var high = low
        func see(_ value: Double) {
            low = min(low, value)
            high = max(high, value)
        }
        for curve in [one, other] {
            for bend in curve.bends(in: stretch) {
                see(lead(bend.time, false))
                see(lead(bend.time, true))
            }
        }
        see(lead(stretch.upperBound, false))
        return high - low
    }

    /// The bends strictly inside.
    private func bends(in stretch: Range<Double>) -> ArraySlice<Bend> {
        func first(after time: Double, orAt: Bool) -> Int {
            var (low, high) = (0, bends.count)
            while low < high {
                let middle = (low + high) / 2
                let isBehind = orAt ? bends[middle].time >= time : bends[middle].time > time
                if isBehind { high = middle } else { low = middle + 1 }
            }
            return low
        }
        let start = first(after: stretch.lowerBound, orAt: false)
        return bends[start..<max(start, first(after: stretch.upperBound, orAt: true))]
    }
}
