// SPDX-License-Identifier: Apache-2.0

/// How something is trained, whatever it is.
package struct TrainingSettings: Sendable, Equatable {
    package var steps = 1000
    /// Examples in a step.
    package var batch = 16
    /// After the warm-up; it then falls to zero in a line.
    package var learningRate = 5e-3
    /// Steps over which the learning rate rises.
    package var warmUp = 20
    package var weightDecay = 0.01
    /// What the balance of the experts counts beside the loss.
    package var alpha = 0.05
    /// How much spread directions without any are given in the coordinates that a gate is trained
    /// in, relative to the mean; 0 for the features' own coordinates.
    package var whitening = 1e-3
    /// Whether each token counts once in those coordinates, however often it occurs.
    package var whitensByToken = false
    package var seed: UInt64 = 0
    /// Steps from one look at the other data to the next.
    package var evaluateEvery = 50
    /// Looks without a better loss after which training ends; 0 for never.
    package var patience = 0

    package init() {}

    /// - Throws: `invalidSettings` with the first number that is out of range.
    package func check() throws(TrainingError) {
        let counts: [(String, Int, ClosedRange<Int>)] = [
            ("steps", steps, 1...10_000_000), ("batch", batch, 1...65_536),
            ("warm-up", warmUp, 0...max(0, steps - 1)),
            ("evaluate-every", evaluateEvery, 1...10_000_000),
            ("patience", patience, 0...1_000_000),
        ]
        for (name, value, range) in counts where !range.contains(value) {
            throw TrainingError(
                .invalidSettings,
                "\(name) is \(value); \(range.lowerBound) to \(range.upperBound) are possible")
        }
        let numbers: [(String, Double, ClosedRange<Double>)] = [
            ("learning-rate", learningRate, 1e-9...10), ("weight-decay", weightDecay, 0...10),
            ("alpha", alpha, 0...1000), ("whitening", whitening, 0...1e6),
        ]
        for (name, value, range) in numbers where !range.contains(value) {
            throw TrainingError(
                .invalidSettings,
                "\(name) is \(value); \(range.lowerBound) to \(range.upperBound) are possible")
        }
    }

    /// What must be the same for a run to be continued, in words.
    var identity: String {
        "steps \(steps), batch \(batch), learning rate \(learningRate), warm-up \(warmUp), "
            + "weight decay \(weightDecay), alpha \(alpha), whitening \(whitening) by "
            + "\(whitensByToken ? "token" : "row"), seed \(seed), evaluated every "
            + "\(evaluateEvery), patience \(patience)"
    }
}

/// What a look at data that is not trained on has found.
package struct Evaluation: Sendable, Equatable {
    /// In nats for each token of the answers.
    package var loss: Double
    /// The share of the examples whose every token is the likeliest: those that greedy decoding
    /// answers exactly.
    package var exact: Double
}

/// Where training stands after a step.
package struct TrainingReport: Sendable {
    /// The steps done.
    package var step: Int
    package var steps: Int
    /// Of this batch, in nats for each token of the answers.
    package var loss: Double
    package var balance: Double
    package var gradientNorm: Double
    /// Rows computed in this step.
    package var tokens: Int
    /// If this step ended with one.
    package var evaluation: Evaluation?
    package var best: Evaluation?
}
