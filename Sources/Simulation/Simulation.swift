// SPDX-License-Identifier: Apache-2.0

package import PolicyKit
package import Scheduling
package import Workloads

/// Runs a fleet on a virtual clock: the scheduler and the policies are those that serve, only the
/// time that things take comes from ``SimulatedCosts``.
///
/// The same setup, policies and requests give the same events, bit for bit. Policies are not timed:
/// what they cost on this machine is no cost of the one that is simulated.
package struct Simulation {
    package let setup: SimulationSetup
    package internal(set) var fleet: Fleet
    package internal(set) var now = Instant(nanoseconds: 0)

    /// Called with each iteration that ends.
    package var onStep: ((SimulatedStep) -> Void)?

    /// Called with what is decided and done, in order.
    package var onEvent: ((SimulatedEvent, Instant) -> Void)?

    var replicas: [SimulatedReplica]
    var events = EventQueue()
    var live = LiveRequests()
    var summary = SimulationSummary()

    /// How many replicas hold each adapter.
    var holders: [Int]
    var samples: FleetSamples

    /// How much has happened.
    package internal(set) var happened = 0

    /// Migration plans that are solved and not there yet.
    var solutions: [Int: Result<MigrationPlan, PolicyError>] = [:]
    var onRequest: (SimulatedRequest) -> Void = { _ in }

    /// Makes an idle fleet; `policies` has a set for each replica or none.
    package init(_ setup: SimulationSetup, policies: SimulationPolicies = SimulationPolicies()) {
        self.setup = setup
        let count = max(1, setup.replicas)
        precondition(
            policies.replicas.isEmpty || policies.replicas.count == count,
            "\(policies.replicas.count) sets of policies for \(count) replicas")
        let clock: PolicyClock = { Instant(nanoseconds: 0) }
        let schedulers = (0..<count).map { index in
            var configuration = setup.replica
            configuration.id = ReplicaID(rawValue: index)
            if setup.sharesAdapters { configuration.firstPage = index * configuration.pages }
            let chosen =
                policies.replicas.isEmpty ? ReplicaPolicies() : policies.replicas[index]
            return ReplicaScheduler(configuration, policies: chosen, clock: clock)
        }
        fleet = Fleet(
            replicas: schedulers, policies: policies.fleet, limits: setup.limits,
            rules: setup.fleetRules, clock: clock)
        replicas = (0..<count).map { index in
            SimulatedReplica(random: RandomStream(seed: setup.seed, stream: UInt64(index)))
        }
        now = setup.start.clock
        holders = [Int](repeating: 0, count: setup.adapters.count)
        samples = FleetSamples(replicas: count, adapters: setup.adapters.count)
    }

    /// Serves all requests of a workload and hands each one out when it is over.
    ///
    /// - Returns: what was done in all.
    package mutating func run(
        _ requests: some Sequence<PlannedRequest>,
        onRequest: @escaping (SimulatedRequest) -> Void
    ) -> SimulationSummary {
        var iterator = requests.makeIterator()
        return run(next: { () throws(Never) in iterator.next() }, onRequest: onRequest)
    }

    /// Serves the requests that `next` gives, in order of arrival, until it gives none; each is asked
    /// for only when the one before has come, and handed to `onRequest` when it is over.
    ///
    /// - Returns: what was done in all. A simulation runs once.
    /// - Throws: what `next` throws.
    package mutating func run<Failure: Error>(
        next: () throws(Failure) -> PlannedRequest?,
        onRequest: @escaping (SimulatedRequest) -> Void
    ) throws(Failure) -> SimulationSummary {
        self.onRequest = onRequest
        registerAdapters()
        var upcoming = try next()
        while true {
            let arrival = upcoming.map { Instant(nanoseconds: 0).advanced(by: $0.arrival) }
            let time = min(arrival?.nanoseconds ?? .max, events.nextTime ?? .max)
            if isOver(before: time) { break }
            happened += 1
            if let arrival, arrival.nanoseconds <= events.nextTime ?? .max {
                sample(before: arrival)
                now = max(now, arrival)
                try arrive(&upcoming, next: next)
            } else if let event = events.next() {
                sample(before: Instant(nanoseconds: event.time))
                now = Instant(nanoseconds: event.time)
                happen(event)
            } else {
                break
            }
        }
        for id in live.identifiers { end(id, .stuck) }
        return finalSummary()
    }

    private mutating func sample(before next: Instant) {
        if samples.isDue(before: next) { samples.note(fleet, before: next) }
    }

    private mutating func registerAdapters() {
        for (index, adapter) in setup.adapters.enumerated() {
            // One that fits nowhere is refused with each of its requests.
            _ = fleet.register(adapter.description(index: index), at: now)
        }
        settleIn()
        for replica in replicas.indices { advance(replica) }
        place()
    }

    private func finalSummary() -> SimulationSummary {
        var summary = summary
        summary.makespan = .nanoseconds(now.nanoseconds)
        summary.modesByReplica = replicas.map(\.modes)
        for modes in summary.modesByReplica { summary.modes += modes }
        summary.fleet = fleet.counters
        summary.migration = fleet.migrationCounters
        summary.samples = samples
        for replica in fleet.replicas {
            summary.replicas.append(replica.counters)
            summary.residency.append(replica.residency.counters)
            summary.policies += replica.policyStatuses
        }
        summary.policies += [fleet.dispatchStatus, fleet.migrationStatus]
        return summary
    }
}

