// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// A stream of random numbers that depends on its seed and its name alone, whatever other streams
/// draw (xoshiro256\*\*, Blackman and Vigna 2018, seeded by SplitMix64).
package struct RandomStream: Sendable {
    private var state: (UInt64, UInt64, UInt64, UInt64)

    /// The second number of a pair of normal ones.
    private var spareNormal: Double?

    /// Streams of one seed with different numbers are independent of each other.
    package init(seed: UInt64, stream: UInt64 = 0) {
        var splitter = Splitter(state: seed)
        splitter.state = splitter.next() ^ (stream &* 0xD6E8_FEB8_6659_FD93)
        state = (splitter.next(), splitter.next(), splitter.next(), splitter.next())
        if state == (0, 0, 0, 0) { state.0 = 1 }
    }

    /// 64 random bits.
    package mutating func next() -> UInt64 {
        let result = rotate(state.1 &* 5, 7) &* 9
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = rotate(state.3, 45)
        return result
    }

    /// A number in 0 ..< 1.
    package mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// An index in 0 ..< `bound`; `bound` is at least 1 (Lemire 2019, without bias).
    package mutating func index(below bound: Int) -> Int {
        let bound = UInt64(max(1, bound))
        var product = next().multipliedFullWidth(by: bound)
        if product.low < bound {
            let least = (0 &- bound) % bound
            while product.low < least { product = next().multipliedFullWidth(by: bound) }
        }
        return Int(product.high)
    }

    /// Exponentially distributed with mean 1.
    package mutating func exponential() -> Double { -log(1 - uniform()) }

    /// Normally distributed with mean 0 and variance 1 (Marsaglia's polar method).
    package mutating func normal() -> Double {
        if let spare = spareNormal {
            spareNormal = nil
            return spare
        }
        while true {
            let x = 2 * uniform() - 1
            let y = 2 * uniform() - 1
            let square = x * x + y * y
            guard square < 1, square > 0 else { continue }
            let factor = (-2 * log(square) / square).squareRoot()
            spareNormal = y * factor
            return x * factor
        }
    }

    /// Gamma distributed with this shape, above 0, and scale 1 (Marsaglia and Tsang 2000): mean and
    /// variance are `shape`.
    package mutating func gamma(shape: Double) -> Double {
        if shape < 1 {
            let power = pow(1 - uniform(), 1 / shape)
            return gamma(shape: shape + 1) * power
        }
        let d = shape - 1 / 3
        let c = 1 / (9 * d).squareRoot()
        while true {
            let x = normal()
            let root = 1 + c * x
            guard root > 0 else { continue }
            let v = root * root * root
            let u = 1 - uniform()
            if log(u) < 0.5 * x * x + d - d * v + d * log(v) { return d * v }
        }
    }

    private func rotate(_ bits: UInt64, _ by: UInt64) -> UInt64 {
        (bits << by) | (bits >> (64 - by))
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014).
private struct Splitter {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
