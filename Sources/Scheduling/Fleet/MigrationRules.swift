// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// How requests move between the replicas of a fleet.
package struct MigrationRules: Sendable, Equatable {
    /// Seconds to hand over the keys and values of a token; `nil` where they are always computed
    /// again.
    package var handoverSecondsPerToken: Double? = 0

    /// Whether the replicas have their KV pages in one pool, so that pages change their owner instead
    /// of being copied.
    package var sharesPool = true

    /// How long after a question to the policy the next one comes at the earliest.
    package var checkInterval = Duration.milliseconds(10)

    /// A plan that took longer to solve is dropped.
    package var staleAfter = Duration.seconds(1)

    /// A request that could not move for so long stays.
    package var patience = Duration.seconds(5)

    package init() {}
}

/// What has moved in a fleet since the start.
package struct MigrationCounters: Sendable, Equatable {
    /// Proposals with something to move, and those of them that the fleet had outrun.
    package var plans = 0
    package var stalePlans = 0

    /// Solutions that did not come about.
    package var failedSolves = 0

    /// Requests that moved: with their keys and values, to be computed again, and before they had
    /// any.
    package var handedOver = 0
    package var recomputed = 0
    package var waiting = 0

    /// KV pages and tokens that changed their owner.
    package var handedOverPages = 0
    package var handedOverTokens = 0
    package var recomputedTokens = 0

    /// Wishes that came to nothing, as the request had ended or there was no room.
    package var skipped = 0

    /// Requests that went to a replica with their adapter, as it could not be loaded where they were.
    package var rescued = 0

    /// Adapters that were loaded and dropped by a plan or a placement.
    package var placed = 0
    package var displaced = 0

    /// The time of solving, in all and at most.
    package var solvingTime = Duration.zero
    package var longestSolving = Duration.zero

    package var moved: Int { handedOver + recomputed + waiting }

    package init() {}
}

/// A plan that is to be solved away from the thread that owns the fleet.
package struct MigrationTask: Sendable {
    package let ticket: Int
    package let solve: @Sendable () throws(PolicyError) -> MigrationPlan
}

/// A request that has moved.
package struct CompletedMove: Sendable, Equatable {
    package enum Way: String, CaseIterable, Sendable {
        /// With its keys and values.
        case handover
        /// They are computed again.
        case recompute
        /// There were none yet.
        case waiting
    }

    package var request: RequestID
    package var source: ReplicaID
    package var target: ReplicaID
    package var way: Way
    package var pages = 0

    /// How long its keys and values take to arrive: until ``Fleet/arrived(_:at:)`` it takes part in
    /// no iteration.
    package var arrivesAfter = Duration.zero
}
