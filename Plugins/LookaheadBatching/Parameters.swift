// SPDX-License-Identifier: Apache-2.0

import PolicyKit

extension LookaheadBatching {
    struct Parameters: PolicyParameters {
        @Parameter(
            """
            Iterations to measure before anything is predicted; until then requests are served in \
            order and unmerged.
            """, in: 1...100_000)
        var warmup: Int = 32

        @Parameter(
            """
            How many requests, those that run and the first that wait, a prediction follows to their \
            end.
            """, in: 8...1_024)
        var horizon: Int = 128

        @Parameter(
            """
            The gain in predicted completion time, in percent, below which requests are served in \
            order and unmerged; half of the costs' relative error is added.
            """, in: 0...100)
        var margin: Double = 2

        @Parameter(
            """
            Merged iterations to try for each doubling of the rows in them, so that their cost is \
            known; without any, nothing is ever merged.
            """, in: 0...1_000)
        var trials: Int = 4

        @Parameter(
            """
            How long the first request in order may be passed over before requests are served in \
            order until it has ended.
            """, in: .zero ... .seconds(86_400))
        var patience: Duration = .seconds(30)
    }
}
