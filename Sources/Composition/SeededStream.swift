// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import ModelLoading

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014): the
/// same numbers for the same seed on every machine.
struct SeededStream: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    /// A stream of its own for one adapter at one site, so that what is drawn there does not depend
    /// on the other sites or on their order.
    init(seed: UInt64, source: Int, site: AdapterSite) {
        var mixer = SeededStream(seed: seed)
        for word in [source, site.layer, site.linear.ordinal] {
            mixer = SeededStream(seed: mixer.next() ^ UInt64(word))
        }
        self = SeededStream(seed: mixer.next())
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// Evenly from 0 to below 1, in steps of 2^-53.
    mutating func uniform() -> Double {
        Double(next() >> 11) * 0x1p-53
    }

    /// With mean 0 and variance 1, by Box and Muller's method.
    mutating func normal() -> Double {
        let radius = (-2 * log(1 - uniform())).squareRoot()
        return radius * cos(2 * .pi * uniform())
    }
}
