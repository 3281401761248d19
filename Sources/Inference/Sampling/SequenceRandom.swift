// SPDX-License-Identifier: Apache-2.0

/// The random numbers of one sequence: a function of its seed and the position of the token.
///
/// Since no state is shared, a text does not depend on what else is in the batch, and a sequence
/// that moves to another replica goes on where it was. The mixing function is SplitMix64's (Steele,
/// Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
package enum SequenceRandom {
    private static let gamma: UInt64 = 0x9E37_79B9_7F4A_7C15

    private static func mix(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// The seed of the n-th choice of a request; the first keeps the request's own.
    package static func seed(_ seed: UInt64, choice: Int) -> UInt64 {
        choice == 0 ? seed : mix(mix(seed &+ gamma) ^ UInt64(truncatingIfNeeded: choice))
    }

    /// A number from 0 up to but not including 1, with 53 random bits, for the token at `position`.
    static func uniform(seed: UInt64, position: Int) -> Double {
        // The seed is mixed before it is added to, or the streams of seeds that lie a multiple of
        // gamma apart would be the same one, shifted.
        let state =
            mix(seed ^ 0xD6E8_FEB8_6659_FD93) &+ UInt64(truncatingIfNeeded: position) &* gamma
        return Double(mix(state &+ gamma) >> 11) * 0x1p-53
    }
}
