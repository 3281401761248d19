// SPDX-License-Identifier: Apache-2.0

internal import HTTPServing
internal import Inference
internal import Logging
internal import PolicyKit
internal import Scheduling

extension Engine {
    /// Hands a planned step to the replica's compute thread.
    func start(_ plan: StepPlan, on replica: Int) {
        let merged = plan.mode.mergedAdapter
        var chunks: [SequenceChunk] = []
        chunks.reserveCapacity(plan.entries.count)
        for entry in plan.entries {
            guard let sequence = sequences[entry.id] else {
                return abandon(plan, on: replica, "request \(entry.id.rawValue) is not known")
            }
            if sequence.firstStep == nil { sequence.firstStep = plan.start }
            chunks.append(
                SequenceChunk(
                    tokens: Array(sequence.tokens[entry.position..<entry.position + entry.tokens]),
                    position: entry.position, pages: entry.pages,
                    adapters: adapterUses(of: entry.adapter, mergedOn: merged),
                    wantsLogits: entry.samples))
        }
        guard let weights = weights(for: merged, on: replica) else {
            return abandon(plan, on: replica, "the adapter to merge is not resident")
        }
        let compute = replicas[replica]
        compute.plan = plan
        compute.overhead = compute.wasIdle ? .zero : compute.answered.duration(to: Self.now)
        compute.wasIdle = false
        compute.start(StepJob(number: plan.number, chunks: chunks, weights: weights))
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

    private func weights(for merged: AdapterID?, on replica: Int) -> StepJob.Weights? {
        guard let merged else { return .base }
        if let copy = replicas[replica].merged, copy.adapter == merged {
            return .merged(copy.model)
        }
        // One merged copy a replica: the old one goes before the new one is built.
        replicas[replica].merged = nil
        return residents[merged].map { .merging(merged, $0.packed) }
    }

    private func abandon(_ plan: StepPlan, on replica: Int, _ reason: String) {
        log.error("step \(plan.number) of replica \(replica) cannot run: \(reason)")
        let ended = fleet.failStep(
            plan.number, on: ReplicaID(rawValue: replica), at: Self.now)
        fail(ended, APIError(.internalError, "The step could not run: \(reason)."))
    }

    /// A compute thread has answered.
    func stepEnded(on replica: Int, _ result: StepResult) {
        let compute = replicas[replica]
        compute.isBusy = false
        compute.answered = Self.now
        if let merged = result.merged { compute.merged = merged }
        guard let plan = compute.plan, plan.number == result.number else { return }
        compute.plan = nil
        switch result.output {
        case .success(let output): settle(plan, on: replica, output, result)
        case .failure(let error):
            log.error("step \(plan.number) of replica \(replica) failed: \(error)")
            let ended = fleet.failStep(
                plan.number, on: ReplicaID(rawValue: replica), at: Self.now)
            fail(ended, APIError(.internalError, "The forward pass failed: \(error)."))
        }
    }

    private func settle(
        _ plan: StepPlan, on replica: Int, _ output: StepOutput, _ result: StepResult
    ) {
        let now = Self.now
        var deltas: [(sequence: LiveSequence, delta: ChoiceDelta)] = []
        var finished: [RequestID] = []
        for (index, entry) in plan.entries.enumerated() where entry.samples {
            guard let sequence = sequences[entry.id] else { continue }
            guard let row = output.rows[index] else { continue }
            let delta = output.logits.withRow(row) {
                sequence.sample(from: $0, scratch: &scratch)
            }
            observeToken(of: sequence, on: replica, at: now)
            if delta.finish != nil { finished.append(entry.id) }
            deltas.append((sequence, delta))
        }
        observeStep(plan, on: replica, output, result)
        let ended = fleet.complete(
            StepOutcome(
                number: plan.number, stepTime: output.times.total, mergeTime: result.mergeTime,
                finished: finished),
            on: ReplicaID(rawValue: replica), at: now)
        // Sinks are told after the books are in order: they may submit and cancel.
        for (sequence, delta) in deltas where !sequence.isAbandoned {
            sequence.generation.sink(.delta(delta))
        }
        for id in ended { end(id, at: now) }
    }
}
