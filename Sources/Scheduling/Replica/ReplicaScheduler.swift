// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// Owns the requests of one replica and decides each of its iterations.
///
/// Events go in as method calls with the time; what must be done comes out as return values and as
/// ``takeActions()``. Decisions depend on the events and the policies' seeds alone. One step is
/// under way at a time: ``planStep(at:drafts:)`` gives the next one once ``complete(_:at:)`` or
/// ``failStep(_:at:)`` has reported on the last. ``planAhead(at:)`` gives the next one already while
/// one is under way, as if that had done what it was planned to do.
package struct ReplicaScheduler {
    package internal(set) var configuration: ReplicaConfiguration

    package internal(set) var counters = ReplicaCounters()

    /// The mode of the last step planned.
    package internal(set) var mode = BatchMode.unmerged

    /// Whether the last ``planStep(at:drafts:)`` came empty because the batching policy held requests back
    /// though they could run: the caller asks again after a short while even if nothing happens.
    package internal(set) var isHoldingBack = false

    package internal(set) var costs = ReplicaCosts()
    package internal(set) var pages: KVPageTable
    package internal(set) var residency: AdapterResidency
    package internal(set) var copies: MergedCopies

    /// The most tokens of the last iteration that was planned, by `batchTokens` and the stall budget.
    package internal(set) var tokenLimit: Int

    /// Who got how much service, and in which modes.
    package internal(set) var ledger = ServiceLedger()
    package internal(set) var timeline = ModeTimeline()

    var queue = RequestQueue()
    var stall: StallBudget?

    /// What is known of the tokens of unfinished requests, where they may share pages.
    var prefixes: [RequestID: KnownPrefix] = [:]

    /// Adapters that take no new requests but may still have some.
    var retired: [AdapterID] = []

    /// Known adapters on which nothing can be merged.
    var unmergeable: Set<AdapterID> = []

    /// Plans in a row of which a prompt that may not be cut had to be left out.
    var undividedLeftOut = 0
    var batching: PolicyGuard<any BatchingPolicy>
    var fairness: PolicyGuard<any FairnessPolicy>

    /// The step under way, and the one that was planned ahead of its end.
    var inFlight: [StepInFlight] = []

    /// Requests that have ended for everybody but the steps that still compute them.
    var departing: [RequestID: Departure] = [:]
    var stepNumber = 0

    /// Empty plans in a row.
    var emptyPlans = 0

    /// Whether policies are asked for their reasons.
    package internal(set) var wantsReasons = false

    /// Notes what passes between this and the policies, where somebody wants to know.
    var recorder: DecisionRecorder?

    /// Requests that a fairness policy has given up and whose clients are not told yet.
    var aborted: [AbortedRequest] = []

    /// Requests preempted since a step last gave a token.
    var preemptionsSinceToken = 0

    /// 0, 1, 2, …: arrival order, shared with each arrangement instead of being made anew.
    var identity: [Int] = []

    /// Requests in another order than that of arrival.
    var ordered: [RequestSnapshot] = []
    var marks = PositionMarks()
    let clock: PolicyClock

    /// Makes an idle replica; `clock` is read before and after each call of a policy.
    package init(
        _ configuration: ReplicaConfiguration, policies: ReplicaPolicies = ReplicaPolicies(),
        clock: @escaping PolicyClock
    ) {
        precondition(
            configuration.batchRequests > 0 && configuration.batchTokens > 0,
            "a batch of \(configuration.batchRequests) requests and "
                + "\(configuration.batchTokens) tokens"
        )
        self.configuration = configuration
        self.clock = clock
        self.tokenLimit = configuration.batchTokens
        self.stall = configuration.stallBudget.map(StallBudget.init(bound:))
        self.pages = KVPageTable(
            pages: configuration.pages, pageTokens: configuration.pageTokens,
            firstPage: configuration.firstPage)
        self.copies = MergedCopies(capacity: configuration.mergedCopies)
        let rules = configuration.containment
        self.batching = .batching(policies.batching, rules: rules, clock: clock)
        self.fairness = .fairness(policies.fairness, rules: rules, clock: clock)
        self.residency = AdapterResidency(
            budgetBytes: configuration.adapterBytes, patience: configuration.adapterPatience,
            policy: .residency(policies.residency, rules: rules, clock: clock))
    }

    // MARK: - Facts

    package var backlog: Backlog { queue.backlog }

    /// Whether a step is under way.
    package var isStepping: Bool { !inFlight.isEmpty }

    /// Whether ``planStep(at:drafts:)`` could give a step now.
    package var isRunnable: Bool { inFlight.isEmpty && backlog.runnable > 0 }

    /// Requests that keep their pages until a step under way has ended, and are in no backlog.
    package var departingRequests: Int { departing.count }

    /// Requests that have begun and hold pages or may yet.
    package var runningRequests: Int { backlog.running + departing.count }

    /// An unfinished request as policies see it.
    package func snapshot(of id: RequestID) -> RequestSnapshot? {
        queue.slot(of: id).map(queue.snapshot)
    }

    /// Whether no queue and no step knows the request.
    func isDeparted(_ id: RequestID) -> Bool {
        queue.slot(of: id) == nil && departing[id] == nil
    }

    /// All unfinished requests in order of arrival.
    package var snapshots: [RequestSnapshot] { queue.snapshots }

    package var policyStatuses: [PolicyStatus] {
        [batching.status, fairness.status, residency.policy.status]
    }

    /// What does not add up in pages and queue, with the numbers; empty when all is well.
    package func inconsistencies() -> [String] {
        pages.inconsistencies() + queue.inconsistencies() + residency.inconsistencies()
            + departureInconsistencies()
    }

    /// Loads and unloads that the caller must carry out, in this order.
    package mutating func takeActions() -> [AdapterResidency.Action] {
        guard !residency.actions.isEmpty else { return [] }
        for case .unload(let id) in residency.actions { copies.forget(id) }
        defer { residency.actions.removeAll(keepingCapacity: true) }
        return residency.actions
    }
}

