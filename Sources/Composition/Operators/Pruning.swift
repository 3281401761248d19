// SPDX-License-Identifier: Apache-2.0

internal import ModelLoading

/// How the elements of an update that stay are chosen.
enum Pruning: Sendable, Equatable {
    /// The largest by magnitude, `floor(density * count)` of them; of equals the first.
    case magnitude(density: Double)
    /// Each by chance with probability `density`, and divided by it, so that the mean stays: DARE
    /// (Yu et al., "Language models are super Mario", 2024).
    case random(density: Double, seed: UInt64)

    /// Sets the other elements to zero.
    func apply(to matrix: inout Matrix, source: Int, site: AdapterSite) {
        switch self {
        case .magnitude(let density):
            Self.keepLargest(Int(density * Double(matrix.values.count)), in: &matrix)
        case .random(let density, let seed):
            var stream = SplitMix64(seed: seed, source: source, site: site)
            matrix.update { _, value in
                value = stream.uniform() < density ? value / density : 0
            }
        }
    }

    static func keepLargest(_ count: Int, in matrix: inout Matrix) {
        guard count < matrix.values.count else { return }
        guard count > 0 else { return matrix.update { _, value in value = 0 } }
        let (smallest, more) = kthLargest(count, of: matrix.values)
        // Of those that equal the smallest kept one, as many as are wanted.
        var equals = count - more
        matrix.update { _, value in
            let bits = value.magnitude.bitPattern
            if bits == smallest, equals > 0 {
                equals -= 1
            } else if bits <= smallest {
                value = 0
            }
        }
    }

    /// The bit pattern of the `count`-th largest magnitude, and how many are larger.
    ///
    /// Magnitudes are ordered as their bit patterns are, so four counts of sixteen bits each find
    /// it, without sorting.
    private static func kthLargest(
        _ count: Int, of values: [Double]
    ) -> (smallest: UInt64, more: Int) {
        var prefix: UInt64 = 0
        var more = 0
        for shift in stride(from: 48, through: 0, by: -16) {
            var counts = [Int](repeating: 0, count: 1 << 16)
            let above: UInt64 = shift == 48 ? 0 : ~0 << UInt64(shift + 16)
            for value in values {
                let bits = value.magnitude.bitPattern
                if bits & above == prefix { counts[Int(bits >> UInt64(shift) & 0xFFFF)] += 1 }
            }
            var digit = counts.count - 1
            while digit > 0, more + counts[digit] < count {
                more += counts[digit]
                digit -= 1
            }
            prefix |= UInt64(digit) << UInt64(shift)
        }
        return (prefix, more)
    }
}
