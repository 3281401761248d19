// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit
internal import Scheduling
internal import Workloads

// The order of calls is that of the host's engine.
extension Simulation {
    mutating func happen(_ event: Event) {
        let replica = event.replica
        let id = ReplicaID(rawValue: replica)
        switch event.kind {
        case .nearlyDone(let number): planAhead(of: number, on: replica)
        case .stepDone: stepDone(on: replica)
        case .computeFree(let turn):
            guard replicas[replica].turn == turn else { return }
            if case .holding(let time) = replicas[replica].state {
                replicas[replica].state = .idle
                merge(for: time, on: replica)
            }
            compute(on: replica)
        case .built(let adapter, let time):
            fleet.copyBuilt(
                adapter, bytes: setup.costs.mergedBytes, time: time, on: id, at: now)
            advance(replica)
        case .loaded(let adapter, let bytes, let time):
            holders[Int(adapter.rawValue) - 1] += 1
            onEvent?(.loaded(adapter: Int(adapter.rawValue) - 1, replica: replica), now)
            let ended = fleet.adapterLoaded(adapter, bytes: bytes, time: time, on: id, at: now)
            for request in ended { end(request, .failed) }
            advance(replica)
            migrate()
        case .retry:
            replicas[replica].isRetrying = false
            advance(replica)
        case .solved(let ticket):
            if let plan = solutions.removeValue(forKey: ticket) {
                fleet.migrationSolved(ticket, plan, at: now)
            }
            migrate()
        case .arrived(let request):
            fleet.arrived(request, at: now)
            advance(replica)
        }
    }

    /// Carries out what the last event has made possible: loads, unloads, steps, merges.
    mutating func advance(_ replica: Int) {
        let id = ReplicaID(rawValue: replica)
        performActions(on: replica)
        if replicas[replica].steps.isEmpty {
            if let plan = fleet.planStep(on: id, at: now) {
                start(plan, on: replica)
            } else if fleet.isHoldingBack(id), !replicas[replica].isRetrying {
                replicas[replica].isRetrying = true
                events.add(.retry, on: replica, at: now.advanced(by: .milliseconds(1)))
            }
            performActions(on: replica)
        }
        performMerges(on: replica)
        tellAborted(on: replica)
    }

    private mutating func planAhead(of number: Int, on replica: Int) {
        guard replicas[replica].steps.count == 1, replicas[replica].steps[0].plan.number == number
        else { return }
        if let plan = fleet.planAhead(on: ReplicaID(rawValue: replica), at: now) {
            start(plan, on: replica)
        }
        performActions(on: replica)
        performMerges(on: replica)
        tellAborted(on: replica)
    }

    private mutating func tellAborted(on replica: Int) {
        for aborted in fleet.takeAborted(of: ReplicaID(rawValue: replica)) {
            end(aborted.id, .aborted)
        }
    }

    // MARK: - Adapters

    private mutating func performActions(on replica: Int) {
        for action in fleet.takeActions(of: ReplicaID(rawValue: replica)) {
            switch action {
            case .load(let adapter): load(adapter, on: replica)
            case .unload(let adapter):
                holders[Int(adapter.rawValue) - 1] -= 1
                onEvent?(.unloaded(adapter: Int(adapter.rawValue) - 1, replica: replica), now)
            }
        }
    }

    private mutating func load(_ adapter: AdapterID, on replica: Int) {
        let index = Int(adapter.rawValue) - 1
        let bytes = setup.adapters[index].bytes
        guard !(setup.sharesAdapters && holders[index] > 0) else {
            return events.add(.loaded(adapter, bytes: bytes, time: .zero), on: replica, at: now)
        }
        let loader = setup.sharesAdapters ? 0 : replica
        let time = setup.costs.loadTime(bytes: bytes)
        let end = max(now, replicas[loader].loaderFree).advanced(by: time)
        replicas[loader].loaderFree = end
        events.add(.loaded(adapter, bytes: bytes, time: time), on: replica, at: end)
    }

    // MARK: - Merged copies

    private mutating func performMerges(on replica: Int) {
        var isNew = false
        for action in fleet.takeMergeActions(of: ReplicaID(rawValue: replica)) {
            // A copy that is dropped takes no time.
            guard case .build(let adapter) = action else { continue }
            replicas[replica].jobs.append(.merge(adapter))
            isNew = true
        }
        if isNew { compute(on: replica) }
    }

    // MARK: - Steps

    private mutating func start(_ plan: StepPlan, on replica: Int) {
        tell(plan, on: replica)
        let gap = plan.isAhead ? .zero : Duration.simulated(seconds: setup.costs.gap)
        replicas[replica].steps.append(.init(plan: plan, begin: now.advanced(by: gap)))
        replicas[replica].jobs.append(.step(number: plan.number))
        compute(on: replica)
    }

    /// Lets the compute thread take its next job, unless it has something to do.
    private mutating func compute(on replica: Int) {
        switch replicas[replica].state {
        case .stepping, .holding: return
        case .merging(let since):
            replicas[replica].turn += 1
            merge(for: since.duration(to: now), on: replica)
            replicas[replica].state = .idle
        case .idle: break
        }
        while !replicas[replica].jobs.isEmpty {
            switch replicas[replica].jobs.removeFirst() {
            case .step(let number): return begin(number, on: replica)
            case .merge(let adapter):
                let isFirst = replicas[replica].merges < setup.replica.mergedCopies
                replicas[replica].merges += 1
                let whole =
                    (isFirst ? setup.costs.firstMergeTime : nil) ?? setup.costs.mergeTime
                replicas[replica].building = .init(
                    adapter: adapter, remaining: whole, whole: whole)
            }
        }
        guard let building = replicas[replica].building else { return }
        replicas[replica].state = .merging(since: now)
        events.add(
            .computeFree(turn: replicas[replica].turn), on: replica,
            at: now.advanced(by: building.remaining))
    }

