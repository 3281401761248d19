// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import HTTPServing
internal import Inference
internal import Logging
internal import PolicyKit
internal import Scheduling

/// What was last reported of a policy, to tell what is new.
struct PolicyReport {
    var calls = 0
    var time = Duration.zero
    var strikes = 0
    var fallBacks = 0
}

// What the engine tells metrics and log.
extension Engine {
    func observeToken(of sequence: LiveSequence, on replica: Int, at now: Instant) {
        let generation = sequence.generation
        if let last = sequence.lastToken {
            let gap = last.duration(to: now)
            tokenGaps.note(gap)
            metrics.laterToken(replica: replica, after: gap)
        } else if generation.firstToken == nil {
            generation.firstToken = now
            metrics.firstToken(
                replica: replica, adapter: adapterLabel(generation.job.adapter),
                after: generation.arrival.duration(to: now))
        }
        sequence.lastToken = now
        generation.lastToken = now
    }

    /// A choice of a mixture has ended.
    func observeGate(of sequence: LiveSequence) {
        let job = sequence.generation.job
        guard job.isGated, let weights = sequence.gate else { return }
        metrics.gateWeighed(mixture: job.model, weights.map { ($0.expert, $0.weight) })
    }

    func observeStep(
        _ plan: StepPlan, on replica: Int,
        shown: [(sequence: LiveSequence, delta: ChoiceDelta)], _ outcome: StepOutcome,
        _ result: StepResult
    ) {
        let compute = replicas[replica]
        var tokens: [AdapterID: CompletedStep.AdapterTokens] = [:]
        for entry in plan.entries {
            let isDecode =
                entry.tokens == entry.drafts + 1
                && entry.position >= (sequences[entry.id]?.promptCount ?? 0)
            tokens[
                entry.adapter,
                default: .init(adapter: adapterLabel(entry.adapter), prompt: 0, generated: 0)
            ].prompt += isDecode ? 0 : entry.tokens
        }
        for (sequence, delta) in shown {
            tokens[sequence.generation.job.adapter]?.generated += delta.tokens.count
        }
        let counters = fleet[ReplicaID(rawValue: replica)].counters
        var step = CompletedStep(
            replica: replica, duration: outcome.stepTime, overhead: result.overhead,
            tokens: tokens.values.sorted { ($0.adapter ?? "") < ($1.adapter ?? "") },
            preemptions: counters.preemptions - compute.reportedPreemptions)
        step.isAhead = plan.isAhead
        step.discarded = counters.wastedTokens - compute.reportedWaste
        for entry in plan.entries where entry.drafts > 0 {
            step.drafts += 1
            step.draftTokens += entry.drafts
            step.acceptedTokens += outcome.accepted[entry.id] ?? 0
        }
        compute.reportedPreemptions = counters.preemptions
        compute.reportedWaste = counters.wastedTokens
        metrics.stepCompleted(step)
        onStep?(
            ServedStep(
                work: plan.work, cachedTokens: plan.entries.reduce(0) { $0 + $1.position },
                time: outcome.stepTime,
                others: replicas.indices.count { $0 != replica && replicas[$0].isBusy }))
        metrics.ranUnmergedInstead(
            replica: replica, steps: counters.unmergedInstead - compute.reportedUnmerged)
        compute.reportedUnmerged = counters.unmergedInstead
        let mode = ReplicaMode(plan.mode)
        if mode != compute.mode || plan.mode.mergedAdapter != compute.mergedOn {
            metrics.modeSwitched(ModeSwitch(replica: replica, from: compute.mode, to: mode))
            compute.mode = mode
            compute.mergedOn = plan.mode.mergedAdapter
        }
    }

