// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// The normal distribution that a CMA-ES draws from, and how it learns from the best draws.
struct EvolutionState {
    private(set) var mean: [Double]
    private(set) var stepSize: Double
    let populationSize: Int
    /// How many of the best draws it learns from.
    let parentCount: Int

    private let weights: [Double]
    /// How many equally weighted parents the weights are worth.
    private let parentMass: Double
    private var covariance: Matrix
    /// The covariance's principal axes as columns, and the deviation along each.
    private var axes: Matrix
    private var deviations: [Double]
    private var stepPath: [Double]
    private var covariancePath: [Double]
    private var generations = 0

    init(mean: [Double], stepSize: Double) {
        let count = mean.count
        self.mean = mean
        self.stepSize = stepSize
        populationSize = 4 + Int(3 * log(Double(max(count, 1))))
        parentCount = populationSize / 2
        let half = Double(populationSize + 1) / 2
        let raw = (1...parentCount).map { log(half) - log(Double($0)) }
        let total = raw.reduce(0, +)
        weights = raw.map { $0 / total }
        parentMass = 1 / weights.reduce(0) { $0 + $1 * $1 }
        covariance = Matrix(zeros: count, count)
        for place in 0..<count { covariance[place, place] = 1 }
        axes = covariance
        deviations = Array(repeating: 1, count: count)
        stepPath = Array(repeating: 0, count: count)
        covariancePath = stepPath
    }

    /// Below this further draws are the same point.
    private static let leastStep = 1e-9
    /// Far beyond any distance inside the bounds of a search.
    private static let mostStep = 1e3

    /// Whether draws still differ from each other.
    var isMoving: Bool { !mean.isEmpty && stepSize > Self.leastStep }

    private var size: Double { Double(mean.count) }

    /// A draw with this covariance out of independent normal numbers.
    func step(_ normal: [Double]) -> [Double] {
        let scaled = zip(normal, deviations).map { $0 * $1 }
        return (0..<mean.count).map { row in
            scaled.indices.reduce(0) { $0 + axes[row, $1] * scaled[$1] }
        }
    }

    /// Moves towards the best steps, which are in units of the step size, the best first.
    mutating func adapt(to steps: [[Double]]) {
        generations += 1
        let move = mean.indices.map { place in
            zip(weights, steps).reduce(0) { $0 + $1.0 * $1.1[place] }
        }
        for place in mean.indices { mean[place] += stepSize * move[place] }

        let pathRate = (parentMass + 2) / (size + parentMass + 5)
        let damping =
            1 + 2 * max(0, ((parentMass - 1) / (size + 1)).squareRoot() - 1) + pathRate
        let white = whitened(move)
        let gain = (pathRate * (2 - pathRate) * parentMass).squareRoot()
        for place in mean.indices {
            stepPath[place] = (1 - pathRate) * stepPath[place] + gain * white[place]
        }
        let length = stepPath.reduce(0) { $0 + $1 * $1 }.squareRoot()
        let expected =
            size.squareRoot() * (1 - 1 / (4 * size) + 1 / (21 * size * size))
        let settled =
            length / (1 - pow(1 - pathRate, 2 * Double(generations))).squareRoot()
        adaptCovariance(
            to: steps, move: move, isStalled: settled > (1.4 + 2 / (size + 1)) * expected)
        stepSize = min(
            stepSize * exp(min(1, pathRate / damping * (length / expected - 1))), Self.mostStep)
    }

    private mutating func adaptCovariance(
        to steps: [[Double]], move: [Double], isStalled: Bool
    ) {
        let pathRate = (4 + parentMass / size) / (size + 4 + 2 * parentMass / size)
        let oneRate = 2 / ((size + 1.3) * (size + 1.3) + parentMass)
        let manyRate = min(
            1 - oneRate,
            2 * (parentMass - 2 + 1 / parentMass) / ((size + 2) * (size + 2) + parentMass))
        let gain = isStalled ? 0 : (pathRate * (2 - pathRate) * parentMass).squareRoot()
        for place in mean.indices {
            covariancePath[place] = (1 - pathRate) * covariancePath[place] + gain * move[place]
        }
        let lost = isStalled ? oneRate * pathRate * (2 - pathRate) : 0
        let kept = 1 - oneRate - manyRate + lost
        for row in mean.indices {
            for column in mean.indices {
                let many = zip(weights, steps).reduce(0) {
                    $0 + $1.0 * $1.1[row] * $1.1[column]
                }
                covariance[row, column] =
                    kept * covariance[row, column]
                    + oneRate * covariancePath[row] * covariancePath[column] + manyRate * many
            }
        }
        // The singular values of a symmetric matrix that is not negative are its eigenvalues. Where
        // they cannot be found the old axes serve on.
        guard let parts = try? LinearAlgebra.singularValues(covariance) else { return }
        axes = parts.left
        deviations = parts.values.map { max($0, 1e-20).squareRoot() }
    }

    /// A step as it was drawn: along the axes, and in units of their deviations.
    private func whitened(_ step: [Double]) -> [Double] {
        let along = (0..<mean.count).map { axis in
            step.indices.reduce(0) { $0 + axes[$1, axis] * step[$1] } / deviations[axis]
        }
        return (0..<mean.count).map { row in
            along.indices.reduce(0) { $0 + axes[row, $1] * along[$1] }
        }
    }
}
