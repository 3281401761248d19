// SPDX-License-Identifier: Apache-2.0

/// How one iteration treats the base weights.
///
/// All three give the same tokens to within floating-point error; they differ in cost (dLoRA §4.1;
/// V-LoRA's mixture mode for `mixed`).
@frozen
public enum BatchMode: Hashable, Sendable {
    /// Pristine base weights; every row adds its own adapter's `B·A·x`.
    case unmerged
    /// The adapter is folded into a copy of the weights; only its requests may run.
    case merged(AdapterID)
    /// As `merged`, and rows of others are corrected by `−B₁A₁x + BₓAₓx`.
    case mixed(AdapterID)

    /// The adapter whose merged copy the iteration uses.
    @inlinable
    public var mergedAdapter: AdapterID? {
        switch self {
        case .unmerged: nil
        case .merged(let adapter), .mixed(let adapter): adapter
        }
    }
}

/// What bounds the next iteration.
public struct BatchLimits: Sendable, Equatable {
    /// The most requests in one iteration (`replicas.maxBatch`).
    public var requests: Int

    /// The most tokens in one iteration: `replicas.maxStepTokens`, or fewer where requests decode and
    /// would wait longer than `replicas.stallBudget`.
    public var tokens: Int

    /// The most tokens in one iteration in which a prompt is computed that may not be cut: that
    /// prompt counts against this limit alone. At least ``tokens``.
    public var undividedTokens: Int

    /// KV pages that nobody holds.
    public var freePages: Int

    /// Tokens that one KV page holds.
    public var pageTokens: Int

    public init(requests: Int, tokens: Int, freePages: Int, pageTokens: Int) {
        self.requests = requests
        self.tokens = tokens
        self.undividedTokens = tokens
        self.freePages = freePages
        self.pageTokens = pageTokens
    }
}

/// What a batching policy knows besides the requests.
public struct BatchingContext: Sendable {
    public var now: Instant
    public var limits: BatchLimits

    /// The mode of the iteration before.
    public var currentMode: BatchMode

    /// Merged copies that the replica has, and the one that it builds.
    public var copies: MergedCopiesSnapshot

    /// What the host has measured of its own costs.
    public var costs: CostEstimates

    /// Whether somebody reads ``BatchPlan/reason``.
    public var wantsReason: Bool

    /// Adapters that the fairness policy wants served before any other, the most urgent first.
    ///
    /// A policy may weigh this against the cost of a switch, but a request of such an adapter that
    /// also stands first in order must come to its end, however many others come.
    public var mustServe: [AdapterID]

    /// Adapters that the fairness policy forbids to be merged on, as they cannot afford to displace
    /// others; the mode of a plan may not name one.
    public var notMergeable: Set<AdapterID>

    public init(now: Instant, limits: BatchLimits) {
        self.now = now
        self.limits = limits
        self.currentMode = .unmerged
        self.copies = MergedCopiesSnapshot()
        self.costs = CostEstimates()
        self.wantsReason = false
        self.mustServe = []
        self.notMergeable = []
    }
}

/// The answer of a batching policy: who runs, how many tokens of each, in which mode.
public struct BatchPlan: Sendable, Equatable {
    /// One request's share of the iteration.
    @frozen
    public struct Entry: Hashable, Sendable {
        /// Position in the requests that the policy was shown.
        public var index: Int

        /// Tokens to compute: the request's `leastTokens` to its `pendingTokens`.
        public var tokens: Int

        @inlinable
        public init(index: Int, tokens: Int) {
            self.index = index
            self.tokens = tokens
        }
    }

    public var mode: BatchMode
    public var entries: [Entry]

    /// An adapter whose merged copy is to be built beside this iteration, for later ones.
    ///
    /// Nothing happens where it is ready, or another is being built. Where there is no room for one
    /// more, the copy that was used least recently leaves at once.
    public var prepares: AdapterID?

    /// Why, in a few words with the numbers compared, for people who read the decision trace; it
    /// may stay empty, and need not be made unless ``BatchingContext/wantsReason``.
    public var reason: String

    public init(mode: BatchMode = .unmerged, entries: [Entry] = []) {
        self.mode = mode
        self.entries = entries
        self.prepares = nil
        self.reason = ""
    }
}

/// What an iteration really did.
public struct StepObservation: Sendable {
    /// When the iteration was handed to the executor.
    public var start: Instant

    /// How long the forward pass took, without merging.
    public var stepTime: Duration

    /// How long building a merged copy held up this iteration; zero where none was being built.
    public var mergeTime: Duration

    /// The mode it ran in: unmerged where the plan named one whose merged copy was not ready.
    public var mode: BatchMode

    /// What it computed.
    public var work: StepWork

    /// Prompt tokens and decode rows computed.
    public var promptTokens: Int
    public var decodeTokens: Int

    /// The requests that ran, as they stood when they were planned.
    public var served: [RequestSnapshot]

    /// What each of ``served`` got: tokens of its prompt that were computed, or tokens generated
    /// while it was decoding; in the same order.
    public var servedTokens: [Int]

    public init(start: Instant, stepTime: Duration, mode: BatchMode, served: [RequestSnapshot]) {
        self.start = start
        self.stepTime = stepTime
        self.mergeTime = .zero
        self.mode = mode
        self.work = StepWork()
        self.promptTokens = 0
        self.decodeTokens = 0
        self.served = served
        self.servedTokens = served.map(\.pendingTokens)
    }
}

/// Decides once per iteration who runs and in which mode.
public protocol BatchingPolicy: Policy {
    /// Plans the next iteration.
    ///
    /// `plan` comes empty and unmerged. The host checks the answer: indexes in range and no request
    /// twice, 1 to `pendingTokens` tokens each, at most `limits.requests` entries and
    /// `limits.tokens` tokens, pages within `limits.freePages`, only requests whose adapter is
    /// resident, and in merged mode only requests of that adapter. A merged copy that is not ready is
    /// built while iterations go on; until then such a plan runs unmerged. A copy may be asked for
    /// ahead of its use with ``BatchPlan/prepares``, for an adapter that a request shows as
    /// resident. An empty plan while requests are runnable is allowed; the host asks again when
    /// something changed. Where a plan computes fewer tokens of a request than its `leastTokens`,
    /// the host computes these, or leaves the request out where there is no room for them.
    ///
    /// `requests` are all unfinished requests of the replica, in the order that the fairness policy
    /// gave them. The host may ask while the iteration before is under way; requests then stand as
    /// they will when that has ended, and ``observe(_:)`` tells of it later.
    func plan(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) throws(PolicyError)

    /// Learns what an iteration did; the one after it may have been planned already.
    func observe(_ step: StepObservation)
}

extension BatchingPolicy {
    public static var kind: PolicyKind { .batching }
    public func observe(_ step: StepObservation) {}
}
