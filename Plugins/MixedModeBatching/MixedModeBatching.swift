// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([MixedModeBatching.self])
}

/// Merged on the adapter with the most requests, mixed where a few others starve, unmerged where
/// many do (V-LoRA, EuroSys '25).
final class MixedModeBatching: BatchingPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "mixed-mode-batching", version: "1.0.0",
            summary: "Merges the adapter with the most requests and serves a few starving ones of "
                + "others in the same batch, corrected; the policy of V-LoRA.")
    }

    private let theta: Duration
    private var times = ServiceTimes()
    private var tally = AdapterTally()

    init(parameters: Parameters, seed: UInt64) throws(PolicyError) {
        self.theta = parameters.theta
    }

    func plan(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) throws(PolicyError) {
        tally.count(requests)
        times.keep(requests)
        let urgent = context.mustServe.filter { tally[$0] > 0 }
        plan.entries = BatchFilling(requests, urgent: urgent, limits: context.limits).entries
        if plan.entries.isEmpty {
            // Where urgent requests find no pages, those who hold the pages go on.
            plan.entries = BatchFilling(requests, limits: context.limits).entries
            return
        }
        guard context.copies.capacity > 0 else { return }
        let most = tally.most(
            without: context.notMergeable, preferring: context.currentMode.mergedAdapter)
        let starving = starving(
            requests, besides: most?.adapter, urgent: urgent, beside: plan.entries, in: context)
        let rule = ModeRule(
            batch: context.limits.requests, starving: starving.count, most: most)
        if context.wantsReason { plan.reason = reason(of: rule) }
        guard let adapter = rule.mode.mergedAdapter else { return }
        guard context.copies.ready.contains(adapter) else {
            plan.prepares = adapter
            return
        }
        var batch = BatchFilling(limits: context.limits)
        batch.fill(starving, of: requests, beginning: .whole)
        batch.fill(
            requests.indices.filter { requests[$0].adapter == adapter }, of: requests,
            beginning: .whole)
        if batch.entries.isEmpty { return }
        plan.mode = rule.mode
        plan.entries = batch.entries
    }

    func observe(_ step: StepObservation) {
        times.add(step.stepTime + step.mergeTime, to: step.served)
    }

    /// Positions of the requests of other adapters that starve, those of urgent adapters first.
    private func starving(
        _ requests: Span<RequestSnapshot>, besides adapter: AdapterID?, urgent: [AdapterID],
        beside batch: [BatchPlan.Entry], in context: BatchingContext
    ) -> [Int] {
        let patience = theta - delay(of: batch, requests, switchingTo: adapter, in: context)
        var first: [Int] = []
        var others: [Int] = []
        for index in requests.indices
        where requests[index].adapter != adapter && requests[index].isAdapterResident {
            if !urgent.isEmpty, urgent.contains(requests[index].adapter) {
                first.append(index)
            } else if times.wait(of: requests[index], at: context.now) > patience {
                others.append(index)
            }
        }
        return first + others
    }

    /// The time until a request that is picked now has run: an iteration in the current mode, and
    /// the switch where the merged copy is still to be built.
    private func delay(
        of batch: [BatchPlan.Entry], _ requests: Span<RequestSnapshot>,
        switchingTo adapter: AdapterID?, in context: BatchingContext
    ) -> Duration {
        let work = StepWork(BatchPlan(mode: context.currentMode, entries: batch), of: requests)
        let execution = context.costs.time(of: work) ?? .zero
        let isReady = adapter.map(context.copies.ready.contains) ?? true
        return execution + (isReady ? .zero : context.costs.mergeTime ?? .zero)
    }

    private func reason(of rule: ModeRule) -> String {
        let most = rule.most.map { "\($0.requests) of adapter \($0.adapter.rawValue)" } ?? "none"
        return "\(rule.mode.word): \(rule.starving) starving, most requests \(most), "
            + "batch \(rule.batch)"
    }
}

extension BatchMode {
    fileprivate var word: String {
        switch self {
        case .unmerged: "unmerged"
        case .merged: "merged"
        case .mixed: "mixed"
        }
    }
}
