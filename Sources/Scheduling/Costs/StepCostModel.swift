// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

extension StepWork {
    var vector: SIMD8<Double> {
        SIMD8(
            steps: 1, promptTokens: Double(promptTokens), decodeRows: Double(decodeTokens),
            attended: Double(attendedTokens), rankTokens: Double(rankTokens),
            distinctRanks: Double(distinctRanks), merged: isMerged ? 1 : 0)
    }
}

/// Work that is left, as sums over the iterations it will take.
package struct PendingWork: Sendable, Equatable {
    package var steps = 0.0
    package var promptTokens = 0.0
    package var decodeRows = 0.0
    package var attendedTokens = 0.0
    package var rankTokens = 0.0
    package var distinctRanks = 0.0
    package var mergedSteps = 0.0

    package init() {}

    var vector: SIMD8<Double> {
        SIMD8(
            steps: steps, promptTokens: promptTokens, decodeRows: decodeRows,
            attended: attendedTokens, rankTokens: rankTokens, distinctRanks: distinctRanks,
            merged: mergedSteps)
    }
}

/// Predicts the time of iterations from those that were measured.
///
/// Linear in the features, as iteration times of LoRA serving are (CaraServe §5.2), and fitted by
/// least squares with exponential forgetting. Each observation is divided by its own
/// time, so that the fit minimises the relative error and a stalled iteration weighs little.
package struct StepCostModel: Sendable, Equatable {
    /// Iterations observed.
    package private(set) var observations = 0

    /// Mean of |predicted − measured| / measured, of predictions made before each observation.
    package private(set) var relativeError = 0.0

    private var fit = ForgettingFit()

    package init() {}

    /// The time of an iteration, or `nil` before the first observation; never negative.
    package func predict(_ step: StepWork) -> Duration? { time(of: step.vector) }

    /// The time of many iterations, or `nil` before the first observation; never negative.
    package func predict(_ work: PendingWork) -> Duration? { time(of: work.vector) }

    /// Learns the measured time of an iteration; times that are not positive are ignored.
    package mutating func observe(_ step: StepWork, took time: Duration) {
        let seconds = time.inSeconds
        guard seconds > 0 else { return }
        let input = step.vector / seconds
        let predicted = (fit.weights * input).sum()
        var error = 1 - predicted
        if observations > 0 {
            let share = max(0.05, 1 / Double(observations))
            relativeError += (min(abs(error), 10) - relativeError) * share
        }
        if observations >= 32 {
            let most = 4 * max(relativeError, 0.05)
            error = min(max(error, -most), most)
        }
        fit.observe(input, target: predicted + error)
        observations = min(observations + 1, .max - 1)
    }

    /// The fit as policies see it.
    var estimates: CostEstimates {
        var estimates = CostEstimates()
        estimates.observations = observations
        estimates.relativeError = relativeError
        let weights = fit.weights / .scales
        estimates.perStep = weights[0]
        estimates.perPromptToken = weights[1]
        estimates.perDecodeToken = weights[2]
        estimates.perAttendedToken = weights[3]
        estimates.perRankToken = weights[4]
        estimates.perDistinctRank = weights[5]
        estimates.perMergedStep = weights[6]
        return estimates
    }

    private func time(of vector: SIMD8<Double>) -> Duration? {
        guard observations > 0 else { return nil }
        return Duration.clamping(seconds: (fit.weights * vector).sum())
    }
}

extension SIMD8<Double> {
    /// Features scaled to about 1, which keeps the fit well conditioned.
    fileprivate init(
        steps: Double, promptTokens: Double, decodeRows: Double, attended: Double,
        rankTokens: Double, distinctRanks: Double, merged: Double
    ) {
        let unscaled = SIMD8(
            steps, promptTokens, decodeRows, attended, rankTokens, distinctRanks, merged, 0)
        self = unscaled / .scales
    }

    fileprivate static let scales = SIMD8<Double>(1, 256, 16, 65_536, 4_096, 256, 1, 1)
}

extension Duration {
    /// A duration of 0 to about 30 years; what is not a number is zero.
    static func clamping(seconds: Double) -> Duration {
        guard seconds > 0 else { return .zero }
        return .nanoseconds(Int64(min(seconds, 1e9) * 1e9))
    }
}
