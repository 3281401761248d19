// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

// What a migration policy proposes, checked, and carried out request by request: each move is whole or
// does not happen, so that a plan may end anywhere.
extension Fleet {
    package var migrationStatus: PolicyStatus { migration.policy.status }
    package var migrationCounters: MigrationCounters { migration.counters }

    /// Whether a plan is being solved or carried out.
    package var isMigrating: Bool { !migration.isIdle }

    /// Asks the policy whether something should move; the caller does so after events, and then calls
    /// ``advanceMoves(at:)``.
    ///
    /// - Returns: what must be solved elsewhere and reported to ``migrationSolved(_:_:at:)``.
    package mutating func considerMigration(at now: Instant) -> MigrationTask? {
        guard replicas.count > 1, migration.isIdle, migration.policy.chosen != nil,
            now >= migration.nextCheck
        else { return nil }
        migration.nextCheck = now.advanced(by: migration.rules.checkInterval)
        board.refresh(from: &replicas)
        var call = migration.policy.begin(at: now)
        let isDue = call.policy.isDue(among: board.snapshots.span, at: now)
        migration.policy.returned(&call)
        migration.policy.settle(call, at: now)
        return isDue ? propose(at: now) : nil
    }

    private mutating func propose(at now: Instant) -> MigrationTask? {
        let fleet = snapshot(withRequests: true, at: now)
        var fault: (PolicyFault, String)?
        var proposal = MigrationProposal.none
        var call = migration.policy.begin(at: now)
        do throws(PolicyError) {
            proposal = try call.policy.propose(for: fleet)
            migration.policy.returned(&call)
            if case .plan(let plan) = proposal, let error = plan.violation(in: fleet) {
                fault = (.badAnswer, error.description)
            }
        } catch {
            migration.policy.returned(&call)
            fault = (.threw, error.description)
        }
        migration.policy.settle(call, fault: fault, at: now)
        if fault != nil { return nil }
        switch proposal {
        case .none: return nil
        case .plan(let plan):
            begin(plan, solvedIn: .zero, at: now)
            return nil
        case .solve(let solve):
            migration.tickets += 1
            migration.stage = .solving(.init(ticket: migration.tickets, fleet: fleet))
            return MigrationTask(ticket: migration.tickets, solve: solve)
        @unknown default: return nil
        }
    }

    /// A task has been solved, or could not be. The plan is dropped where the fleet has outrun it:
    /// where it took too long, or half of what it moves is no longer there.
    package mutating func migrationSolved(
        _ ticket: Int, _ result: Result<MigrationPlan, PolicyError>, at now: Instant
    ) {
        guard case .solving(let solving) = migration.stage, solving.ticket == ticket else { return }
        migration.stage = .idle
        let time = solving.fleet.now.duration(to: now)
        switch result {
        case .failure(let error):
            migration.counters.failedSolves += 1
            migration.policy.strike(.threw, error.description, at: now)
        case .success(let plan):
            if let error = plan.violation(in: solving.fleet) {
                migration.policy.strike(.badAnswer, error.description, at: now)
                return
            }
            if isStale(plan, after: time) {
                migration.counters.plans += 1
                migration.counters.stalePlans += 1
                note(solvingTime: time)
                var outcome = MigrationOutcome()
                outcome.solvingTime = time
                outcome.isStale = true
                outcome.skipped = plan.requests.count
                return report(outcome, at: now)
            }
            begin(plan, solvedIn: time, at: now)
        }
    }

    private func isStale(_ plan: MigrationPlan, after time: Duration) -> Bool {
        if time > migration.rules.staleAfter { return true }
        let gone = plan.requests.count { routes[$0.request] != $0.source.rawValue }
        return gone > 0 && 2 * gone >= plan.requests.count
    }

    private mutating func note(solvingTime time: Duration) {
        migration.counters.solvingTime += time
        migration.counters.longestSolving = max(migration.counters.longestSolving, time)
    }

    private mutating func begin(
        _ plan: MigrationPlan, solvedIn time: Duration, at now: Instant
    ) {
        if !plan.isEmpty { migration.counters.plans += 1 }
        note(solvingTime: time)
        var moving = FleetMigration.Moving(
            plan: plan, pending: plan.requests.map { .init(move: $0) },
            deadline: now.advanced(by: migration.rules.patience))
        moving.outcome.solvingTime = time
        for move in plan.adapters where move.kind == .load {
            place(move.adapter, on: move.replica.rawValue, at: now)
        }
        migration.stage = .moving(moving)
    }

