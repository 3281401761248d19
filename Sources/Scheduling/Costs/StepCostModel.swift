// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit

/// What the time of one iteration depends on.
package struct StepFeatures: Sendable, Equatable {
    package var promptTokens = 0
    package var decodeRows = 0

    /// Pairs of a query and a key that attention visits, per head and layer.
    package var attendedTokens = 0

    /// Σ tokens × rank over the LoRA paths that are computed; none for rows of the merged adapter.
    package var rankTokens = 0

    /// Σ rank over the distinct adapters whose paths are computed.
    package var distinctRanks = 0

    /// Whether the iteration uses a merged copy of the weights.
    package var isMerged = false

    package init() {}

    var vector: SIMD8<Double> {
        SIMD8(
            steps: 1, promptTokens: Double(promptTokens), decodeRows: Double(decodeRows),
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
    package func predict(_ step: StepFeatures) -> Duration? { time(of: step.vector) }

    /// The time of many iterations, or `nil` before the first observation; never negative.
    package func predict(_ work: PendingWork) -> Duration? { time(of: work.vector) }

    /// Learns the measured time of an iteration; times that are not positive are ignored.
    package mutating func observe(_ step: StepFeatures, took time: Duration) {
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
        self.init(
            steps, promptTokens / 256, decodeRows / 16, attended / 65_536, rankTokens / 4_096,
            distinctRanks / 256, merged, 0)
    }
}

extension Duration {
    /// A duration of 0 to about 30 years; what is not a number is zero.
    static func clamping(seconds: Double) -> Duration {
        guard seconds > 0 else { return .zero }
        return .nanoseconds(Int64(min(seconds, 1e9) * 1e9))
    }
}
