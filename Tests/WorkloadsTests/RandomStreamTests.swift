// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import Workloads

struct RandomStreamTests {
    private func moments(
        _ count: Int, _ draw: () -> Double
    ) -> (mean: Double, variance: Double) {
        var sum = 0.0
        var squares = 0.0
        for _ in 0..<count {
            let value = draw()
            sum += value
            squares += value * value
        }
        let mean = sum / Double(count)
        return (mean, squares / Double(count) - mean * mean)
    }

    /// Five standard errors: the seeds are fixed, so this cannot fail by chance.
    @Test(arguments: [0.04, 0.25, 0.5, 1, 2.5, 9, 100])
    func gammaHasItsMeanAndVariance(_ shape: Double) {
        var random = RandomStream(seed: 11)
        let count = 200_000
        let found = moments(count) { random.gamma(shape: shape) }
        let meanError = (shape / Double(count)).squareRoot()
        // The variance of a sample variance is (kurtosis - 1) σ⁴ / n, with kurtosis 3 + 6 / shape.
        let varianceError = ((2 + 6 / shape) / Double(count)).squareRoot() * shape
        #expect(abs(found.mean - shape) < 5 * meanError)
        #expect(abs(found.variance - shape) < 5 * varianceError)
    }

    @Test func normalAndExponentialHaveTheirMoments() {
        var random = RandomStream(seed: 5)
        let normal = moments(200_000) { random.normal() }
        #expect(abs(normal.mean) < 0.012)
        #expect(abs(normal.variance - 1) < 0.016)
        let exponential = moments(200_000) { random.exponential() }
        #expect(abs(exponential.mean - 1) < 0.012)
        #expect(abs(exponential.variance - 1) < 0.032)
    }

    @Test(arguments: [1, 2, 3, 7, 1000])
    func indexesAreInRangeAndAlike(_ bound: Int) {
        var random = RandomStream(seed: 3)
        var counts = [Int](repeating: 0, count: bound)
        let draws = 1000 * bound
        for _ in 0..<draws { counts[random.index(below: bound)] += 1 }
        #expect(counts.allSatisfy { abs($0 - 1000) < 200 })
    }

    @Test func streamsOfOneSeedDiffer() {
        var first = RandomStream(seed: 1, stream: 1)
        var second = RandomStream(seed: 1, stream: 2)
        var again = RandomStream(seed: 1, stream: 1)
        let numbers = (0..<64).map { _ in first.next() }
        #expect(numbers == (0..<64).map { _ in again.next() })
        #expect(Set(numbers).isDisjoint(with: (0..<64).map { _ in second.next() }))
    }

    @Test(arguments: [[1.0], [1, 1, 1], [8, 4, 2, 1, 1], [0, 3, 0, 1], [0, 0]])
    func choicesFollowTheirWeights(_ weights: [Double]) {
        let choice = WeightedChoice(weights)
        var random = RandomStream(seed: 9)
        var counts = [Double](repeating: 0, count: weights.count)
        let draws = 100_000.0
        for _ in 0..<Int(draws) { counts[choice.draw(&random)] += 1 }
        let total = weights.reduce(0, +)
        for (count, weight) in zip(counts, weights) {
            let share = total > 0 ? weight / total : 1 / Double(weights.count)
            #expect(abs(count / draws - share) < 0.01)
            if weight == 0, total > 0 { #expect(count == 0) }
        }
    }
}
