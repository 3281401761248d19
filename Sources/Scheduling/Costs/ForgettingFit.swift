// SPDX-License-Identifier: Apache-2.0

/// Least squares over a stream of observations, of which older ones count less and less.
///
/// Keeps the normal equations instead of their inverse: the inverse, updated step by step, loses its
/// positive definiteness to rounding once inputs are strongly correlated, as they are where a limit
/// makes all steps alike, and the fit runs away. What is forgotten is forgotten in favour of the
/// present weights (stabilised forgetting, Kulhavý and Zarrop 1993), so that weights which the
/// stream tells nothing about stay as they are.
struct ForgettingFit: Sendable, Equatable {
    private(set) var weights = SIMD8<Double>.zero

    private static let forgetting = 0.995

    /// What is known in every direction without any observation.
    private static let prior = 1.0

    /// Keeps the equations solvable in floating point whatever the inputs.
    private static let relativeRidge = 1e-10

    /// Σ forgetting^age · input · inputᵀ and Σ forgetting^age · input · target.
    private var squares = (0..<8).map { row in
        var unit = SIMD8<Double>.zero
        unit[row] = prior
        return unit
    }
    private var products = SIMD8<Double>.zero

    /// Takes note of one observation; what would leave the numbers is passed over.
    mutating func observe(_ input: SIMD8<Double>, target: Double) {
        let keep = Self.forgetting
        let regained = (1 - keep) * Self.prior
        var squares = self.squares
        for row in 0..<8 {
            squares[row] = squares[row] * keep + input[row] * input
            squares[row][row] += regained
        }
        let products = products * keep + regained * weights + target * input
        guard let updated = Self.solve(squares, products, near: weights) else { return }
        self.squares = squares
        self.products = products
        weights = updated
    }

    /// The solution of squares · w = products, by Cholesky's decomposition, or `nil` where it is not
    /// finite.
    private static func solve(
        _ squares: [SIMD8<Double>], _ products: SIMD8<Double>, near weights: SIMD8<Double>
    ) -> SIMD8<Double>? {
        let trace = (0..<8).reduce(0.0) { $0 + squares[$1][$1] }
        guard trace.isFinite else { return nil }
        var factor = squares
        var right = SIMD8<Double>.zero
        for row in 0..<8 {
            right[row] = products[row] - (squares[row] * weights).sum()
            factor[row][row] += trace * relativeRidge
        }
        for column in 0..<8 {
            for row in column..<8 {
                var value = factor[row][column]
                for inner in 0..<column { value -= factor[row][inner] * factor[column][inner] }
                if row > column {
                    factor[row][column] = value / factor[column][column]
                } else if value > 0 {
                    factor[row][row] = value.squareRoot()
                } else {
                    return nil
                }
            }
            for inner in 0..<column { right[column] -= factor[column][inner] * right[inner] }
            right[column] /= factor[column][column]
        }
        for column in (0..<8).reversed() {
            for row in stride(from: column + 1, to: 8, by: 1) {
                right[column] -= factor[row][column] * right[row]
            }
            right[column] /= factor[column][column]
        }
        let solution = weights + right
        return solution.sum().isFinite ? solution : nil
    }
}
