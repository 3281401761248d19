// SPDX-License-Identifier: Apache-2.0

import PolicyKit

extension ILPMigration {
    struct Parameters: PolicyParameters {
        @Parameter(
            "How much longer than on the mean requests may have to wait for a place in the batch of a replica.",
            in: .zero...(.seconds(3_600)))
        var queueDelay: Duration = .milliseconds(500)

        @Parameter(
            "The share of free KV pages below which a replica is short of memory.", in: 0...0.45)
        var memory: Double = 0.1

        @Parameter(
            "How long nothing moves after a proposal; four times as long after one in vain.",
            in: .zero...(.seconds(3_600)))
        var coolDown: Duration = .seconds(1)

        @Parameter(
            "How many replicas with the most to do take part, and as many with the least.",
            in: 1...512)
        var pairs: Int = 1

        @Parameter(
            "What a move costs besides handing over or recomputing what the request has.",
            in: .zero...(.seconds(60)))
        var movePenalty: Duration = .milliseconds(50)

        @Parameter(
            "What a replica is charged for each adapter that it serves.", in: .zero...(.seconds(60))
        )
        var affinity: Duration = .zero

        @Parameter(
            """
            Keep requests whole in the program. Without it they may be cut up, and each goes where \
            most of it is (the paper's fourth acceleration).
            """)
        var exact: Bool = false

        @Parameter(
            "The longest that the solver may take; the best found by then counts.",
            in: .milliseconds(1)...(.seconds(600)))
        var timeLimit: Duration = .milliseconds(500)
    }
}
