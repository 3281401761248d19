// SPDX-License-Identifier: Apache-2.0

import PolicyKit

extension ClusteredBatching {
    struct Parameters: PolicyParameters {
        @Parameter(
            "The most distinct adapters in one batch; the base model does not count.", in: 1...1024)
        var adapters: Int = 8

        @Parameter(
            """
            Never run more adapters than that. Without it, what room the batch has left goes to \
            requests of others in order, as in the code of S-LoRA.
            """)
        var strict: Bool = true
    }
}