// MARK: - Requests

extension Simulation {
    /// The next request comes, and those of the same moment where they are gathered.
    private mutating func arrive<Failure: Error>(
        _ upcoming: inout PlannedRequest?, next: () throws(Failure) -> PlannedRequest?
    ) throws(Failure) {
        var taken: Set<Int> = []
        while let planned = upcoming {
            if let replica = submit(planned) { taken.insert(replica) }
            upcoming = try next()
            let isLater =
                upcoming.map { now < Instant(nanoseconds: 0).advanced(by: $0.arrival) } ?? true
            if isLater || !setup.start.gathersArrivals { break }
        }
        guard !taken.isEmpty else { return }
        for replica in taken.sorted() { advance(replica) }
        place()
        migrate()
    }

    /// - Returns: the replica that has taken it.
    private mutating func submit(_ planned: PlannedRequest) -> Int? {
        let came = Instant(nanoseconds: 0).advanced(by: planned.arrival)
        let id = live.insert(planned, arrival: setup.start.gathersArrivals ? came : now)
        let index = live.count - 1
        var request = NewRequest(
            id: id, adapter: SimulationSetup.id(ofAdapter: planned.adapter),
            arrival: setup.start.gathersArrivals ? came : now, promptTokens: planned.promptTokens)
        let room = setup.limits.contextLength - planned.promptTokens
        request.maximumTokens = max(
            planned.outputTokens, min(setup.requestedTokens ?? 0, room))
        let details =
            setup.start.details.indices.contains(index)
            ? setup.start.details[index] : SimulationStart.Details()
        request.tenant = details.tenant
        request.tenantWeight = details.tenantWeight
        request.maximumTokens = max(request.maximumTokens, min(details.mostTokens, room))
        request.firstTokenTarget = details.firstTokenTarget
        switch fleet.submit(request, at: now) {
        case .accepted(let replica):
            live.update(id) { $0.replica = replica.rawValue }
            onEvent?(.dispatched(request: index, replica: replica.rawValue), now)
            if details.generatedTokens > 0,
                fleet.advance(id, generated: details.generatedTokens, at: now)
            {
                live.update(id) { $0.tokens = details.generatedTokens }
            }
            return replica.rawValue
        case .refused(let refusal):
            end(id, .refused(refusal))
            return nil
        }
    }

    /// Hands a request out, unless that has been done.
    mutating func end(_ id: RequestID, _ outcome: SimulatedRequest.Outcome) {
        guard let request = live.remove(id) else { return }
        summary.requests.count(outcome)
        var over = SimulatedRequest(
            index: request.index, outcome: outcome, adapter: request.planned.adapter,
            arrival: request.arrival, end: now)
        over.replica = request.replica < 0 ? nil : ReplicaID(rawValue: request.replica)
        over.begin = request.begin
        over.firstToken = request.firstToken
        over.lastToken = request.lastToken
        over.promptTokens = request.planned.promptTokens
        over.requestedTokens = request.planned.outputTokens
        over.outputTokens = request.tokens
        over.preemptions = request.preemptions
        over.migrations = request.migrations
        onRequest(over)
    }
}
