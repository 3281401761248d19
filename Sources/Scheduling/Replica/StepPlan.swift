// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// A request as it comes to a replica.
package struct NewRequest: Sendable, Equatable {
    package var id: RequestID
    package var adapter: AdapterID
    package var tenant: TenantID
    package var arrival: Instant
    package var promptTokens: Int

    /// The prompt's tokens, where it may share KV pages with others that begin alike; else empty.
    package var prompt: [Int32] = []

    /// Tells apart requests of one adapter whose keys and values differ though their tokens are the
    /// same, as by the experts of a mixture that they leave out: they share no pages.
    package var variant: UInt64 = 0

    /// Whether its prompt must be computed in one iteration, and shares no pages.
    package var isUndivided = false

    /// The most tokens that it may generate; it ends by itself when it has them.
    package var maximumTokens: Int

    /// The tenant's share of service, relative to others.
    package var tenantWeight = 1.0

    /// How long after its arrival its first token should be there, where its service class says so.
    package var firstTokenTarget: Duration?

    package init(
        id: RequestID, adapter: AdapterID = .base, tenant: TenantID = TenantID(rawValue: 0),
        arrival: Instant, promptTokens: Int
    ) {
        self.id = id
        self.adapter = adapter
        self.tenant = tenant
        self.arrival = arrival
        self.promptTokens = promptTokens
        self.maximumTokens = 16
    }
}

/// One request's share of an iteration, as the executor needs it.
package struct StepEntry: Sendable, Equatable {
    package var id: RequestID
    package var adapter: AdapterID

    /// Index, in the request's prompt and output, of the first token to compute.
    package var position: Int

    /// Tokens to compute: those at `position ..< position + tokens`.
    package var tokens: Int

    /// The pages of the request's first `position + tokens` tokens, in their order.
    package var pages: [Int32]

    /// Whether the last row gives the request's next token.
    package var samples: Bool

    /// How many of the tokens, at the end, are drafts: the request's own guess of what follows, to
    /// be verified. Then each of the last `drafts + 1` rows gives a token.
    package var drafts = 0
}

/// One iteration, for the executor.
package struct StepPlan: Sendable, Equatable {
    /// Counts the iterations of the replica, from 1.
    package var number: Int
    package var mode: BatchMode
    package var entries: [StepEntry]
    package var start: Instant

    /// Whether it was planned while the step before it was under way: where a request was part of
    /// that one, the last token to compute is the one that is sampled there.
    package var isAhead = false

    /// What it computes, without the drafts that were added to it afterwards.
    package var work = StepWork()
}

/// What became of an iteration: each entry that samples got one more token, and one for each of its
/// drafts that was accepted.
package struct StepOutcome: Sendable {
    /// The number of the plan.
    package var number: Int

    /// How long the forward pass took, without merging.
    package var stepTime: Duration

    /// How long building a merged copy held it up; zero where none was being built.
    package var mergeTime: Duration

    /// Requests that ended with this step. Those that reached their `maximumTokens` end anyway.
    package var finished: [RequestID]

    /// Requests whose rows were left out, as they had ended before the step began.
    package var dropped: Set<RequestID> = []

    /// How many of its drafts a request keeps; none where it is not named.
    package var accepted: [RequestID: Int] = [:]

    /// The tokens that were drawn, where they are known; serves to share the pages they are in.
    package var tokens: [RequestID: [Int32]] = [:]

    package init(
        number: Int, stepTime: Duration, mergeTime: Duration = .zero, finished: [RequestID] = []
    ) {
        self.number = number
        self.stepTime = stepTime
        self.mergeTime = mergeTime
        self.finished = finished
    }
}

/// What became of the wish to end a request.
package enum Release: Hashable, Sendable {
    /// It is gone and its pages are free.
    case now
    /// It is part of a step that was handed out; the end of the last such step reports it.
    case afterStep
    /// There is no such request.
    case unknown
}
