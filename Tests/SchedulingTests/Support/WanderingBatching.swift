// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import TestSupport

/// Keeps every rule, and goes from one mode to another at random.
final class WanderingBatching: BatchingPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(type: "wandering-batching", version: "1.0.0", summary: "Changes modes.")
    }

    private var random: SeededRandom

    init(parameters: NoParameters = NoParameters(), seed: UInt64) {
        random = SeededRandom(seed: seed)
    }

    func plan(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) throws(PolicyError) {
        try FirstComeFirstServedBatching().plan(requests, in: context, into: &plan)
        let adapters = plan.entries.map { requests[$0.index].adapter }.filter { !$0.isBase }
        guard random.chance(40), let adapter = adapters.randomElement(using: &random) else {
            return
        }
        if random.chance(50) {
            plan.mode = .mixed(adapter)
        } else {
            plan.mode = .merged(adapter)
            plan.entries.removeAll { requests[$0.index].adapter != adapter }
        }
    }
}
