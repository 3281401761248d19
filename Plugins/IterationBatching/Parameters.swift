// SPDX-License-Identifier: Apache-2.0

import PolicyKit

extension IterationBatching {
    struct Parameters: PolicyParameters {
        @Parameter(
            """
            Start a request only when the KV pages for its prompt and all the tokens that it may \
            generate are free, so that nothing is preempted.
            """)
        var reserveOutput: Bool = true
    }
}
