// SPDX-License-Identifier: Apache-2.0

import PolicyKit

extension ScoredResidency {
    struct Parameters: PolicyParameters {
        @Parameter("How much it counts how often an adapter is used.", in: 0...1)
        var frequencyWeight: Double = 0.45

        @Parameter("How much it counts how lately it was used.", in: 0...1)
        var recencyWeight: Double = 0.10

        @Parameter("How much it counts how large it is, and so how dear to load again.", in: 0...1)
        var sizeWeight: Double = 0.45

        @Parameter(
            """
            Added to the time that an adapter has been in memory where its uses are divided by that, \
            so that some uses right after a load are not a high rate.
            """, in: .milliseconds(1) ... .seconds(86_400))
        var window: Duration = .seconds(60)
    }
}