    func observeReplica(_ replica: Int) {
        let scheduler = fleet[ReplicaID(rawValue: replica)]
        let compute = replicas[replica]
        if !compute.isBusy { compute.wasIdle = true }
        var load = ReplicaLoad(
            replica: replica, running: scheduler.runningRequests,
            waiting: scheduler.backlog.waiting, pagesUsed: scheduler.pages.usedPages,
            pagesFree: scheduler.pages.freePages, wastedTokens: scheduler.pages.wastedTokens,
            mode: compute.mode)
        load.pagesCached = scheduler.pages.cachedPages
        load.prefixQueryTokens = scheduler.counters.prefixQueryTokens
        load.prefixHitTokens = scheduler.counters.prefixHitTokens
        load.tokenLimit = scheduler.tokenLimit
        load.stepsOverStallBudget = scheduler.counters.stepsOverStallBudget
        metrics.replicaChanged(load)
        for status in scheduler.policyStatuses { report(status, replica: replica) }
        report(fleet.dispatchStatus, replica: 0)
    }

    func observeEnd(of generation: Generation, at now: Instant) {
        let begun = generation.sequences.compactMap(\.firstStep).min()
        var finished = FinishedRequest(
            replica: generation.replica, adapter: adapterLabel(generation.job.adapter),
            reason: generation.reason, total: generation.arrival.duration(to: now),
            queued: generation.arrival.duration(to: begun ?? now))
        if let begun, let first = generation.firstToken {
            finished.prefill = begun.duration(to: first)
            finished.decode = first.duration(to: generation.lastToken ?? first)
        }
        finished.promptTokens = generation.job.prompts.reduce(0) { $0 + $1.count }
        finished.generatedTokens = generation.sequences.reduce(0) { $0 + $1.generatedCount }
        finished.choices = generation.job.choicesPerPrompt
        finished.maxTokens = generation.job.maximumTokens
        metrics.requestFinished(finished)
        let adapter = generation.job.adapter
        workload?.ended(generation, adapter: adapter.isBase ? nil : name(of: adapter))
        complete(generation)
    }

    /// The body of `/metrics`.
    package func exposition() -> [UInt8] {
        countShadow()
        var running: Set<String> = []
        var waiting: Set<String> = []
        for sequence in sequences.values {
            guard let name = adapterLabel(sequence.generation.job.adapter) else { continue }
            if sequence.firstStep == nil { waiting.insert(name) } else { running.insert(name) }
        }
        metrics.adaptersInUse(
            running: running.sorted(), waiting: waiting.sorted(),
            unixTime: Date().timeIntervalSince1970)
        for (index, replica) in fleet.replicas.enumerated() {
            metrics.replicaMeasured(ReplicaFigures(of: replica, at: index, now: Self.now))
        }
        metrics.fleetMeasured(fleet.migrationCounters)
        return metrics.exposition()
    }

    /// The adapter's name; `nil` for the base.
    func adapterLabel(_ id: AdapterID) -> String? {
        id.isBase ? nil : catalog[id]?.name
    }

    func report(_ status: PolicyStatus, replica: Int) {
        let key = "\(replica)/\(status.kind.rawValue)"
        var report = reported[key] ?? PolicyReport()
        guard status.calls != report.calls || status.strikes != report.strikes else { return }
        metrics.policyWorked(
            PolicyWork(
                kind: status.kind.rawValue, instance: status.name,
                calls: status.calls - report.calls, time: status.time - report.time,
                strikes: status.strikes - report.strikes))
        if status.strikes > report.strikes, let strike = status.lastStrike {
            log.warning(
                """
                \(status.kind.rawValue) policy '\(status.name)' \(strike.fault.rawValue): \
                \(strike.message)
                """)
        }
        if status.fallBacks > report.fallBacks {
            log.error(
                """
                \(status.kind.rawValue) policy '\(status.name)' is set aside after its strikes; \
                the built-in default takes over
                """)
        }
        report = PolicyReport()
        report.calls = status.calls
        report.time = status.time
        report.strikes = status.strikes
        report.fallBacks = status.fallBacks
        reported[key] = report
    }
}

nonisolated extension ReplicaMode {
    init(_ mode: BatchMode) {
        switch mode {
        case .unmerged: self = .unmerged
        case .merged: self = .merged
        case .mixed: self = .mixed
        }
    }
}
