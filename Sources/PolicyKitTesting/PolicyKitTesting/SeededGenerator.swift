// SPDX-License-Identifier: Apache-2.0

/// A generator whose sequence a seed decides (SplitMix64; Steele, Lea and Flood, OOPSLA '14).
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { self.state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// True once in `period` calls on average.
    mutating func chance(oneIn period: Int) -> Bool {
        Int.random(in: 1...period, using: &self) == 1
    }

    mutating func integer(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }

    /// Small numbers mostly, and now and then one of any size up to `most`.
    mutating func skewed(upTo most: Int) -> Int {
        integer(0...(chance(oneIn: 4) ? most : min(most, 8)))
    }

    mutating func duration(upToMicroseconds most: Int) -> Duration {
        .microseconds(integer(0...most))
    }
}
