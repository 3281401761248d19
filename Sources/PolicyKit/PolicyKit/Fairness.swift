// SPDX-License-Identifier: Apache-2.0

/// What a fairness policy knows besides the requests.
public struct FairnessContext: Sendable {
    public var now: Instant
    public var limits: BatchLimits

    /// The mode of the iteration before.
    public var currentMode: BatchMode

    /// What the host has measured of its own costs.
    public var costs: CostEstimates

    /// Whether somebody reads ``FairnessArrangement/reason``.
    public var wantsReason: Bool

    public init(now: Instant, limits: BatchLimits) {
        self.now = now
        self.limits = limits
        self.currentMode = .unmerged
        self.costs = CostEstimates()
        self.wantsReason = false
    }
}

/// The answer of a fairness policy: in which order requests stand, who must run, who may not merge.
public struct FairnessArrangement: Sendable, Equatable {
    /// Positions in the requests shown, the first in turn first; a permutation of all of them.
    ///
    /// It comes filled with arrival order, so a policy that has nothing to say leaves it.
    public var order: [Int]

    /// Adapters of the requests shown that are to be served before any other, the most urgent
    /// first; none twice.
    public var mustServe: [AdapterID]

    /// Adapters of the requests shown that may not be merged on.
    public var notMergeable: Set<AdapterID>

    /// Positions of requests that end now, as they cannot meet their target any more; only of
    /// requests that have generated nothing, none twice. Their clients are told so.
    public var aborts: [Int]

    /// When the first token of each of ``aborts`` was predicted, in the same order; it may stay
    /// empty where there is no prediction.
    public var predictedFirstTokens: [Instant]

    /// Why, in a few words with the numbers compared, for people who read the decision trace; it
    /// may stay empty, and need not be made unless ``FairnessContext/wantsReason``.
    public var reason: String

    public init(order: [Int]) {
        self.order = order
        self.aborts = []
        self.predictedFirstTokens = []
        self.reason = ""
        self.mustServe = []
        self.notMergeable = []
    }
}

/// Who ran in an iteration, and who would have run had requests been served as they came.
public struct ServiceSettlement: Sendable {
    public var now: Instant
    public var step: StepObservation

    /// Requests of the first-come-first-served batch that did not run.
    public var displaced: [RequestSnapshot]

    /// Requests that ran without being in the first-come-first-served batch.
    public var advanced: [RequestSnapshot]

    public init(
        now: Instant, step: StepObservation, displaced: [RequestSnapshot],
        advanced: [RequestSnapshot]
    ) {
        self.now = now
        self.step = step
        self.displaced = displaced
        self.advanced = advanced
    }
}

/// Decides whose turn it is; the batching policy plans under its answer.
public protocol FairnessPolicy: Policy {
    /// Orders the requests for the next iteration.
    ///
    /// `requests` are all unfinished requests of the replica, in order of arrival. The host may ask
    /// while the iteration before is under way; requests then stand as they will when that has
    /// ended, and ``settle(_:)`` tells of it later.
    func arrange(
        _ requests: Span<RequestSnapshot>, in context: FairnessContext,
        into arrangement: inout FairnessArrangement
    ) throws(PolicyError)

    /// Settles the accounts after an iteration; the one after it may have been arranged already.
    func settle(_ settlement: ServiceSettlement)
}

extension FairnessPolicy {
    public static var kind: PolicyKind { .fairness }
    public func settle(_ settlement: ServiceSettlement) {}
}
