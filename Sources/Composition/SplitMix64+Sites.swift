// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import ModelLoading

extension SplitMix64 {
    /// A stream of its own for one adapter at one site, so that what is drawn there does not depend
    /// on the other sites or on their order.
    init(seed: UInt64, source: Int, site: AdapterSite) {
        var mixer = SplitMix64(seed: seed)
        for word in [source, site.layer, site.linear.ordinal] {
            mixer = SplitMix64(seed: mixer.next() ^ UInt64(word))
        }
        self.init(seed: mixer.next())
    }

    /// With mean 0 and variance 1, by Box and Muller's method.
    mutating func normal() -> Double {
        let radius = (-2 * log(1 - uniform())).squareRoot()
        return radius * cos(2 * .pi * uniform())
    }
}
