// SPDX-License-Identifier: Apache-2.0

internal import ModelLoading

extension SplitMix64 {
    /// Draws all elements of a matrix evenly from -`bound` to `bound`.
    mutating func fill<Scalar>(_ matrix: Matrix<Scalar>, within bound: Double) {
        for row in 0..<matrix.rows {
            for column in 0..<matrix.columns {
                matrix[row, column] = Scalar((2 * uniform() - 1) * bound)
            }
        }
    }

    /// Brings elements into a random order: that of Fisher and Yates, written out because the
    /// library's may change.
    mutating func shuffle<Element>(_ elements: inout [Element]) {
        for last in stride(from: elements.count - 1, to: 0, by: -1) {
            let bound = UInt64(last + 1)
            // The remainder prefers low numbers by less than one in 2^40.
            elements.swapAt(last, Int(next() % bound))
        }
    }
}
