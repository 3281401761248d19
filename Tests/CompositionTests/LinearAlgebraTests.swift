// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Composition

/// The library's results against their definitions.
struct LinearAlgebraTests {
    static let shapes = [(1, 1), (5, 3), (3, 5), (17, 17), (40, 7), (2, 33)]

    private func identity(_ size: Int) -> Matrix {
        var matrix = Matrix(zeros: size, size)
        for place in 0..<size { matrix[place, place] = 1 }
        return matrix
    }

    @Test(arguments: shapes)
    func productsAreThoseOfTheDefinition(rows: Int, columns: Int) {
        var random = SeededRandom(seed: 1)
        let a = random.matrix(rows, columns)
        let b = random.matrix(columns, 4)
        let expected = a.times(b)
        for transposingA in [false, true] {
            for transposingB in [false, true] {
                let found = LinearAlgebra.product(
                    transposingA ? a.transposed : a, transposingB ? b.transposed : b,
                    transposingA: transposingA, transposingB: transposingB)
                #expect(found.distance(to: expected) <= 1e-12 * expected.norm)
            }
        }
    }

    @Test(arguments: shapes)
    func basesAreOrthonormalAndGiveTheMatrix(rows: Int, columns: Int) throws {
        var random = SeededRandom(seed: 2)
        let a = random.matrix(rows, columns)
        let (q, r) = try LinearAlgebra.orthonormal(a)
        #expect(q.columns == min(rows, columns))
        #expect(q.transposed.times(q).distance(to: identity(q.columns)) < 1e-13)
        #expect(q.times(r).distance(to: a) <= 1e-13 * a.norm)
    }

    @Test(arguments: shapes)
    func singularValuesGiveTheMatrix(rows: Int, columns: Int) throws {
        var random = SeededRandom(seed: 3)
        let a = random.matrix(rows, columns)
        let parts = try LinearAlgebra.singularValues(a)
        #expect(parts.values.count == min(rows, columns))
        #expect(zip(parts.values, parts.values.dropFirst()).allSatisfy { $0 >= $1 })
        #expect(
            parts.left.transposed.times(parts.left).distance(to: identity(parts.left.columns))
                < 1e-13)
        let again = parts.left.columnsScaled(by: parts.values).times(parts.right)
        #expect(again.distance(to: a) <= 1e-13 * a.norm)
    }

    @Test func divisionSolvesTheEquations() throws {
        var random = SeededRandom(seed: 4)
        let root = random.matrix(9, 6)
        let a = root.transposed.times(root)
        let b = random.matrix(4, 6)
        let x = try LinearAlgebra.divide(b, by: a)
        #expect(x.times(a).distance(to: b) <= 1e-10 * b.norm)
    }

    @Test func aMatrixThatIsNotPositiveIsRefused() {
        let error = #expect(throws: CompositionError.self) {
            try LinearAlgebra.divide(Matrix(zeros: 1, 3), by: Matrix(zeros: 3, 3))
        }
        #expect(error?.code == .notSolvable)
    }

    @Test(arguments: [(12, 9), (9, 12), (5, 20)])
    func truncationLosesTheSmallestSingularValuesAlone(rows: Int, columns: Int) throws {
        var random = SeededRandom(seed: 5)
        let product = random.product(rows, columns, rank: 7)
        let values = try LinearAlgebra.singularValues(product.dense).values
        for rank in 1...min(7, rows, columns) {
            let truncated = try product.truncated(to: rank)
            #expect(truncated.depth == rank)
            let least = values.dropFirst(rank).reduce(0) { $0 + $1 * $1 }.squareRoot()
            let lost = try product.distance(to: truncated)
            #expect(abs(lost - least) <= 1e-12 * values[0])
            // Balanced: both factors carry the same singular values.
            #expect(abs(truncated.left.norm - truncated.right.norm) <= 1e-12 * values[0])
        }
    }

    @Test func ranksThatAddNothingAreDropped() throws {
        var random = SeededRandom(seed: 6)
        let product = random.product(14, 10, rank: 3)
        let twice = LowRankProduct.sum([product, product.scaled(by: -0.25)])
        let truncated = try twice.truncated(to: 6)
        #expect(truncated.depth == 3)
        #expect(try twice.distance(to: truncated) <= 1e-12 * product.norm())
    }

    @Test func nothingStaysNothing() throws {
        let zero = LowRankProduct(left: Matrix(zeros: 4, 2), right: Matrix(zeros: 2, 3))
        let truncated = try zero.truncated(to: 2)
        #expect(truncated.depth == 1)
        #expect(try truncated.norm() == 0)
    }

    @Test func normsAndDistancesAreThoseOfTheMatrices() throws {
        var random = SeededRandom(seed: 7)
        let first = random.product(11, 6, rank: 4)
        let second = random.product(11, 6, rank: 2)
        #expect(abs(try first.norm() - first.dense.norm) < 1e-11)
        let expected = first.dense.distance(to: second.dense)
        #expect(abs(try first.distance(to: second) - expected) < 1e-11)
    }

    @Test func aRandomStartFindsNearlyTheNearestProduct() throws {
        var random = SeededRandom(seed: 8)
        // Five large singular values over noise, as what pruning leaves of five ranks.
        var matrix = random.product(150, 120, rank: 5).dense
        matrix.add(random.matrix(150, 120), times: 0.5)
        let basis = try DenseTruncation.range(of: matrix, width: 21, seed: 9)
        let core = LinearAlgebra.product(basis, matrix, transposingA: true)
        let balanced = LowRankProduct.balanced(
            try LinearAlgebra.singularValues(core), rank: 5)
        let found = LowRankProduct(
            left: LinearAlgebra.product(basis, balanced.left), right: balanced.right)
        let nearest = LowRankProduct.balanced(
            try LinearAlgebra.singularValues(matrix), rank: 5)
        let (lost, least) = (
            found.dense.distance(to: matrix), nearest.dense.distance(to: matrix)
        )
        #expect(lost >= least * (1 - 1e-9) && lost <= least * 1.001, "\(lost) for \(least)")
    }
}
