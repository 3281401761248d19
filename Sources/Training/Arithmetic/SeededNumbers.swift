// SPDX-License-Identifier: Apache-2.0

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014): the
/// same seed gives the same training on every machine.
struct SeededNumbers: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to 1.
    mutating func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// Draws all elements of a matrix evenly from -`bound` to `bound`.
    mutating func fill<Scalar>(_ matrix: Matrix<Scalar>, within bound: Double) {
        for row in 0..<matrix.rows {
            for column in 0..<matrix.columns {
                matrix[row, column] = Scalar((2 * fraction() - 1) * bound)
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
