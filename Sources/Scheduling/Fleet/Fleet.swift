// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// The replicas of one model: admits requests, dispatches them, and passes each event to the
/// replica that it concerns.
package struct Fleet {
    package internal(set) var replicas: [ReplicaScheduler]
    package private(set) var counters = FleetCounters()
    package var limits: FleetLimits

    /// Requests that wait for their first iteration.
    package private(set) var waitingRequests = 0

    /// What the dispatch policy was asked and answered, where somebody wants to know.
    package internal(set) var dispatchRecords: [DispatchRecord]?

    var dispatch: PolicyGuard<any DispatchPolicy>
    var migration: FleetMigration
    var routes: [RequestID: Int] = [:]
    var board: DispatchBoard
    private var service = ServiceRate()
    var containment: ContainmentRules
    let clock: PolicyClock

    /// Makes a fleet of at least one replica, each with its position as its identifier.
    package init(
        replicas: [ReplicaScheduler], policies: FleetPolicies = FleetPolicies(),
        limits: FleetLimits, rules: FleetRules = FleetRules(), clock: @escaping PolicyClock
    ) {
        precondition(!replicas.isEmpty, "a fleet of no replicas")
        for (position, replica) in replicas.enumerated() {
            precondition(
                replica.configuration.id.rawValue == position,
                "replica \(replica.configuration.id.rawValue) stands at \(position)")
        }
        self.replicas = replicas
        self.limits = limits
        self.containment = rules.containment
        self.clock = clock
        self.board = DispatchBoard(count: replicas.count)
        self.dispatch = .dispatch(policies.dispatch, rules: rules.containment, clock: clock)
        self.migration = FleetMigration(
            policy: .migration(policies.migration, rules: rules.containment, clock: clock),
            rules: rules.migration)
    }

    // MARK: - Facts

    /// A replica as it stands; a copy that is kept over the next event makes that event slow.
    package subscript(id: ReplicaID) -> ReplicaScheduler { replicas[id.rawValue] }

    /// As ``ReplicaScheduler/isRunnable``.
    package func isRunnable(_ replica: ReplicaID) -> Bool { replicas[replica.rawValue].isRunnable }

    /// As ``ReplicaScheduler/isHoldingBack``.
    package func isHoldingBack(_ replica: ReplicaID) -> Bool {
        replicas[replica.rawValue].isHoldingBack
    }

    /// The replica that holds an unfinished request.
    package func replica(of request: RequestID) -> ReplicaID? {
        routes[request].map(ReplicaID.init(rawValue:))
    }

    /// The adapters that are resident somewhere, with the replicas where they are; in no order.
    package var holders: [(id: AdapterID, replicas: [Int])] { board.allHolders }

    package var dispatchStatus: PolicyStatus { dispatch.status }

    /// Requests per second that begin while others wait, or `nil` before the first measurement.
    package var serviceRate: Double? { service.perSecond }

    /// What a dispatch policy would see now for a request on this adapter.
    package mutating func snapshots(for adapter: AdapterID) -> [ReplicaSnapshot] {
        board.refresh(from: &replicas)
        board.mark(adapter, among: &replicas)
        return board.snapshots
    }

    /// Pages of a common pool that two replicas believe to have.
    private func poolInconsistencies() -> [String] {
        guard migration.rules.sharesPool, migration.counters.handedOver > 0 else { return [] }
        var owners: [Int32: Int] = [:]
        for replica in replicas {
            for page in replica.pages.numbers.used { owners[page, default: 0] += 1 }
            for page in replica.pages.numbers.unused { owners[Int32(page), default: 0] += 1 }
        }
        let total = replicas.reduce(0) { $0 + $1.pages.totalPages }
        let twice = owners.filter { $0.value > 1 }.count
        if twice == 0, owners.count == total { return [] }
        return ["of \(total) pages \(owners.count) have an owner, \(twice) have two"]
    }

    /// What does not add up, with the numbers; empty when all is well.
    package func inconsistencies() -> [String] {
        var problems = replicas.flatMap { $0.inconsistencies() }
        let requests = replicas.reduce(0) { $0 + $1.backlog.requests + $1.departingRequests }
        let waiting = replicas.reduce(0) { $0 + $1.backlog.waiting }
        if requests != routes.count || waiting != waitingRequests {
            problems.append(
                "replicas hold \(requests) requests, \(waiting) of them waiting; the fleet "
                    + "counts \(routes.count) and \(waitingRequests)")
        }
        return problems + poolInconsistencies()
    }

    // MARK: - Requests

    /// Admits a request and hands it to a replica, or says why not.
    package mutating func submit(_ request: NewRequest, at now: Instant) -> Admission {
        if let refusal = refusal(of: request, at: now) {
            if case .queueFull = refusal {
                counters.queueFull += 1
            } else {
                counters.unservable += 1
            }
            return .refused(refusal)
        }
        let first = choose(for: request, at: now)
        var refusal = pass(request, to: first, at: now)
        if refusal != nil, let other = otherReplica(for: request, than: first) {
            counters.redirected += 1
            refusal = pass(request, to: other, at: now)
        }
        if let refusal {
            counters.unservable += 1
            return .refused(refusal)
        }
        counters.accepted += 1
        return .accepted(ReplicaID(rawValue: routes[request.id] ?? first))
    }

    private mutating func refusal(of request: NewRequest, at now: Instant) -> Refusal? {
        guard request.promptTokens > 0 else { return .emptyPrompt }
        guard request.maximumTokens > 0 else { return .nothingToGenerate }
        let (all, overflow) = request.promptTokens.addingReportingOverflow(request.maximumTokens)
        guard !overflow, all <= limits.contextLength else {
            return .contextTooLong(limit: limits.contextLength)
        }
        guard routes[request.id] == nil else { return .duplicateRequest(request.id) }
        guard waitingRequests < limits.queue else {
            return .queueFull(
                limit: limits.queue, retryAfter: service.turnAway(limit: limits.queue))
        }
        return nil
    }

    private mutating func pass(
        _ request: NewRequest, to replica: Int, at now: Instant
    ) -> Refusal? {
        let refusal = change(replica, at: now) { $0.submit(request, at: now) }
        if refusal == nil { routes[request.id] = replica }
        return refusal
    }

    /// The replica with the fewest requests among those that could serve the request.
    private func otherReplica(for request: NewRequest, than first: Int) -> Int? {
        replicas.indices
            .filter { $0 != first && replicas[$0].refusal(of: request) == nil }
            .min { replicas[$0].backlog.requests < replicas[$1].backlog.requests }
    }

    private mutating func choose(for request: NewRequest, at now: Instant) -> Int {
        if replicas.count == 1 { return 0 }
        // Read where they lie: a copy of a thousand replicas for each request would be felt.
        board.refresh(from: &replicas)
        board.mark(request.adapter, among: &replicas)
        var snapshot = RequestSnapshot(
            id: request.id, adapter: request.adapter, tenant: request.tenant,
            arrival: request.arrival, promptTokens: request.promptTokens)
        snapshot.maximumTokens = request.maximumTokens
        var fault: (PolicyFault, String)?
        var choice: Int?
        var call = dispatch.begin(at: now)
        do throws(PolicyError) {
            let id = try call.policy.choose(for: snapshot, among: board.snapshots.span, at: now)
            dispatch.returned(&call)
            if board.snapshots.indices.contains(id.rawValue) {
                choice = id.rawValue
            } else {
                fault = (.badAnswer, "there is no replica \(id.rawValue)")
            }
        } catch {
            dispatch.returned(&call)
            fault = (.threw, error.description)
        }
        dispatch.settle(call, fault: fault, at: now)
        record(snapshot, choice, at: now)
        if let choice { return choice }
        let id = try? dispatch.builtIn.choose(for: snapshot, among: board.snapshots.span, at: now)
        return id?.rawValue ?? 0
    }

    /// Ends a request that nobody wants any more.
    package mutating func cancel(_ id: RequestID, at now: Instant) -> Release {
        guard let replica = routes[id] else { return .unknown }
        let release = change(replica, at: now) { $0.cancel(id, at: now) }
        if release == .now { routes[id] = nil }
        return release
    }

    /// Ends a request that has all it asked for.
    package mutating func finish(_ id: RequestID, at now: Instant) -> Release {
        guard let replica = routes[id] else { return .unknown }
        let release = change(replica, at: now) { $0.finish(id, at: now) }
        if release == .now { routes[id] = nil }
        return release
    }

    // MARK: - Steps

    /// As ``ReplicaScheduler/planStep(at:drafts:)``.
    package mutating func planStep(
        on replica: ReplicaID, at now: Instant, drafts: [RequestID: Int] = [:]
    ) -> StepPlan? {
        change(replica.rawValue, at: now) { $0.planStep(at: now, drafts: drafts) }
    }

    /// As ``ReplicaScheduler/planAhead(at:)``.
    package mutating func planAhead(on replica: ReplicaID, at now: Instant) -> StepPlan? {
        change(replica.rawValue, at: now) { $0.planAhead(at: now) }
    }

    /// As ``ReplicaScheduler/complete(_:at:)``.
    package mutating func complete(
        _ outcome: StepOutcome, on replica: ReplicaID, at now: Instant
    ) -> [RequestID] {
        forget(change(replica.rawValue, at: now) { $0.complete(outcome, at: now) })
    }

    /// As ``ReplicaScheduler/failStep(_:at:)``.
    package mutating func failStep(
        _ number: Int, on replica: ReplicaID, at now: Instant
    ) -> [RequestID] {
        forget(change(replica.rawValue, at: now) { $0.failStep(number, at: now) })
    }

    /// As ``ReplicaScheduler/takeAborted()``.
    package mutating func takeAborted(of replica: ReplicaID) -> [AbortedRequest] {
        let aborted = replicas[replica.rawValue].takeAborted()
        for request in aborted where replicas[replica.rawValue].isDeparted(request.id) {
            routes[request.id] = nil
        }
        return aborted
    }

    /// As ``ReplicaScheduler/takeActions()``.
    package mutating func takeActions(of replica: ReplicaID) -> [AdapterResidency.Action] {
        replicas[replica.rawValue].takeActions()
    }

    /// As ``ReplicaScheduler/takeMergeActions()``.
    package mutating func takeMergeActions(of replica: ReplicaID) -> [MergedCopies.Action] {
        replicas[replica.rawValue].takeMergeActions()
    }

    /// As ``ReplicaScheduler/copyBuilt(_:bytes:time:at:)``.
    package mutating func copyBuilt(
        _ id: AdapterID, bytes: Int, time: Duration, on replica: ReplicaID, at now: Instant
    ) {
        change(replica.rawValue, at: now) {
            $0.copyBuilt(id, bytes: bytes, time: time, at: now)
        }
    }

    /// As ``ReplicaScheduler/copyFailed(_:at:)``.
    package mutating func copyFailed(_ id: AdapterID, on replica: ReplicaID, at now: Instant) {
        change(replica.rawValue, at: now) { $0.copyFailed(id, at: now) }
    }

    // MARK: - Recording

    /// As ``ReplicaScheduler/startRecording()``.
    package mutating func startRecording(
        on replica: ReplicaID
    ) -> (batching: RecordedPolicy, fairness: RecordedPolicy) {
        replicas[replica.rawValue].startRecording()
    }

    /// As ``ReplicaScheduler/stopRecording()``.
    package mutating func stopRecording(on replica: ReplicaID) {
        replicas[replica.rawValue].stopRecording()
    }

    /// As ``ReplicaScheduler/takeRecords()``.
    package mutating func takeRecords(of replica: ReplicaID) -> [DecisionRecord]? {
        replicas[replica.rawValue].takeRecords()
    }

    // MARK: - Adapters and policies

    /// Makes an adapter known to every replica.
    ///
    /// - Returns: why not, where none can hold it.
    package mutating func register(_ adapter: AdapterDescription, at now: Instant) -> Refusal? {
        var refusals: [Refusal] = []
        for replica in replicas.indices {
            if let refusal = change(replica, at: now, { $0.register(adapter, at: now) }) {
                refusals.append(refusal)
            }
        }
        if refusals.count == replicas.count { return refusals.first }
        board.register(adapter)
        return nil
    }

    /// As ``ReplicaScheduler/retire(_:at:)``, on every replica.
    package mutating func retire(_ adapter: AdapterID, at now: Instant) {
        board.retire(adapter)
        for replica in replicas.indices {
            change(replica, at: now) { $0.retire(adapter, at: now) }
        }
    }

    /// As ``ReplicaScheduler/adapterLoaded(_:bytes:time:at:)``.
    package mutating func adapterLoaded(
        _ id: AdapterID, bytes: Int, time: Duration, on replica: ReplicaID, at now: Instant
    ) -> [RequestID] {
        let ended = change(replica.rawValue, at: now) {
            $0.adapterLoaded(id, bytes: bytes, time: time, at: now)
        }
        board.loadEnded(id, on: replica.rawValue)
        if replicas[replica.rawValue].residency.state(of: id) == .resident {
            board.loaded(id, on: replica.rawValue)
        }
        return forget(ended)
    }

    /// As ``ReplicaScheduler/adapterLoadFailed(_:at:)``.
    package mutating func adapterLoadFailed(
        _ id: AdapterID, on replica: ReplicaID, at now: Instant
    ) -> [RequestID] {
        board.loadEnded(id, on: replica.rawValue)
        rescueRequests(of: id, from: replica.rawValue, at: now)
        return forget(change(replica.rawValue, at: now) { $0.adapterLoadFailed(id, at: now) })
    }

    // MARK: - Inside

    /// Lets an event change one replica and keeps the sums over all of them.
    @discardableResult
    mutating func change<Answer>(
        _ replica: Int, at now: Instant, _ event: (inout ReplicaScheduler) -> Answer
    ) -> Answer {
        let (answer, change) = replicas[replica].follow(event)
        board.touch(replica)
        for adapter in change.unloaded { board.unloaded(adapter, from: replica) }
        for adapter in change.loading { board.loading(adapter, on: replica) }
        service.observe(began: change.began, wasBusy: waitingRequests > 0, at: now)
        waitingRequests += change.waiting
        return answer
    }

    private mutating func forget(_ ended: [RequestID]) -> [RequestID] {
        for id in ended { routes[id] = nil }
        return ended
    }
}

extension PolicyGuard where Instance == any DispatchPolicy {
    static func dispatch(
        _ chosen: NamedPolicy<Instance>?, rules: ContainmentRules, clock: @escaping PolicyClock
    ) -> Self {
        Self(
            chosen,
            builtIn: NamedPolicy(
                name: LeastPendingDispatch.descriptor.type, policy: LeastPendingDispatch()),
            kind: .dispatch, rules: rules, clock: clock)
    }
}
