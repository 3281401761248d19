// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Coordinates in which the features that a gate reads have the same spread in all directions.
///
/// A base model tells some of its tokens apart by very little: their embeddings lie close together
/// and far from zero, so that a gradient in the features' own coordinates hardly sees the
/// difference. With C the mean of x̂ x̂ᵀ over examples and L Lᵀ = C + epsilon, training sees L⁻¹ x̂;
/// what it finds is folded back into the weights, so that serving has nothing to do with it.
struct Whitening<Scalar: TrainingScalar> {
    /// `[features, features]`: L⁻ᵀ, by which rows are multiplied.
    private let matrix: Matrix<Scalar>

    /// Coordinates by the sum of x̂ x̂ᵀ over `count` rows; `epsilon` is relative to the mean of the
    /// squares of the features. Nil where there is nothing but zeros.
    init?(products: Matrix<Scalar>, count: Double, epsilon: Double) {
        let size = products.rows
        guard count > 0, size > 0 else { return nil }
        let trace = (0..<size).reduce(0.0) { $0 + Double(products[$1, $1]) } / count
        guard trace > 0 else { return nil }
        let ridge = epsilon * trace / Double(size)
        // Lower triangular, in double precision: a narrow spread is the difference of large sums.
        let root = Matrix<Double>(size, size)
        for row in 0..<size {
            for column in 0...row {
                var sum = Double(products[row, column]) / count
                if row == column { sum += ridge }
                let (left, right) = (root.row(row), root.row(column))
                for index in 0..<column { sum -= left[index] * right[index] }
                // Rounding may take what is left of a direction below the ridge.
                left[column] =
                    row == column ? max(sum, ridge / 2).squareRoot() : sum / right[column]
            }
        }
        matrix = Self.inverseTransposed(root)
    }

    /// L⁻ᵀ of a lower triangular L: row after row of L⁻¹ by substitution.
    private static func inverseTransposed(_ root: Matrix<Double>) -> Matrix<Scalar> {
        let size = root.rows
        let inverse = Matrix<Double>(size, size)
        for row in 0..<size {
            let (left, to) = (root.row(row), inverse.row(row))
            for index in 0..<row {
                let from = inverse.row(index)
                for column in 0...index { to[column] -= left[index] * from[column] }
            }
            to[row] += 1
            for column in 0...row { to[column] /= left[row] }
        }
        let result = Matrix<Scalar>(size, size)
        for row in 0..<size {
            for column in 0...row { result[column, row] = Scalar(inverse[row, column]) }
        }
        return result
    }

    /// Rows in the new coordinates.
    func apply(_ features: Matrix<Scalar>) -> Matrix<Scalar> {
        let result = Matrix<Scalar>(features.rows, features.columns)
        result.set(features, times: matrix)
        return result
    }

    /// The derivative by the features, given that by their new coordinates.
    func propagate(_ gradient: Matrix<Scalar>) -> Matrix<Scalar> {
        let result = Matrix<Scalar>(gradient.rows, gradient.columns)
        result.set(gradient, times: matrix.transposed)
        return result
    }

    /// Weights for the features themselves, out of those for their new coordinates.
    func fold(_ weights: Matrix<Scalar>) -> Matrix<Scalar> { propagate(weights) }
}