/// A mark per position, cleared in constant time.
struct PositionMarks {
    private var stamps: [UInt32] = []
    private var stamp: UInt32 = 0

    /// Clears all marks and makes room for `count` positions.
    mutating func clear(count: Int) {
        stamp &+= 1
        if stamp == 0 || stamps.count < count {
            stamps = [UInt32](repeating: 0, count: max(count, 2 * stamps.count))
            stamp = 1
        }
    }

    /// - Returns: whether the position was in range and not marked yet.
    mutating func mark(_ position: Int) -> Bool {
        guard stamps.indices.contains(position), stamps[position] != stamp else { return false }
        stamps[position] = stamp
        return true
    }

    func isMarked(_ position: Int) -> Bool { stamps[position] == stamp }
}

extension PolicyGuard where Instance == any BatchingPolicy {
    static func batching(
        _ chosen: NamedPolicy<Instance>?, rules: ContainmentRules, clock: @escaping PolicyClock
    ) -> Self {
        Self(
            chosen,
            builtIn: NamedPolicy(
                name: FirstComeFirstServedBatching.descriptor.type,
                policy: FirstComeFirstServedBatching()),
            kind: .batching, rules: rules, clock: clock)
    }
}

extension PolicyGuard where Instance == any FairnessPolicy {
    static func fairness(
        _ chosen: NamedPolicy<Instance>?, rules: ContainmentRules, clock: @escaping PolicyClock
    ) -> Self {
        Self(
            chosen,
            builtIn: NamedPolicy(
                name: ArrivalOrderFairness.descriptor.type, policy: ArrivalOrderFairness()),
            kind: .fairness, rules: rules, clock: clock)
    }
}

extension PolicyGuard where Instance == any ResidencyPolicy {
    static func residency(
        _ chosen: NamedPolicy<Instance>?, rules: ContainmentRules, clock: @escaping PolicyClock
    ) -> Self {
        Self(
            chosen,
            builtIn: NamedPolicy(
                name: LeastRecentlyUsedResidency.descriptor.type,
                policy: LeastRecentlyUsedResidency()),
            kind: .residency, rules: rules, clock: clock)
    }
}
