// SPDX-License-Identifier: Apache-2.0

/// Something that took time in proportion to an amount, and perhaps a constant time besides.
package struct MeasuredAmount: Sendable, Equatable {
    package var amount: Int
    package var seconds: Double

    package init(amount: Int, seconds: Double) {
        self.amount = amount
        self.seconds = seconds
    }
}

extension SimulatedCosts {
    /// Sets what passes between two iterations, from gaps in which so many tokens were drawn.
    package mutating func fitBetween(_ gaps: [MeasuredAmount]) {
        (between, betweenPerToken) = Self.line(through: gaps)
    }

    /// Sets what loads take, from some of so many bytes.
    package mutating func fitLoads(_ loads: [MeasuredAmount]) {
        (loadLatency, loadSecondsPerByte) = Self.line(through: loads)
    }

    /// Non-negative least squares of relative errors, through the medians of each amount; all is in
    /// the slope where there is but one amount.
    static func line(through points: [MeasuredAmount]) -> (constant: Double, slope: Double) {
        let medians = Dictionary(grouping: points.filter { $0.seconds > 0 }, by: \.amount)
            .mapValues { points in points.map(\.seconds).sorted()[points.count / 2] }
            .sorted { $0.key < $1.key }
        guard let only = medians.first else { return (0, 0) }
        guard medians.count > 1 else {
            return only.key > 0 ? (0, only.value / Double(only.key)) : (only.value, 0)
        }
        let weights = NonNegativeFit(
            inputs: medians.map { [1 / $0.value, Double($0.key) / $0.value] },
            targets: [Double](repeating: 1, count: medians.count)
        ).weights()
        return (weights[0], weights[1])
    }
}
