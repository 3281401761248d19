// SPDX-License-Identifier: Apache-2.0

/// `silu(gate) * up`, the middle of a feed-forward block, and its derivative.
enum GatedUnit<Scalar: TrainingScalar> {
    static func apply(
        gate: Matrix<Scalar>, up: Matrix<Scalar>, into output: Matrix<Scalar>
    ) {
        for row in 0..<gate.rows {
            let (g, u, y) = (gate.row(row), up.row(row), output.row(row))
            for column in 0..<gate.columns {
                y[column] = g[column] / (1 + Scalar.exponential(-g[column])) * u[column]
            }
        }
    }

    /// The derivatives by `gate` and `up`, given that by the output.
    static func propagate(
        _ gradient: Matrix<Scalar>, gate: Matrix<Scalar>, up: Matrix<Scalar>
    ) -> (gate: Matrix<Scalar>, up: Matrix<Scalar>) {
        let byGate = Matrix<Scalar>(gate.rows, gate.columns)
        let byUp = Matrix<Scalar>(up.rows, up.columns)
        for row in 0..<gate.rows {
            let (d, g, u) = (gradient.row(row), gate.row(row), up.row(row))
            let (toGate, toUp) = (byGate.row(row), byUp.row(row))
            for column in 0..<gate.columns {
                let sigmoid = 1 / (1 + Scalar.exponential(-g[column]))
                let silu = g[column] * sigmoid
                toUp[column] = d[column] * silu
                toGate[column] = d[column] * u[column] * (sigmoid + silu * (1 - sigmoid))
            }
        }
        return (byGate, byUp)
    }
}
