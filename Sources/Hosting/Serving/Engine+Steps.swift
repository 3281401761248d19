// SPDX-License-Identifier: Apache-2.0

internal import HTTPServing
internal import Inference
internal import Logging
internal import PolicyKit
internal import Scheduling

extension Engine {
    /// Plans the step after the one that is nearly done, so that it lies ready when that is.
    func planAhead(of number: Int, on replica: Int) {
        let compute = replicas[replica]
        // What a sequence may guess is known only when its step has ended.
        guard compute.plans.count == 1, compute.plans[0].number == number,
            !compute.plans[0].entries.contains(where: { sequences[$0.id]?.speculates == true })
        else { return }
        let id = ReplicaID(rawValue: replica)
        if let plan = fleet.planAhead(on: id, at: Self.now) { start(plan, on: replica) }
        noteAborts(on: id)
        performActions(on: id)
        performMerges(on: id)
        passRecords(of: replica)
    }

    /// Lets the sequences of a replica that speculate guess what comes next.
    ///
    /// - Returns: how many tokens each has guessed.
    func guess(on replica: Int) -> [RequestID: Int] {
        var drafts: [RequestID: Int] = [:]
        for id in speculating {
            guard let sequence = sequences[id], sequence.generatedCount > 0,
                fleet.replica(of: id)?.rawValue == replica
            else { continue }
            drafts[id] = sequence.guess()
        }
        return drafts
    }

    /// Hands a planned step to the replica's compute thread.
    func start(_ plan: StepPlan, on replica: Int) {
        let compute = replicas[replica]
        var job = StepJob(number: plan.number, isAhead: plan.isAhead)
        job.followsAtOnce = !compute.wasIdle
        compute.wasIdle = false
        acknowledge(replica)
        do throws(InferenceError) {
            job.rows = try rows(of: plan)
            job.weights = try weights(for: plan.mode.mergedAdapter, on: replica)
        } catch {
            job.fault = error
        }
        compute.start(plan, job)
    }

    private func rows(of plan: StepPlan) throws(InferenceError) -> [StepRow] {
        var rows: [StepRow] = []
        rows.reserveCapacity(plan.entries.count)
        for entry in plan.entries {
            let end = entry.position + entry.tokens - entry.drafts
            // The last token of a row may be one that the step under way has yet to draw.
            guard let sequence = sequences[entry.id],
                end <= sequence.tokens.count + (plan.isAhead ? 1 : 0),
                entry.drafts <= sequence.draft.count
            else {
                throw InferenceError(
                    .invalidStep, "request \(entry.id.rawValue) has no such tokens")
            }
            if sequence.firstStep == nil {
                sequence.firstStep = plan.start
                sequence.cachedTokens = entry.position
            }
            let known = min(end, sequence.tokens.count)
            var row = StepRow(
                chunk: SequenceChunk(
                    tokens: Array(sequence.tokens[entry.position..<known])
                        + Array(sequence.draft.prefix(entry.drafts)),
                    position: entry.position, pages: entry.pages,
                    adapters: adapterUses(
                        of: entry.adapter, mergedOn: plan.mode.mergedAdapter),
                    logitRows: entry.samples ? entry.drafts + 1 : 0),
                sampler: sequence.sampler)
            if sequence.generation.job.isGated, let mixture = sequence.generation.job.mixture {
                row.chunk.gating = ChunkGating(
                    promptTokens: sequence.promptCount, masked: mixture.masked)
            }
            row.endsWithDrawn = end > known
            row.drafts = entry.drafts
            rows.append(row)
        }
        return rows
    }

    /// What is added to the weights for rows of `adapter`: nothing where they are merged on it,
    /// its own update otherwise, and the merged adapter's update taken away again.
    private func adapterUses(
        of adapter: AdapterID, mergedOn merged: AdapterID?
    ) -> [AdapterUse] {
        guard adapter != merged else { return [] }
        var uses: [AdapterUse] = []
        if let merged, let resident = residents[merged] {
            uses.append(AdapterUse(resident.packed, factor: -1))
        }
        if let resident = residents[adapter] {
            uses.append(AdapterUse(resident.packed))
        }
        return uses
    }

