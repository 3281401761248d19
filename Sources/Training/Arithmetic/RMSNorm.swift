// SPDX-License-Identifier: Apache-2.0

/// `y = x / sqrt(mean(x²) + epsilon) * weight`, row by row, and its derivative.
struct RMSNorm<Scalar: TrainingScalar> {
    /// `[1, columns]`; nil for a weight of one everywhere.
    let weight: Matrix<Scalar>?
    let epsilon: Scalar

    /// Normalises rows of `input` into `output`, which may be the same.
    ///
    /// - Returns: what each row was multiplied by.
    func apply(_ input: Matrix<Scalar>, into output: Matrix<Scalar>) -> [Scalar] {
        let columns = input.columns
        return (0..<input.rows).map { row in
            let (x, y) = (input.row(row), output.row(row))
            var sum: Scalar = 0
            for column in 0..<columns { sum += x[column] * x[column] }
            let factor = 1 / (sum / Scalar(max(1, columns)) + epsilon).squareRoot()
            if let weight = weight?.row(0) {
                for column in 0..<columns { y[column] = x[column] * factor * weight[column] }
            } else {
                for column in 0..<columns { y[column] = x[column] * factor }
            }
            return factor
        }
    }

    /// Adds the derivative by `input` to `target`, given that by the output.
    func propagate(
        _ gradient: Matrix<Scalar>, input: Matrix<Scalar>, factors: [Scalar],
        into target: Matrix<Scalar>
    ) {
        let columns = input.columns
        for row in 0..<input.rows {
            let (x, g, to) = (input.row(row), gradient.row(row), target.row(row))
            let factor = factors[row]
            var dot: Scalar = 0
            if let weight = weight?.row(0) {
                for column in 0..<columns { dot += g[column] * weight[column] * x[column] }
            } else {
                for column in 0..<columns { dot += g[column] * x[column] }
            }
            let share = dot * factor * factor * factor / Scalar(max(1, columns))
            if let weight = weight?.row(0) {
                for column in 0..<columns {
                    to[column] += g[column] * weight[column] * factor - x[column] * share
                }
            } else {
                for column in 0..<columns {
                    to[column] += g[column] * factor - x[column] * share
                }
            }
        }
    }
}
