// SPDX-License-Identifier: Apache-2.0

import PolicyKit

extension TokenCounterFairness {
    struct Parameters: PolicyParameters {
        @Parameter("Who is a client: each adapter, each tenant, or each adapter of each tenant.")
        var per: Clients = .tenant

        @Parameter("What a token of a prompt costs.", in: 0...1000)
        var inputWeight: Double = 1

        @Parameter("What a generated token costs.", in: 0...1000)
        var outputWeight: Double = 2

        @Parameter(
            """
            How far a client may fall behind, in tokens by their cost, before it must be served; \
            0 takes what the theorem of the paper allows.
            """, in: 0...1_000_000_000)
        var bound: Int = 0
    }

    enum Clients: String, ParameterChoice {
        case adapter, tenant, both
    }
}
