// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// The limits of one replica.
package struct ReplicaConfiguration: Sendable, Equatable {
    package var id: ReplicaID

    /// The most requests in one iteration (`replicas.maxBatch`), at least 1.
    package var batchRequests: Int

    /// The most tokens in one iteration (`replicas.maxStepTokens`), at least 1.
    package var batchTokens: Int

    /// How long an iteration may keep requests that decode waiting (`replicas.stallBudget`); `nil`
    /// lets `batchTokens` alone decide.
    package var stallBudget: Duration?

    /// KV pages, and tokens that one holds.
    package var pages: Int
    package var pageTokens = 16

    /// The number of its first KV page, where replicas have their pages in one pool.
    package var firstPage = 0

    /// Bytes of a KV page, for policies; 0 where they are not known.
    package var pageBytes = 0

    /// Whether requests that begin with the same tokens share KV pages (`replicas.prefixCache`).
    package var sharesPrefixes = false

    /// Memory for adapters.
    package var adapterBytes: Int

    /// How many merged copies of the weights there is room for.
    package var mergedCopies = 1

    /// How long other requests may overtake an adapter that waits for room in memory.
    package var adapterPatience: Duration = .seconds(1)

    /// Empty plans in a row, while requests could run, before the built-in default plans instead.
    package var emptyPlans = 3
    package var containment = ContainmentRules()

    package init(
        id: ReplicaID, batchRequests: Int, batchTokens: Int, pages: Int, adapterBytes: Int
    ) {
        self.id = id
        self.batchRequests = batchRequests
        self.batchTokens = batchTokens
        self.pages = pages
        self.adapterBytes = adapterBytes
    }
}

/// The policies of one replica; where one is missing the built-in default decides.
package struct ReplicaPolicies {
    package var batching: NamedPolicy<any BatchingPolicy>?
    package var fairness: NamedPolicy<any FairnessPolicy>?
    package var residency: NamedPolicy<any ResidencyPolicy>?

    package init() {}
}

/// What a replica has done since the start.
package struct ReplicaCounters: Sendable, Equatable {
    /// Requests taken, and those that have been part of an iteration.
    package var submitted = 0
    package var began = 0

    /// Requests that ended by themselves, that were cancelled, and whose adapter or step failed.
    package var finished = 0
    package var cancelled = 0
    package var failed = 0

    /// Requests that a fairness policy gave up before their first token, as they could not meet their
    /// target.
    package var aborted = 0

    /// Iterations by mode, and changes of the merged adapter from one to the next.
    package var unmergedSteps = 0
    package var mergedSteps = 0
    package var mixedSteps = 0
    package var switches = 0

    /// Iterations that a policy wanted merged and that ran unmerged, as the copy was not ready.
    package var unmergedInstead = 0

    /// Merged copies that were built, and that could not be.
    package var merges = 0
    package var failedMerges = 0

    /// Iterations that requests which decode had to wait for under a stall budget, and those of them
    /// that took longer than it.
    package var watchedSteps = 0
    package var stepsOverStallBudget = 0

    /// The time of all forward passes, and of those in each mode.
    package var stepTime: Duration = .zero
    package var unmergedTime: Duration = .zero
    package var mergedTime: Duration = .zero
    package var mixedTime: Duration = .zero
    package var mergeTime: Duration = .zero

    /// Tokens that were computed of prompts, and tokens that were generated.
    package var promptTokens = 0
    package var generatedTokens = 0

    /// Steps that were planned while the one before was under way, and tokens that were computed
    /// for requests that had ended meanwhile.
    package var aheadSteps = 0
    package var wastedTokens = 0

    /// Drafts computed, and those of them that were accepted.
    package var draftTokens = 0
    package var acceptedTokens = 0

    /// Prompt tokens of requests that began, and those of them that they shared with others.
    package var prefixQueryTokens = 0
    package var prefixHitTokens = 0

    /// Requests that came from other replicas, and that went to them.
    package var movedIn = 0
    package var movedOut = 0

    /// Requests that lost their pages and are computed again.
    package var preemptions = 0

    /// Empty plans of the batching policy, and iterations planned by the built-in defaults because
    /// the policies did not get on.
    package var emptyPlans = 0
    package var forcedSteps = 0
}
