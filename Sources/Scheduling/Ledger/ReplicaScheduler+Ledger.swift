// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit

// What the scheduler enters into its ledger.
extension ReplicaScheduler {
    /// Enters what has changed in the adapters' demand.
    mutating func enterDemand(at now: Instant) {
        guard !queue.changedDemands.isEmpty else { return }
        for adapter in queue.changedDemands {
            ledger.note(queue.demand(of: adapter), of: adapter, at: now)
        }
        queue.clearChangedDemands()
    }

    /// Enters what a step has computed, but for rows that were left out.
    mutating func enterService(of step: StepInFlight, _ outcome: StepOutcome, at now: Instant) {
        for (entry, request) in zip(step.entries, step.served)
        where !outcome.dropped.contains(entry.id) {
            let isDecoding = request.phase == .decoding
            ledger.served(
                request.adapter, promptTokens: isDecoding ? 0 : entry.tokens,
                generatedTokens: entry.samples ? 1 + entry.accepted(outcome.accepted) : 0, at: now)
        }
    }

    /// Enters that a step is over, whatever became of it.
    mutating func enterEnd(of step: StepInFlight, at now: Instant) {
        for request in step.served { ledger.ended(request.adapter, step: step.number, at: now) }
        enterDemand(at: now)
    }
}
