// SPDX-License-Identifier: Apache-2.0

import PolicyKit

extension WaitingRatioBatching {
    struct Parameters: PolicyParameters {
        @Parameter(
            """
            Interrupt decoding for new prompts when at least this many requests can join for each \
            one that runs (TGI's waiting_served_ratio).
            """, in: 0...100)
        var ratio: Double = 1.2

        @Parameter(
            """
            Interrupt it for a single prompt when so many iterations have only decoded (TGI's \
            max_waiting_tokens).
            """, in: 1...100_000)
        var patience: Int = 20
    }
}