    /// A merge has gone on for so long.
    private mutating func merge(for time: Duration, on replica: Int) {
        guard var building = replicas[replica].building else { return }
        building.remaining -= time
        replicas[replica].building = building.remaining > .zero ? building : nil
        if building.remaining <= .zero {
            events.add(.built(building.adapter, time: building.whole), on: replica, at: now)
        }
    }

    private mutating func begin(_ number: Int, on replica: Int) {
        guard let index = replicas[replica].steps.firstIndex(where: { $0.plan.number == number })
        else { return }
        var step = replicas[replica].steps[index]
        let cached = step.plan.entries.reduce(0) { $0 + $1.position }
        var seconds = setup.costs.seconds(
            of: step.plan.work, cachedTokens: cached, beside: replicasComputing(beside: replica))
        if setup.costs.noise > 0 {
            seconds *= max(0.1, 1 + setup.costs.noise * replicas[replica].random.normal())
        }
        step.begin = max(step.begin, now)
        step.time = .simulated(seconds: seconds)
        step.heldUp = replicas[replica].heldUp
        replicas[replica].heldUp = .zero
        replicas[replica].state = .stepping
        replicas[replica].steps[index] = step
        for entry in step.plan.entries {
            live.update(entry.id) { request in
                if request.begin == nil { request.begin = step.begin }
                if entry.position < request.computed { request.preemptions += 1 }
                request.computed = entry.position + entry.tokens
            }
        }
        let end = step.begin.advanced(by: step.time)
        let head = Duration.simulated(seconds: seconds * min(max(0, setup.costs.headShare), 1))
        events.add(
            .nearlyDone(step: number), on: replica,
            at: max(now, end.advanced(by: .zero - head)))
        let tokens = step.plan.entries.count(where: \.samples)
        let between = setup.costs.between + setup.costs.betweenPerToken * Double(tokens)
        events.add(
            .stepDone, on: replica, at: end.advanced(by: .simulated(seconds: between)))
    }

    /// How many replicas compute beside this one, where that makes a difference.
    private func replicasComputing(beside replica: Int) -> Int {
        guard setup.costs.contention > 0 || setup.costs.contentionPerStep > 0 else { return 0 }
        return replicas.indices.count { other in
            guard other != replica, case .stepping = replicas[other].state else { return false }
            return true
        }
    }

    private mutating func stepDone(on replica: Int) {
        let step = replicas[replica].steps.removeFirst()
        var outcome = StepOutcome(
            number: step.plan.number, stepTime: step.time, mergeTime: step.heldUp)
        count(step, on: replica, into: &outcome)
        leave(step.time, on: replica)
        let ended = fleet.complete(outcome, on: ReplicaID(rawValue: replica), at: now)
        advance(replica)
        for request in ended { end(request, .completed) }
        migrate()
    }

    /// The compute thread has ended a step: it goes on with a merge for a part of the step's time,
    /// or with the next job.
    private mutating func leave(_ time: Duration, on replica: Int) {
        replicas[replica].state = .idle
        guard let building = replicas[replica].building else { return compute(on: replica) }
        let share = Duration.simulated(seconds: time.inSeconds * setup.costs.mergeShare)
        let held = min(building.remaining, share)
        guard held > .zero else { return compute(on: replica) }
        replicas[replica].heldUp = held
        replicas[replica].state = .holding(for: held)
        replicas[replica].turn += 1
        events.add(
            .computeFree(turn: replicas[replica].turn), on: replica, at: now.advanced(by: held))
    }

    /// Gives requests their tokens; who has all is finished, and left out of a step that was planned
    /// before that was known.
    private mutating func count(
        _ step: SimulatedReplica.Handed, on replica: Int, into outcome: inout StepOutcome
    ) {
        let moment = now
        for entry in step.plan.entries where entry.samples {
            var (isOver, isLast) = (true, false)
            live.update(entry.id) { request in
                isOver = request.tokens >= request.planned.outputTokens
                if isOver { return }
                request.tokens += 1
                if request.firstToken == nil { request.firstToken = moment }
                request.lastToken = moment
                isLast = request.tokens >= request.planned.outputTokens
            }
            if setup.requestedTokens == nil, setup.start.details.isEmpty { continue }
            if isOver { outcome.dropped.insert(entry.id) }
            if isLast { outcome.finished.append(entry.id) }
        }
        summary.steps += 1
        replicas[replica].modes.add(step.time, in: step.plan.mode)
        summary.timeline.add(step.plan.mode, from: step.begin, for: step.time)
        guard let onStep else { return }
        onStep(
            SimulatedStep(
                replica: ReplicaID(rawValue: replica), number: step.plan.number,
                mode: step.plan.mode, begin: step.begin, time: step.time,
                requests: step.plan.entries.count, work: step.plan.work))
    }
}

extension Duration {
    /// So many seconds in whole nanoseconds, at least none and at most 292 years.
    static func simulated(seconds: Double) -> Duration {
        .nanoseconds(Int64(min(max(0, seconds * 1e9), 9e18)))
    }
}
