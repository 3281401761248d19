// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// A step that was handed out, as it was planned.
struct StepInFlight {
    struct Entry {
        var id: RequestID
        var tokens: Int
        var samples: Bool
        var drafts = 0
    }

    var number: Int
    var start: Instant
    var mode: BatchMode
    var entries: [Entry] = []
    var served: [RequestSnapshot] = []
    var displaced: [RequestSnapshot] = []
    var advanced: [RequestSnapshot] = []
    var work = StepWork()

    /// The tokens that it might have computed at most, where requests that decode waited for it.
    var tokenLimit: Int?

    /// In mixed mode, the rank of the merged adapter, whose path is taken off the rows of others.
    var correctedRank = 0

    /// Whether the requests stand as they will when it has ended.
    var isAssumed = false

    var hasDrafts: Bool { entries.contains { $0.drafts > 0 } }
}

extension ReplicaScheduler {
    /// Takes the pages of a checked plan and hands it out.
    mutating func launch(_ chosen: ChosenPlan, at now: Instant) -> StepPlan? {
        guard !chosen.plan.entries.isEmpty else { return nil }
        stepNumber += 1
        let mode = possibleMode(chosen.plan.mode)
        if let adapter = chosen.plan.prepares { prepare(adapter) }
        var step = StepInFlight(number: stepNumber, start: now, mode: mode)
        var plan = StepPlan(number: stepNumber, mode: mode, entries: [], start: now)
        plan.entries.reserveCapacity(chosen.plan.entries.count)
        step.entries.reserveCapacity(chosen.plan.entries.count)
        step.served.reserveCapacity(chosen.plan.entries.count)
        if backlog.decoding > 0 { step.tokenLimit = chosen.limits.tokens }
        if case .mixed(let adapter) = mode {
            step.correctedRank = residency.description(of: adapter)?.rank ?? 0
            step.work.distinctRanks = step.correctedRank
        }
        if !chosen.isArrivalOrder { compareWithArrivalOrder(chosen, into: &step, at: now) }
        for entry in chosen.plan.entries {
            let slot = queue.slot(at: chosen.order[entry.index])
            plan.entries.append(launch(slot, tokens: entry.tokens, in: &step, at: now))
        }
        step.work.isMerged = mode != .unmerged
        plan.work = step.work
        if let merged = mode.mergedAdapter { residency.hold(merged) }
        if mode.mergedAdapter != self.mode.mergedAdapter { counters.switches += 1 }
        self.mode = mode
        timeline.note(mode, at: now)
        plan.isAhead = !inFlight.isEmpty
        if plan.isAhead { counters.aheadSteps += 1 }
        inFlight.append(step)
        return plan
    }

    private mutating func launch(
        _ slot: Int, tokens: Int, in step: inout StepInFlight, at now: Instant
    ) -> StepEntry {
        let request = queue.snapshot(slot)
        let isFirstRun = !queue.record(slot).hasBegun
        guard let held = pages.extend(request.id, to: request.computedTokens + tokens) else {
            preconditionFailure(
                "a checked plan needs \(tokens) tokens of request \(request.id.rawValue), "
                    + "\(pages.freePages) pages are free")
        }
        noteLaunch(of: request, tokens: tokens, mode: step.mode)
        noteUndivided(request)
        if isFirstRun {
            counters.began += 1
            countPrefix(of: request)
        }
        queue.update(slot) { _, record in
            record.hasBegun = true
            record.lastStep = step.number
        }
        let touched = residency.touch(
            request.adapter, step: step.number, isFirstRun: isFirstRun, at: now)
        ledger.launched(request.adapter, step: step.number, at: now)
        step.count(request, tokens: tokens, rank: touched.rank, isFirst: touched.isFirstInStep)
        let samples = tokens == request.pendingTokens
        step.entries.append(.init(id: request.id, tokens: tokens, samples: samples))
        step.served.append(request)
        return StepEntry(
            id: request.id, adapter: request.adapter, position: request.computedTokens,
            tokens: tokens, pages: held, samples: samples)
    }

    /// Finds who runs in place of whom, had requests been served as they came under these limits.
    private mutating func compareWithArrivalOrder(
        _ chosen: ChosenPlan, into step: inout StepInFlight, at now: Instant
    ) {
        let requests = queue.snapshots
        var fair = BatchPlan()
        let context = BatchingContext(now: now, limits: chosen.limits)
        try? FirstComeFirstServedBatching().plan(requests.span, in: context, into: &fair)
        marks.clear(count: requests.count)
        for entry in fair.entries { _ = marks.mark(entry.index) }
        for entry in chosen.plan.entries where !marks.isMarked(chosen.order[entry.index]) {
            step.advanced.append(requests[chosen.order[entry.index]])
        }
        marks.clear(count: requests.count)
        for entry in chosen.plan.entries { _ = marks.mark(chosen.order[entry.index]) }
        for entry in fair.entries where !marks.isMarked(entry.index) {
            step.displaced.append(requests[entry.index])
        }
    }

    // MARK: - Outcome

