// SPDX-License-Identifier: Apache-2.0

package import PolicyKit
package import Scheduling

/// A request that is over, and what became of it.
package struct SimulatedRequest: Sendable, Equatable {
    package enum Outcome: Sendable, Equatable {
        /// It has all its tokens.
        case completed

        /// It was not admitted.
        case refused(Refusal)

        /// A fairness policy gave it up, as it could not meet its target.
        case aborted

        /// Its adapter turned out too large for the memory.
        case failed

        /// Nothing was left to happen and it was not served: the policies kept it out.
        case stuck
    }

    /// Its position in the workload, from 0.
    package var index: Int
    package var outcome: Outcome

    /// The adapter's index, -1 for the base.
    package var adapter: Int

    /// Who served it; `nil` where it was refused.
    package var replica: ReplicaID?
    package var arrival: Instant

    /// When its first iteration began, and when its first and its last token were there.
    package var begin: Instant?
    package var firstToken: Instant?
    package var lastToken: Instant?

    /// When its outcome was known.
    package var end: Instant
    package var promptTokens = 0

    /// Tokens that were asked for, and tokens that were generated.
    package var requestedTokens = 0
    package var outputTokens = 0

    /// How often it lost its pages and was computed again.
    package var preemptions = 0

    /// How often it moved to another replica.
    package var migrations = 0

    /// A request that nothing was computed for.
    package init(index: Int, outcome: Outcome, adapter: Int, arrival: Instant, end: Instant) {
        self.index = index
        self.outcome = outcome
        self.adapter = adapter
        self.arrival = arrival
        self.end = end
    }
}

/// An iteration that has ended.
package struct SimulatedStep: Sendable, Equatable {
    package var replica: ReplicaID
    package var number: Int
    package var mode: BatchMode
    package var begin: Instant
    package var time: Duration

    /// How many requests ran, and what was computed.
    package var requests: Int
    package var work: StepWork
}