    // MARK: - Moving

    /// Moves what can move now; the caller does so whenever a step has ended or an adapter was loaded.
    package mutating func advanceMoves(at now: Instant) {
        guard case .moving(var moving) = migration.stage else { return }
        var waiting: [FleetMigration.PendingMove] = []
        for var pending in moving.pending {
            switch advance(&pending, isLate: now >= moving.deadline, at: now) {
            case .waits: waiting.append(pending)
            case .skipped: moving.outcome.skipped += 1
            case .moved(let way): moving.outcome.count(way)
            }
        }
        moving.pending = waiting
        migration.stage = .moving(moving)
        if waiting.isEmpty { endMoves(at: now) }
    }

    /// Ends a plan that is being carried out: what has moved stays where it is now, all else where it
    /// was.
    package mutating func abandonMoves(at now: Instant) {
        guard case .moving(var moving) = migration.stage else { return }
        for pending in moving.pending where pending.isHeld {
            resume(pending.move.request, at: now)
        }
        moving.outcome.skipped += moving.pending.count
        moving.pending = []
        migration.stage = .moving(moving)
        endMoves(at: now)
    }

    private enum Progress {
        case waits
        case skipped
        case moved(CompletedMove.Way)
    }

    private mutating func advance(
        _ pending: inout FleetMigration.PendingMove, isLate: Bool, at now: Instant
    ) -> Progress {
        let move = pending.move
        let (source, target) = (move.source.rawValue, move.target.rawValue)
        guard routes[move.request] == source,
            let request = replicas[source].snapshot(of: move.request)
        else { return .skipped }
        if isLate { return stay(pending, at: now) }
        if !pending.isHeld {
            switch readiness(of: request, on: target, &pending, at: now) {
            case .ready: break
            case .loading: return .waits
            case .hopeless: return stay(pending, at: now)
            }
            pending.isHeld = change(source, at: now) { $0.hold(move.request) }
        }
        guard replicas[source].isAtRest(move.request) else { return .waits }
        guard let way = transfer(move.request, from: source, to: target, at: now) else {
            return stay(pending, at: now)
        }
        return .moved(way)
    }

    private mutating func stay(
        _ pending: FleetMigration.PendingMove, at now: Instant
    ) -> Progress {
        if pending.isHeld { resume(pending.move.request, at: now) }
        return .skipped
    }

    private mutating func resume(_ request: RequestID, at now: Instant) {
        guard let replica = routes[request] else { return }
        migration.touched.insert(replica)
        change(replica, at: now) { $0.resume(request) }
    }

    /// Whether a request may go to its target.
    private enum Readiness {
        case ready
        /// Its adapter is on the way.
        case loading
        /// There is no room for its adapter.
        case hopeless
    }

    /// Whether a request's adapter lies on the target; it goes on where it is until then. One that
    /// holds nothing may wait there just as well.
    private mutating func readiness(
        of request: RequestSnapshot, on target: Int,
        _ pending: inout FleetMigration.PendingMove, at now: Instant
    ) -> Readiness {
        switch replicas[target].residency.state(of: request.adapter) {
        case .resident: return .ready
        case .loading: return .loading
        case .absent:
            if !pending.hasAsked {
                pending.hasAsked = true
                if place(request.adapter, on: target, at: now) { return .loading }
            }
            return request.computedTokens == 0 ? .ready : .hopeless
        }
    }

    private mutating func endMoves(at now: Instant) {
        guard case .moving(let moving) = migration.stage else { return }
        migration.stage = .idle
        for move in moving.plan.adapters where move.kind == .unload {
            displace(move.adapter, from: move.replica.rawValue, at: now)
        }
        migration.counters.skipped += moving.outcome.skipped
        report(moving.outcome, at: now)
    }

    private mutating func report(_ outcome: MigrationOutcome, at now: Instant) {
        var call = migration.policy.begin(at: now)
        call.policy.observe(outcome, at: now)
        migration.policy.returned(&call)
        migration.policy.settle(call, at: now)
    }
}

extension MigrationOutcome {
    fileprivate mutating func count(_ way: CompletedMove.Way) {
        switch way {
        case .handover: handedOver += 1
        case .recompute: recomputed += 1
        case .waiting: waiting += 1
        }
    }
}
