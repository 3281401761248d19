// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import ModelLoading

/// The rotary embedding of the positions of a batch.
struct Rotation<Scalar: TrainingScalar> {
    private let headSize: Int
    /// `[rows, headSize / 2]`
    private let cosines: Matrix<Scalar>
    private let sines: Matrix<Scalar>

    init(positions: [Int], _ configuration: ModelConfiguration) {
        headSize = configuration.headSize
        let frequencies = configuration.rope.inverseFrequencies(headSize: headSize)
        cosines = Matrix(positions.count, frequencies.count)
        sines = Matrix(positions.count, frequencies.count)
        for (row, position) in positions.enumerated() {
            for (pair, frequency) in frequencies.enumerated() {
                let angle = Double(Float(position) * frequency)
                cosines[row, pair] = Scalar(cos(angle))
                sines[row, pair] = Scalar(sin(angle))
            }
        }
    }

    /// Rotates every head of every row in place; backwards for derivatives.
    func apply(to matrix: Matrix<Scalar>, backwards: Bool = false) {
        let half = headSize / 2
        let sign: Scalar = backwards ? -1 : 1
        for row in 0..<matrix.rows {
            let (c, s) = (cosines.row(row), sines.row(row))
            for head in 0..<matrix.columns / headSize {
                let first = matrix.row(row) + head * headSize
                let second = first + half
                for pair in 0..<half {
                    let (x, y) = (first[pair], second[pair])
                    first[pair] = x * c[pair] - sign * y * s[pair]
                    second[pair] = y * c[pair] + sign * x * s[pair]
                }
            }
        }
    }
}
