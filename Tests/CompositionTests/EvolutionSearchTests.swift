// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Composition

/// Whether the search finds known minima, within its bounds and its evaluations.
struct EvolutionSearchTests {
    private func settings(_ evaluations: Int, seed: UInt64) -> EvolutionSearch.Settings {
        EvolutionSearch.Settings(
            evaluations: evaluations, seed: seed, bounds: -1.5...1.5, stepSize: 0.5)
    }

    /// Long narrow valleys along no axis: what needs the covariance.
    @Test(arguments: [UInt64(1), 2, 3], [1, 2, 5, 9])
    func anIllConditionedMinimumIsFound(seed: UInt64, size: Int) throws {
        var random = SeededRandom(seed: seed)
        let axes = try LinearAlgebra.orthonormal(random.matrix(size, size)).q
        let target = (0..<size).map { _ in Double.random(in: -0.9...0.9, using: &random) }
        let outcome = EvolutionSearch.minimum(
            from: Array(repeating: 0, count: size), settings(600 * size, seed: seed)
        ) { point in
            let away = Matrix(
                rows: 1, columns: size, values: zip(point, target).map { $0 - $1 })
            let along = away.times(axes).values
            return along.enumerated().reduce(0) {
                $0 + ($1.offset % 2 == 0 ? 1 : 100) * $1.element * $1.element
            }
        }
        #expect(outcome.value < 1e-8, "seed \(seed), size \(size): \(outcome)")
        #expect(zip(outcome.point, target).allSatisfy { abs($0 - $1) < 1e-3 })
    }

    @Test func aMinimumBeyondTheBoundsIsTheNearestPoint() {
        let outcome = EvolutionSearch.minimum(from: [0, 0], settings(400, seed: 4)) { point in
            #expect(point.allSatisfy { (-1.5...1.5).contains($0) })
            return (point[0] - 3) * (point[0] - 3) + (point[1] + 0.25) * (point[1] + 0.25)
        }
        #expect(outcome.point[0] == 1.5)
        #expect(abs(outcome.point[1] + 0.25) < 1e-3)
    }

    @Test(arguments: [1, 2, 17, 40])
    func evaluationsAreCounted(limit: Int) {
        var count = 0
        let outcome = EvolutionSearch.minimum(from: [1, 1, 1], settings(limit, seed: 5)) { point in
            count += 1
            return point.reduce(0) { $0 + $1 * $1 }
        }
        #expect(count == limit && outcome.evaluations == limit)
        #expect(outcome.value <= 3)
    }

    @Test func theSameSeedFindsTheSame() {
        func run(_ seed: UInt64) -> EvolutionSearch.Outcome {
            EvolutionSearch.minimum(from: [0.3, -0.2], settings(60, seed: seed)) {
                abs($0[0] - 0.7) + abs($0[1] * $0[0])
            }
        }
        #expect(run(1) == run(1))
        #expect(run(1) != run(2))
    }

    @Test func nothingToLookForIsEvaluatedOnce() {
        let outcome = EvolutionSearch.minimum(from: [], settings(100, seed: 1)) { _ in 7 }
        #expect(outcome == EvolutionSearch.Outcome(point: [], value: 7, evaluations: 1))
    }

    @Test func valuesThatAreNoNumberAreNeverTheBest() {
        let outcome = EvolutionSearch.minimum(from: [0], settings(100, seed: 6)) { point in
            point[0] > 0.1 ? .nan : (point[0] + 1) * (point[0] + 1)
        }
        #expect(abs(outcome.point[0] + 1) < 0.01)
    }

    @Test func theStartIsBroughtInsideTheBounds() {
        let outcome = EvolutionSearch.minimum(from: [9], settings(1, seed: 7)) { $0[0] }
        #expect(outcome.point == [1.5])
    }
}
