// SPDX-License-Identifier: Apache-2.0

/// The distribution of durations in memory that does not grow: each is counted in an interval that
/// is at most 1/64 of it wide, so that quantiles are within 0.8 %.
package struct LatencyHistogram: Sendable, Equatable {
    private static let bits = 6

    package private(set) var count = 0
    package private(set) var maximum = 0.0
    private var sum = 0.0
    private var counts: [Int] = []

    package init() {}

    /// Counts a duration in seconds; negative ones count as zero.
    package mutating func add(seconds: Double) {
        let nanoseconds = UInt64(min(max(0, seconds * 1e9), 9e18))
        let index = Self.index(of: nanoseconds)
        if index >= counts.count {
            counts.append(contentsOf: repeatElement(0, count: index + 1 - counts.count))
        }
        counts[index] += 1
        count += 1
        sum += max(0, seconds)
        maximum = max(maximum, seconds)
    }

    /// The mean in seconds, exact; `nil` of nothing.
    package var mean: Double? { count > 0 ? sum / Double(count) : nil }

    /// The least seconds that a share `quantile` of all does not exceed, within 0.8 %; `nil` of
    /// nothing.
    package func quantile(_ quantile: Double) -> Double? {
        guard count > 0 else { return nil }
        let rank = max(1, Int((quantile * Double(count)).rounded(.up)))
        var seen = 0
        for (index, number) in counts.enumerated() where number > 0 {
            seen += number
            if seen >= rank { return min(Self.middle(of: index) / 1e9, maximum) }
        }
        return maximum
    }

    /// The 1/`count`th to `count`/`count`th quantile in seconds; empty of nothing.
    package func quantiles(_ wanted: Int) -> [Double] {
        guard count > 0 else { return [] }
        var values: [Double] = []
        values.reserveCapacity(wanted)
        var seen = 0
        for (index, number) in counts.enumerated() where number > 0 {
            seen += number
            let value = min(Self.middle(of: index) / 1e9, maximum)
            while values.count < wanted, seen * wanted >= (values.count + 1) * count {
                values.append(value)
            }
        }
        return values
    }

    private static func index(of value: UInt64) -> Int {
        let width = UInt64.bitWidth - value.leadingZeroBitCount
        guard width > bits + 1 else { return Int(value) }
        let shift = width - bits - 1
        return shift << bits + Int(value >> UInt64(shift))
    }

    private static func middle(of index: Int) -> Double {
        guard index >= 2 << bits else { return Double(index) }
        let shift = index >> bits - 1
        let mantissa = index - shift << bits
        return (Double(mantissa) + 0.5) * Double(UInt64(1) << UInt64(shift))
    }
}
