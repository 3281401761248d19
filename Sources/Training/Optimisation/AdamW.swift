// SPDX-License-Identifier: Apache-2.0

internal import ModelLoading

/// What steers the optimiser, but for the learning rate.
struct AdamWSettings: Sendable, Equatable {
    var firstDecay = 0.9
    var secondDecay = 0.999
    var epsilon = 1e-8
    var weightDecay = 0.01
    /// The norm over all parameters that a longer gradient is shortened to.
    var clip = 1.0
}

/// Adam with decoupled weight decay, after clipping the gradient's norm.
///
/// Source: Loshchilov and Hutter, "Decoupled weight decay regularization" (2019).
struct AdamW<Scalar: TrainingScalar> {
    let settings: AdamWSettings
    /// The steps done.
    private(set) var step = 0
    /// The decaying means of the gradient and of its square, as the parameters.
    let means: [Matrix<Scalar>]
    let squares: [Matrix<Scalar>]

    init(_ settings: AdamWSettings, for parameters: [Parameter<Scalar>]) {
        self.settings = settings
        means = parameters.map { Matrix($0.matrix.rows, $0.matrix.columns) }
        squares = parameters.map { Matrix($0.matrix.rows, $0.matrix.columns) }
    }

    /// Goes on after so many steps, with means and squares that were kept.
    mutating func resume(atStep step: Int) { self.step = step }

    /// Moves the parameters against their gradients.
    ///
    /// - Returns: the norm of the gradient before it was clipped.
    mutating func update(
        _ parameters: [Parameter<Scalar>], _ gradients: [Matrix<Scalar>], learningRate: Double
    ) -> Double {
        step += 1
        let norm = gradients.reduce(0) { $0 + $1.squares }.squareRoot()
        let shortening = norm > settings.clip ? settings.clip / norm : 1
        for index in parameters.indices {
            let parameter = parameters[index]
            update(
                parameter.matrix, gradients[index], index: index,
                Rates(
                    settings, step: step, learningRate: learningRate, shortening: shortening,
                    decays: parameter.decays))
        }
        return norm
    }

    private struct Rates {
        let gradient: Scalar
        let first: Scalar
        let second: Scalar
        let step: Scalar
        let root: Scalar
        let epsilon: Scalar
        let kept: Scalar

        init(
            _ settings: AdamWSettings, step: Int, learningRate: Double, shortening: Double,
            decays: Bool
        ) {
            gradient = Scalar(shortening)
            first = Scalar(settings.firstDecay)
            second = Scalar(settings.secondDecay)
            let steps = Double(step)
            self.step = Scalar(learningRate / (1 - power(settings.firstDecay, steps)))
            root = Scalar(1 / (1 - power(settings.secondDecay, steps)).squareRoot())
            epsilon = Scalar(settings.epsilon)
            kept = Scalar(decays ? 1 - learningRate * settings.weightDecay : 1)
        }
    }

    private func update(
        _ matrix: Matrix<Scalar>, _ gradient: Matrix<Scalar>, index: Int, _ rates: Rates
    ) {
        for row in 0..<matrix.rows {
            let (values, gradients) = (matrix.row(row), gradient.row(row))
            let (means, squares) = (self.means[index].row(row), self.squares[index].row(row))
            for column in 0..<matrix.columns {
                let gradient = gradients[column] * rates.gradient
                means[column] = rates.first * means[column] + (1 - rates.first) * gradient
                squares[column] =
                    rates.second * squares[column] + (1 - rates.second) * gradient * gradient
                let root = squares[column].squareRoot() * rates.root + rates.epsilon
                values[column] = values[column] * rates.kept - rates.step * means[column] / root
            }
        }
    }
}

/// `base` to the power of `exponent`, for a base above zero.
private func power(_ base: Double, _ exponent: Double) -> Double {
    Double.exponential(exponent * Double.logarithm(base))
}

/// The learning rate over the steps: up in a line, then down in a line to zero.
struct LearningRate: Sendable, Equatable {
    let most: Double
    let warmUp: Int
    let steps: Int

    /// The rate of the step with this number, from 0.
    func rate(step: Int) -> Double {
        if step < warmUp { return most * Double(step + 1) / Double(warmUp + 1) }
        return most * Double(steps - step) / Double(max(1, steps - warmUp))
    }
}

/// Which examples are in which batch: each epoch goes through all in an order of its own.
struct BatchOrder: Sendable {
    private let count: Int
    private let seed: UInt64
    private var epoch = -1
    private var order: [Int] = []

    init(count: Int, seed: UInt64) {
        self.count = count
        self.seed = seed
    }

    /// The examples of a step, which may reach into the next epoch.
    mutating func batch(step: Int, size: Int) -> [Int] {
        (step * size..<(step + 1) * size).map { place in
            let wanted = place / count
            if wanted != epoch {
                epoch = wanted
                order = Array(0..<count)
                // Seeds of epochs must lie far apart, as one generator walks along them.
                var random = SplitMix64(
                    seed: seed ^ (UInt64(wanted) &+ 1) &* 0xD134_2543_DE82_EF95)
                random.shuffle(&order)
            }
            return order[place % count]
        }
    }
}