    /// Takes note of what the step under way has done.
    ///
    /// - Returns: the requests that are gone with it: those named as finished, those that have all
    ///   the tokens they may have, and those that were cancelled meanwhile; who is also part of a
    ///   step planned ahead is gone with that one. None where the number is not that of the step
    ///   under way.
    package mutating func complete(_ outcome: StepOutcome, at now: Instant) -> [RequestID] {
        guard inFlight.first?.number == outcome.number else { return [] }
        assume(accepted: outcome.accepted)
        guard let step = takeStep(at: now) else { return [] }
        enterService(of: step, outcome, at: now)
        sharePages(of: step, outcome)
        for entry in step.entries { count(entry, outcome) }
        var ended: [RequestID] = []
        for id in outcome.finished {
            guard let slot = queue.slot(of: id) else { continue }
            countFinished(queue.snapshot(slot))
            if isInFlight(slot) {
                depart([slot], .ended)
            } else {
                remove([slot], at: now)
                ended.append(id)
            }
        }
        ended += release(step, at: now)
        observe(step, outcome, at: now)
        enterDemand(at: now)
        return ended
    }

    private mutating func takeStep(at now: Instant) -> StepInFlight? {
        guard !inFlight.isEmpty else { return nil }
        let step = inFlight.removeFirst()
        if !inFlight.isEmpty { inFlight[0].start = now }
        enterEnd(of: step, at: now)
        if let merged = step.mode.mergedAdapter {
            residency.letGo(merged, at: now)
            forgetRetired()
            takeGrants()
        }
        return step
    }

    private mutating func count(_ entry: StepInFlight.Entry, _ outcome: StepOutcome) {
        if outcome.dropped.contains(entry.id) { return }
        let departure = departing[entry.id]
        if departure?.cause == .ended {
            counters.wastedTokens += entry.tokens
        } else if entry.samples {
            let accepted = entry.accepted(outcome.accepted)
            counters.generatedTokens += 1 + accepted
            counters.draftTokens += entry.drafts
            counters.acceptedTokens += accepted
            preemptionsSinceToken = 0
        }
        if let departure, departure.cause == .complete { countFinished(departure.snapshot) }
    }

    /// The step under way came to nothing: its requests end. A step planned ahead of its end is
    /// withdrawn: it must not run, and who is part of that one only is computed again.
    ///
    /// - Returns: the requests that ended.
    package mutating func failStep(_ number: Int, at now: Instant) -> [RequestID] {
        guard inFlight.first?.number == number, let step = takeStep(at: now) else { return [] }
        var leaving: [Int] = []
        var ended: [RequestID] = []
        for entry in step.entries {
            if let slot = queue.slot(of: entry.id) {
                leaving.append(slot)
                ended.append(entry.id)
                counters.failed += 1
            } else if departing[entry.id]?.cause == .complete {
                counters.failed += 1
            }
        }
        remove(leaving, at: now)
        if let next = takeStep(at: now) {
            ended += release(next, at: now)
            for entry in next.entries {
                if let slot = queue.slot(of: entry.id) { preempt(slot) }
            }
        }
        return ended + release(step, at: now)
    }

    private mutating func observe(
        _ step: StepInFlight, _ outcome: StepOutcome, at now: Instant
    ) {
        // A step that ran without some of its rows teaches nothing about what was planned.
        if outcome.dropped.isEmpty {
            costs.steps.observe(step.work, took: outcome.stepTime)
        }
        observeStall(step, outcome)
        counters.count(step, outcome)
        var observation = StepObservation(
            start: step.start, stepTime: outcome.stepTime, mode: step.mode,
            served: step.served.filter { !outcome.dropped.contains($0.id) })
        observation.servedTokens = step.entries.filter { !outcome.dropped.contains($0.id) }
            .map { $0.tokens - $0.drafts + $0.accepted(outcome.accepted) }
        observation.mergeTime = outcome.mergeTime
        observation.work = step.work
        observation.promptTokens = step.work.promptTokens
        observation.decodeTokens = step.work.decodeTokens - outcome.dropped.count
        var call = batching.begin(at: now)
        call.policy.observe(observation)
        batching.returned(&call)
        recorder?.append(.observation(observation, isBuiltIn: call.isBuiltIn))
        batching.settle(call, at: now)
        let settlement = ServiceSettlement(
            now: now, step: observation, displaced: step.displaced, advanced: step.advanced)
        var settling = fairness.begin(at: now)
        settling.policy.settle(settlement)
        fairness.returned(&settling)
        recorder?.append(.settlement(settlement, isBuiltIn: settling.isBuiltIn))
        fairness.settle(settling, at: now)
    }
}

extension StepInFlight {
    /// Adds a request's share to the features of the step.
    fileprivate mutating func count(
        _ request: RequestSnapshot, tokens: Int, rank: Int, isFirst: Bool
    ) {
        work.addRows(of: request, tokens: tokens)
        guard request.adapter != mode.mergedAdapter else { return }
        work.rankTokens += tokens * (rank + correctedRank)
        if isFirst { work.distinctRanks += rank }
    }

    /// Adds rows that verify drafts behind the request's own.
    mutating func count(drafts: Int, of request: RequestSnapshot, rank: Int) {
        work.decodeTokens += drafts
        work.attendedTokens +=
            drafts * (request.computedTokens + 1) + drafts * (drafts + 1) / 2
        guard request.adapter != mode.mergedAdapter else { return }
        work.rankTokens += drafts * (rank + correctedRank)
    }
}

extension ReplicaCounters {
    fileprivate mutating func count(_ step: StepInFlight, _ outcome: StepOutcome) {
        switch step.mode {
        case .unmerged:
            unmergedSteps += 1
            unmergedTime += outcome.stepTime
        case .merged:
            mergedSteps += 1
            mergedTime += outcome.stepTime
        case .mixed:
            mixedSteps += 1
            mixedTime += outcome.stepTime
        }
        stepTime += outcome.stepTime
        mergeTime += outcome.mergeTime
        promptTokens += step.work.promptTokens
    }
}
