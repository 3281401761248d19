// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// Something that took time in proportion to an amount, and perhaps a constant time besides.
package struct MeasuredAmount: Sendable, Equatable {
    package var amount: Int
    package var seconds: Double

    package init(amount: Int, seconds: Double) {
        self.amount = amount
        self.seconds = seconds
    }
}

/// An iteration of a machine that serves.
package struct ServedStep: Sendable, Equatable {
    package var work: StepWork
    package var cachedTokens: Int
    package var seconds: Double

    /// How many other replicas computed.
    package var others: Int

    package init(work: StepWork, cachedTokens: Int, seconds: Double, others: Int) {
        self.work = work
        self.cachedTokens = cachedTokens
        self.seconds = seconds
        self.others = others
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

    /// The seconds of an iteration of a machine that serves, while so many other replicas compute.
    package func seconds(of work: StepWork, cachedTokens: Int, beside others: Int) -> Double {
        let alone = seconds(of: work, cachedTokens: cachedTokens)
        let others = Double(others)
        return max(1e-9, alone * (1 + serving + contention * others) + contentionPerStep * others)
    }

    /// Sets by what iterations of a machine that serves take longer than the fit says; those of more than
    /// three times its time were stopped by something else.
    package mutating func fitServing(_ steps: [ServedStep]) {
        (serving, contention, contentionPerStep) = (0, 0, 0)
        var inputs: [[Double]] = []
        var targets: [Double] = []
        for step in steps {
            let alone = seconds(of: step.work, cachedTokens: step.cachedTokens)
            guard step.seconds > 0, step.seconds < 3 * alone else { continue }
            inputs.append([1, Double(step.others), Double(step.others) / alone])
            targets.append(step.seconds / alone - 1)
        }
        guard targets.count >= 16 else { return }
        let weights = NonNegativeFit(inputs: inputs, targets: targets, signed: [0]).weights()
        (serving, contention, contentionPerStep) = (weights[0], weights[1], weights[2])
    }

    /// The mean of |predicted − measured| / measured over steps of a machine that serves.
    package func errors(on steps: [ServedStep]) -> StepFit.Errors {
        StepFit.Errors(
            steps.map { step in
                let predicted = seconds(
                    of: step.work, cachedTokens: step.cachedTokens, beside: step.others)
                return abs(predicted - step.seconds) / step.seconds
            })
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
