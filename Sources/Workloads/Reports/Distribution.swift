// SPDX-License-Identifier: Apache-2.0

/// Some values in five numbers; quantiles are exact, by nearest rank.
package struct Distribution: Sendable, Equatable, Codable {
    package var count: Int
    package var mean: Double
    package var p50: Double
    package var p90: Double
    package var p99: Double
    package var max: Double

    /// Nil without a value.
    package init?(_ values: [Double]) {
        guard !values.isEmpty else { return nil }
        let sorted = values.sorted()
        count = sorted.count
        mean = sorted.reduce(0, +) / Double(sorted.count)
        p50 = Self.quantile(50, of: sorted)
        p90 = Self.quantile(90, of: sorted)
        p99 = Self.quantile(99, of: sorted)
        max = sorted[sorted.count - 1]
    }

    /// The smallest of the `sorted` values that at least `part` of `whole` of them do not exceed.
    ///
    /// `sorted` has a value, and `part` is 0 to `whole`. In whole numbers, as 0.9 times 10 is not
    /// quite 9 otherwise.
    package static func quantile(_ part: Int, of sorted: [Double], whole: Int = 100) -> Double {
        let rank = (part * sorted.count + whole - 1) / whole
        return sorted[Swift.max(rank, 1) - 1]
    }
}

/// A number from several runs that differ in their seed.
package struct Estimate: Sendable, Equatable, Codable {
    /// One for each seed, in their order.
    package var values: [Double]
    package var mean: Double
    /// Half the width of the 95 % confidence interval of the mean (Student's t); nil for one value.
    package var halfWidth: Double?

    /// Nil without a value.
    package init?(_ values: [Double]) {
        guard !values.isEmpty else { return nil }
        self.values = values
        let mean = values.reduce(0, +) / Double(values.count)
        self.mean = mean
        guard values.count > 1 else { return }
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        let variance = squares / Double(values.count - 1)
        halfWidth =
            Self.student(freedom: values.count - 1)
            * (variance / Double(values.count))
            .squareRoot()
    }

    /// The 97.5 % quantile of Student's distribution; above 30 degrees of freedom by the first
    /// terms of its expansion around the normal one (Abramowitz and Stegun 26.7.5), off by less
    /// than 0.001.
    static func student(freedom: Int) -> Double {
        if freedom <= table.count { return table[freedom - 1] }
        let normal = 1.959964
        let (square, freedom) = (normal * normal, Double(freedom))
        return normal + normal * (square + 1) / (4 * freedom)
            + normal * (5 * square * square + 16 * square + 3) / (96 * freedom * freedom)
    }

    private static let table = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
        2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
        2.052, 2.048, 2.045, 2.042,
    ]
}
