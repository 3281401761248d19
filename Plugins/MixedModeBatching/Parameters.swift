// SPDX-License-Identifier: Apache-2.0

import PolicyKit

extension MixedModeBatching {
    struct Parameters: PolicyParameters {
        @Parameter(
            """
            A request starves when the time that it has waited, with its next iteration and the \
            switch before it, is more than this.
            """, in: .milliseconds(1) ... .seconds(3_600))
        var theta: Duration = .milliseconds(500)
    }
}
