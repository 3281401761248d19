// SPDX-License-Identifier: Apache-2.0

import PolicyKit

extension AdapterAwareDispatch {
    struct Parameters: PolicyParameters {
        @Parameter(
            """
            By how much requests count less that are expected to run merged on the adapter of the \
            request in question; 0 leaves it to the measured costs.
            """, in: 0...1)
        var mergedDiscount: Double = 0

        @Parameter(
            "After this time without requests an adapter counts half as much where it is placed.",
            in: .seconds(1) ... .seconds(86_400))
        var halfLife: Duration = .seconds(60)

        @Parameter(
            "How long after a placement the next one is made.",
            in: .milliseconds(100) ... .seconds(86_400))
        var interval: Duration = .seconds(30)

        @Parameter(
            "The share of a replica's adapter memory that placement leaves to loads on demand.",
            in: 0...1)
        var reserve: Double = 0.1

        @Parameter(
            "Arrivals that an adapter counts with before any request has named it.",
            in: 0.000_001...1_000)
        var prior: Double = 0.01

        @Parameter(
            "The most adapters that one placement loads onto one replica.", in: 1...100_000)
        var loads: Int = 256

        @Parameter(
            """
            Whether placement may pass through a lower minimum on its way to a higher one; false \
            stops where the minimum would drop first, as dLoRA does.
            """)
        var lookahead: Bool = true
    }
}
