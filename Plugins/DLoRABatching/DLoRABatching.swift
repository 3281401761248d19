// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([DLoRABatching.self])
}

/// Switches between merged and unmerged by load (dLoRA, OSDI '24, §4.2, Algorithms 1 and 2).
///
/// Algorithm 3 is a fairness policy of its own: what it decides comes as `mustServe` and
/// `notMergeable`.
final class DLoRABatching: BatchingPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "dlora-batching", version: "1.0.0",
            summary: "Merges the adapter with the most requests when they outnumber the batch of "
                + "first come, first served by a threshold that tunes itself; dLoRA's Algorithms "
                + "1 and 2.")
    }

    private let modeSwitch: ModeSwitch
    private let periodLength: Int
    private var tally = AdapterTally()

    /// What a reload keeps.
    var state: SwitchState

    init(parameters: Parameters, seed: UInt64) throws(PolicyError) {
        guard parameters.beta < parameters.alpha else {
            throw PolicyError(
                "beta, \(parameters.beta), must be less than alpha, \(parameters.alpha)")
        }
        guard parameters.alpha <= parameters.ceiling else {
            throw PolicyError(
                "alpha, \(parameters.alpha), must not be more than ceiling, \(parameters.ceiling)")
        }
        self.modeSwitch = ModeSwitch(variant: parameters.variant)
        self.periodLength = parameters.variant == .paper ? parameters.period : .max
        let steps = ThresholdTuning.Steps(
            decrease: parameters.decrease, increase: parameters.increase,
            ceiling: parameters.ceiling, smoothing: parameters.smoothing)
        let thresholds = Thresholds(alpha: parameters.alpha, beta: parameters.beta)
        self.state = SwitchState(
            tuning: ThresholdTuning(
                steps: steps, variant: parameters.variant, thresholds: thresholds))
    }

    func plan(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) throws(PolicyError) {
        tally.count(requests)
        let starving = context.mustServe.filter { tally[$0] > 0 }
        if !starving.isEmpty {
            // Algorithm 3 returns B_starve; as in the artifact, others fill what is left of it.
            plan.entries =
                BatchFilling(requests, urgent: starving, limits: context.limits).entries
            if context.wantsReason { plan.reason = Reasons.starving(starving) }
            // Where they find no pages, those who hold the pages go on.
            if !plan.entries.isEmpty { return }
        }
        plan.entries = BatchFilling(requests, limits: context.limits).entries
        guard starving.isEmpty else { return }
        guard context.copies.capacity > 0 else {
            state.forgetMode()
            if context.wantsReason { plan.reason = Reasons.noRoom }
            return
        }
        guard state.crowding.isOver(requests) else {
            breakPoint(at: .unmerged, in: context)
            state.awaited = nil
            if context.wantsReason { plan.reason = Reasons.crowded }
            return
        }
        // What is merged may go on where nobody else could.
        if plan.entries.isEmpty, state.mode == .unmerged { return }
        chooseMode(requests, in: context, into: &plan)
    }

    /// Decides between the batch of first come, first served, which `plan` holds, and a merged one.
    private func chooseMode(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) {
        let load = load(batch: plan.entries.count, in: context)
        let before = state.mode
        let wanted = modeSwitch.next(before, under: load, state.tuning.thresholds)
        if context.wantsReason {
            plan.reason = Reasons.of(
                before, wanted, load, state.tuning.thresholds,
                isReady: context.copies.holds(wanted))
        }
        var next = wanted
        state.awaited = nil
        if case .merged(let adapter) = wanted, !context.copies.holds(wanted) {
            // Everyone is served while the copy is built; it is decided anew each time.
            plan.prepares = adapter
            state.awaited = adapter
            next = .unmerged
        }
        guard let adapter = next.adapter ?? load.best?.adapter else {
            breakPoint(at: next, in: context)
            return
        }
        let merged = BatchPlan(
            mode: .merged(adapter), entries: entries(of: adapter, requests, in: context))
        observe(merged, beside: plan, of: requests, next, in: context)
        if next != .unmerged, !merged.entries.isEmpty {
            plan.mode = merged.mode
            plan.entries = merged.entries
            state.crowding.note(merged.entries, of: requests)
        }
    }

    private func load(batch: Int, in context: BatchingContext) -> ModeSwitch.Load {
        var load = ModeSwitch.Load(batch: batch)
        load.best = tally.most(without: context.notMergeable, preferring: state.period.adapter)
        if case .merged(let adapter) = state.mode { load.merged = eligible(adapter, in: context) }
        // A copy that is being built is worth waiting for while it would be used.
        if let awaited = state.awaited.flatMap({ eligible($0, in: context) }),
            load.ratio(awaited) > state.tuning.thresholds.alpha
        {
            load.best = awaited
        }
        return load
    }

    private func eligible(
        _ adapter: AdapterID, in context: BatchingContext
    ) -> AdapterTally.Share? {
        let count = tally[adapter]
        guard count > 0, !context.notMergeable.contains(adapter) else { return nil }
        return AdapterTally.Share(adapter: adapter, requests: count)
    }

    /// R_merge, cut to the limits of an iteration.
    private func entries(
        of adapter: AdapterID, _ requests: Span<RequestSnapshot>, in context: BatchingContext
    ) -> [BatchPlan.Entry] {
        var positions: [Int] = []
        positions.reserveCapacity(tally[adapter])
        for index in requests.indices where requests[index].adapter == adapter {
            positions.append(index)
        }
        var batch = BatchFilling(limits: context.limits)
        batch.fill(positions, of: requests, beginning: .whole)
        return batch.entries
    }

    // MARK: - Algorithm 2

    /// Adds the iteration to the period that it belongs to.
    private func observe(
        _ merged: BatchPlan, beside batch: BatchPlan, of requests: Span<RequestSnapshot>,
        _ mode: ModeSwitch.Mode, in context: BatchingContext
    ) {
        guard let adapter = merged.mode.mergedAdapter else { return }
        let isChange = adapter != state.period.adapter && state.period.adapter != nil
        if mode != state.mode || isChange && modeSwitch.variant == .paper {
            breakPoint(at: mode, in: context)
        } else if isChange {
            state.period.changes += 1
        }
        let isReady = context.copies.ready.contains(adapter)
        if state.period.adapter == nil { state.period.isCopyReady = isReady }
        state.period.adapter = adapter
        guard let mergedTime = context.costs.seconds(of: StepWork(merged, of: requests)),
            let batchTime = context.costs.seconds(of: StepWork(batch, of: requests))
        else { return }
        state.period.iterations += 1
        state.period.merged.add(merged.entries.count, seconds: mergedTime)
        state.period.unmerged.add(batch.entries.count, seconds: batchTime)
        if state.period.iterations >= periodLength {
            breakPoint(at: mode, in: context)
            state.period.adapter = adapter
            state.period.isCopyReady = isReady
        }
    }

    /// Tunes by the period that ends, and begins another.
    private func breakPoint(at mode: ModeSwitch.Mode, in context: BatchingContext) {
        if state.period.iterations > 0 {
            state.tuning.tune(
                by: state.period, wasMerged: state.mode != .unmerged,
                mergeSeconds: context.costs.mergeSeconds)
        }
        state.period = Period()
        state.mode = mode
    }

    // MARK: - State

    func exportState() -> PolicyState? { state.exported }

    func importState(_ exported: PolicyState) throws(PolicyError) {
        try state.take(exported)
    }
}

extension ModeSwitch.Mode {
    var adapter: AdapterID? {
        if case .merged(let adapter) = self { adapter } else { nil }
    }
}

extension MergedCopiesSnapshot {
    /// Whether an iteration can run in this mode.
    fileprivate func holds(_ mode: ModeSwitch.Mode) -> Bool {
        mode.adapter.map(ready.contains) ?? true
    }
}

extension CostEstimates {
    /// How many reads of the weights a merge is held for until one was measured.
    private static var firstGuess: Double { 3 }

    /// t_M in seconds. Before the first merge it is that of some measured iterations with one decode
    /// row: adding an update to the weights reads and writes them about once more than such an
    /// iteration reads them.
    fileprivate var mergeSeconds: Double {
        if let mergeTime { return mergeTime.inSeconds }
        var row = StepWork()
        row.decodeTokens = 1
        return Self.firstGuess * (seconds(of: row) ?? 0)
    }
}
