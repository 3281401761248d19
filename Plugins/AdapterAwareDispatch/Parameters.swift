// SPDX-License-Identifier: Apache-2.0

import PolicyKit

extension AdapterAwareDispatch {
    struct Parameters: PolicyParameters {
        @Parameter("How often adapters are placed anew.", in: .seconds(1)...(.seconds(86_400)))
        var interval: Duration = .seconds(30)

        @Parameter(
            "After how long a request counts half in the history of arrivals.",
            in: .milliseconds(100)...(.seconds(86_400)))
        var halfLife: Duration = .seconds(60)

        @Parameter(
            "The share of the memory for adapters that placement leaves to loading on demand.",
            in: 0...0.9)
        var reserve: Double = 0.25

        @Parameter(
            """
            By how much less a replica's pending time counts where it is merged on the request's \
            adapter or has a whole batch of requests for it, which are likely to run merged. The \
            artifact has 0.4.
            """, in: 0...0.9)
        var mergedDiscount: Double = 0
    }
}
