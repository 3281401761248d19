// SPDX-License-Identifier: Apache-2.0

import PolicyKit

extension CreditFairness {
    struct Parameters: PolicyParameters {
        @Parameter(
            "Displaced service that makes an adapter starving: it is then served before others.",
            in: .milliseconds(1) ... .seconds(3_600))
        var starvation: Duration = .seconds(2)

        @Parameter(
            "An adapter starves no longer once less than this is owed to it; below `starvation`.",
            in: .zero ... .seconds(3_600))
        var recovery: Duration = .seconds(1)

        @Parameter(
            "How long the account of an adapter without requests is kept before it is closed.",
            in: .seconds(1) ... .seconds(86_400))
        var memory: Duration = .seconds(600)
    }
}
