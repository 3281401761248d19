// SPDX-License-Identifier: Apache-2.0

import PolicyKit

extension DeadlineFairness {
    struct Parameters: PolicyParameters {
        @Parameter("Whether requests whose first token would come too late end at once.")
        var abort: Bool = false

        @Parameter(
            "How much later than its target a first token may be predicted before that.",
            in: .zero ... .seconds(60))
        var slack: Duration = .milliseconds(50)

        @Parameter(
            """
            How long a request without a target waits at most behind those with one: its arrival and \
            this are its deadline from then on.
            """, in: .milliseconds(1) ... .seconds(3600))
        var patience: Duration = .seconds(10)
    }
}