    private func weights(
        for merged: AdapterID?, on replica: Int
    ) throws(InferenceError) -> StepWeights {
        guard let merged else { return .base }
        guard let copy = replicas[replica].merged[merged] else {
            throw InferenceError(.invalidStep, "there is no merged copy for it")
        }
        return .merged(copy)
    }

    /// A compute thread has answered.
    func stepEnded(on replica: Int, _ result: StepResult) {
        let compute = replicas[replica]
        guard let plan = compute.plans.first, plan.number == result.number else { return }
        compute.plans.removeFirst()
        switch result.output {
        case .success(let output): settle(plan, on: replica, output, result)
        case .failure(let error):
            if !error.isWithdrawal {
                log.error("step \(plan.number) of replica \(replica) failed: \(error)")
            }
            let ended = fleet.failStep(
                plan.number, on: ReplicaID(rawValue: replica), at: Self.now)
            fail(ended, APIError(.internalError, "The forward pass failed: \(error)."))
        }
    }

    private func settle(
        _ plan: StepPlan, on replica: Int, _ output: DrawnStep, _ result: StepResult
    ) {
        let now = Self.now
        var outcome = StepOutcome(
            number: plan.number, stepTime: output.times.total, mergeTime: result.mergeTime)
        let deltas = take(output, of: plan, on: replica, into: &outcome, at: now)
        observeStep(plan, on: replica, shown: deltas, outcome, result)
        outcome.dropped = Set(output.dropped.map { plan.entries[$0].id })
        for index in output.gateFaults.keys {
            // What was computed is of no use, to others least of all.
            outcome.dropped.insert(plan.entries[index].id)
            outcome.finished.append(plan.entries[index].id)
        }
        for (sequence, delta) in deltas { outcome.tokens[sequence.id] = delta.tokens }
        let ended = fleet.complete(outcome, on: ReplicaID(rawValue: replica), at: now)
        for (index, fault) in output.gateFaults.sorted(by: { $0.key < $1.key }) {
            log.error("step \(plan.number) of replica \(replica): \(fault)")
            fail([plan.entries[index].id], APIError(.internalError, "\(fault)."))
        }
        // The next step is handed over before anything is written, where it could not be before.
        advance(replica)
        // Sinks are told after the books are in order: they may submit and cancel.
        for (sequence, delta) in deltas where !sequence.isAbandoned {
            sequence.generation.sink(.delta(delta))
        }
        for id in ended { end(id, at: now) }
        // A client need not wait for a step that was planned before its text was found to end.
        for id in outcome.finished { end(id, at: now) }
    }

    /// Gives the sequences of a step what was drawn for them.
    ///
    /// - Returns: what it adds to each; what is drawn for a sequence that has ended meanwhile is not
    ///   shown.
    private func take(
        _ output: DrawnStep, of plan: StepPlan, on replica: Int, into outcome: inout StepOutcome,
        at now: Instant
    ) -> [(sequence: LiveSequence, delta: ChoiceDelta)] {
        var deltas: [(sequence: LiveSequence, delta: ChoiceDelta)] = []
        for (index, entry) in plan.entries.enumerated() where output.gateFaults[index] == nil {
            guard let sequence = sequences[entry.id] else { continue }
            let means = output.gateMeans[index]
            if !means.isEmpty { sequence.weighed(means, over: entry.tokens) }
            guard let drawn = output.drawn[index] else { continue }
            let delta = sequence.take(drawn)
            observeToken(of: sequence, on: replica, at: now)
            if delta.finish != nil {
                outcome.finished.append(entry.id)
                observeGate(of: sequence)
            }
            if entry.drafts > 0 { outcome.accepted[entry.id] = max(0, delta.tokens.count - 1) }
            deltas.append((sequence, delta))
        }
        return deltas
    }
}
