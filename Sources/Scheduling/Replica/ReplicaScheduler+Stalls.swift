// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit

extension ReplicaScheduler {
    /// The tokens that the next iteration may compute: fewer than `replicas.maxStepTokens` while
    /// requests decode and would wait for longer than `replicas.stallBudget`.
    func chooseTokenLimit() -> Int {
        guard let stall, backlog.decoding > 0 else { return configuration.batchTokens }
        let step = expectedStep()
        let rows = step.rows.decodeTokens
        // As if there were prompts without end: the limit holds for drafts too, and for whoever
        // comes next.
        let endless = PromptPart(tokens: configuration.batchTokens)
        let tokens = stall.promptTokens(
            beside: step.rows, of: step.prompts + [endless],
            most: max(1, configuration.batchTokens - rows), by: costs.steps)
        return min(configuration.batchTokens, rows + tokens)
    }

    /// Takes note of how long a step has kept requests that decode waiting.
    mutating func observeStall(_ step: StepInFlight, _ outcome: StepOutcome) {
        guard let bound = stall?.bound else { return }
        let limit = step.tokenLimit.map { $0 - step.work.decodeTokens }
        if outcome.dropped.isEmpty {
            stall?.observe(step.work, took: outcome.stepTime, limit: limit)
        }
        guard limit != nil else { return }
        counters.watchedSteps += 1
        if outcome.stepTime + outcome.mergeTime > bound { counters.stepsOverStallBudget += 1 }
    }

    /// The decode rows of the next iteration and the prompts that may join them, all in order of
    /// arrival, under the costliest mode that policies are likely to choose: mixed where the last
    /// step was, else unmerged.
    private func expectedStep() -> (rows: StepWork, prompts: [PromptPart]) {
        var rows = StepWork()
        var correctedRank = 0
        var merged: AdapterID?
        if case .mixed(let adapter) = mode {
            merged = adapter
            correctedRank = residency.description(of: adapter)?.rank ?? 0
            rows.distinctRanks = correctedRank
            rows.isMerged = true
        }
        var adapters: Set<AdapterID> = []
        var prompts: [PromptPart] = []
        var promptTokens = 0
        let mostRows = min(backlog.decoding, configuration.batchRequests)
        for (position, request) in queue.snapshots.enumerated() {
            let isFull = promptTokens >= configuration.batchTokens
            if rows.decodeTokens == mostRows, isFull { break }
            guard request.isAdapterResident else { continue }
            let own = queue.record(queue.slot(at: position)).rank
            let rank = request.adapter == merged ? 0 : own + correctedRank
            if request.phase != .decoding {
                if isFull { continue }
                promptTokens += request.pendingTokens
                prompts.append(
                    PromptPart(
                        tokens: request.pendingTokens, computedTokens: request.computedTokens,
                        rank: rank, bringsAdapter: adapters.insert(request.adapter).inserted))
            } else if rows.decodeTokens < mostRows {
                rows.decodeTokens += 1
                rows.attendedTokens += request.computedTokens + 1
                rows.rankTokens += rank
                if rank > 0, adapters.insert(request.adapter).inserted {
                    rows.distinctRanks += own
                }
            }
        }
        return (rows, prompts)
    }
}
