// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([LookaheadBatching.self])
}

/// Chooses the mode, and whom to serve first, by the predicted sum of completion times.
///
/// For each schedule in question the requests shown are followed to their end with the costs that
/// the host has measured; the one with the least sum is begun, and decided anew as requests come and
/// go.
final class LookaheadBatching: BatchingPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "lookahead-batching", version: "1.0.0",
            summary:
                "Chooses unmerged, merged or mixed iterations, and whose requests begin first, "
                + "by the predicted sum of completion times under the measured costs.")
    }

    let parameters: Parameters
    var trials = Trials()
    var recent = RecentIterations()
    var decision = Decision()
    private var wishes = CopyWishes()

    /// The first request in order, since when it has been passed over, and whether for too long.
    private var passedOver: (id: RequestID, since: Instant, isOverdue: Bool)?

    /// How long the copy that is being built has been built already.
    private var built: (adapter: AdapterID, time: Duration)?

    /// Iterations since a copy was last asked for only to try it.
    private var trialCopyAge = Int.max / 2

    init(parameters: Parameters, seed: UInt64) throws(PolicyError) {
        self.parameters = parameters
    }

    func plan(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) throws(PolicyError) {
        trialCopyAge += 1
        noteBuilding(context.copies)
        wishes.note(context.copies)
        let keepsOrder = mustKeepOrder(requests, in: context)
        let circumstances = Circumstances(requests, in: context, keepsOrder: keepsOrder)
        if decision.isDue(under: circumstances) {
            decide(requests, in: context, circumstances)
        }
        decision.iterations += 1
        carryOut(requests, in: context, into: &plan)
        wishes.ask(for: plan.prepares)
        notePassedOver(requests, plan, at: context.now)
        if context.wantsReason { plan.reason = decision.reason }
    }

    func observe(_ step: StepObservation) {
        trials.note(step)
        recent.note(step)
        if let built { self.built = (built.adapter, built.time + step.mergeTime) }
    }

    // MARK: - Deciding

    private func decide(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext,
        _ circumstances: Circumstances
    ) {
        let last = decision.schedule
        decision = Decision(circumstances: circumstances)
        let prices = Prices(context.costs, corrections: recent.corrections(of: context.costs))
        let workload = Workload(
            requests, in: context, prices: prices, horizon: parameters.horizon)
        let groups = mergeable(workload, in: context)
        let isWarm = context.costs.observations >= parameters.warmup
        // Where all are of one adapter a trial keeps nobody waiting.
        let isAlone = workload.groups.count == 1
        if isWarm || isAlone, !circumstances.keepsOrder,
            tryMerging(groups, of: workload, in: context)
        {
            return
        }
        guard isWarm, !workload.jobs.isEmpty else {
            if isAlone, let group = groups.first {
                let adapter = workload.groups[group].adapter
                if context.copies.ready.contains(adapter) { decision.schedule = .merged(adapter) }
            }
            decision.reason =
                "\(decision.schedule.text): \(context.costs.observations) iterations measured"
            return
        }
        var forecast = Forecast(
            workload, prices: prices, copies: copyState(context), batch: context.limits.requests)
        let predictions = forecast.predictions(
            merging: parameters.trials > 0 ? groups : [], keepsOrder: circumstances.keepsOrder)
        choose(among: predictions, last: last, in: context)
        if context.wantsReason {
            decision.reason = reason(predictions, jobs: workload.jobs.count, in: context)
        }
    }

    /// Takes the least sum, unless the gain may be an error of the prediction.
    private func choose(
        among predictions: [Prediction], last: Schedule, in context: BatchingContext
    ) {
        let margin = margin(of: context.costs)
        func needed(_ prediction: Prediction) -> Double {
            if prediction.displaces { return margin }
            // Merged, the same rows have less to compute: a prediction that they take longer is
            // believed only where it says so clearly. In other modes nobody is overtaken, so that
            // an error costs little.
            return prediction.schedule.mode.isMerged ? -margin : margin / 2
        }
        let now = predictions.filter { !$0.needsCopy }
        let inOrder = now[0]
        let present = now.first { $0.schedule == last } ?? inOrder
        // Going back to serving in order costs nothing and needs no gain.
        var choice = present.sum <= inOrder.sum ? present : inOrder
        let easing = choice.schedule == .inOrder ? 1 : 0.5
        let better = now.filter { $0.sum < choice.sum * (1 - easing * needed($0)) }
        if let best = better.min(by: { $0.sum < $1.sum }) { choice = best }
        decision.schedule = choice.schedule
        let later = predictions.filter { prediction in
            prediction.needsCopy
                && prediction.sum < choice.sum * (1 - max(needed(prediction), margin / 2))
        }
        guard let best = later.min(by: { $0.sum < $1.sum }) else { return }
        decision.prepares = best.schedule.mergedAdapter
        // To make room for it the copy in use may leave.
        if !hasRoom(context.copies), choice.schedule.mergedAdapter != nil {
            decision.schedule = .inOrder
        }
    }

    private func margin(of costs: CostEstimates) -> Double {
        let error = costs.relativeError.isFinite ? max(0, costs.relativeError) : 1
        return min(0.5, parameters.margin / 100 + error / 2)
    }

    private func hasRoom(_ copies: MergedCopiesSnapshot) -> Bool {
        copies.ready.count + (copies.building == nil ? 0 : 1) < copies.capacity
    }

    /// Groups that may be merged on and are worth a look: those with the most requests, and those
    /// whose copy is ready.
    private func mergeable(_ workload: Workload, in context: BatchingContext) -> [Int] {
        let most = 4
        let candidates = workload.groups.indices.filter { index in
            let adapter = workload.groups[index].adapter
            return !adapter.isBase && !context.notMergeable.contains(adapter)
                && !wishes.unbuildable.contains(adapter)
        }
        let byRequests = candidates.sorted { left, right in
            let (a, b) = (workload.groups[left], workload.groups[right])
            return (b.requests, a.adapter) < (a.requests, b.adapter)
        }
        let others = byRequests.dropFirst(most).filter {
            context.copies.ready.contains(workload.groups[$0].adapter)
        }
        return Array(byRequests.prefix(most)) + Array(others.prefix(most))
    }

    private func copyState(_ context: BatchingContext) -> CopyState {
        var state = CopyState()
        state.ready = Set(context.copies.ready)
        state.building = context.copies.building
        state.capacity = context.copies.capacity
        if let time = context.costs.mergeTime {
            let done = context.copies.building == nil ? .zero : built?.time ?? .zero
            state.buildSeconds = max(1e-6, (time - done).inSeconds)
        }
        return state
    }

    /// Has a few iterations run merged where none of their kind were measured yet.
    ///
    /// - Returns: whether that is decided.
    private func tryMerging(
        _ groups: [Int], of workload: Workload, in context: BatchingContext
    ) -> Bool {
        let limit = context.limits.requests
        let batch = min(workload.requests, limit)
        func wish(_ group: Int) -> IterationKind? {
            trials.wish(
                rows: min(workload.groups[group].requests, limit), batch: batch,
                needed: parameters.trials)
        }
        let ready = groups.first {
            context.copies.ready.contains(workload.groups[$0].adapter) && wish($0) != nil
        }
        guard let group = ready ?? groups.first, let kind = wish(group),
            context.copies.capacity > 0, ready != nil || mayBuildForTrial(context.copies)
        else { return false }
        let adapter = workload.groups[group].adapter
        let rows = min(workload.groups[group].requests, limit)
        if ready != nil {
            decision.schedule = kind == .mixed ? .mixed(adapter) : .merged(adapter)
        } else {
            decision.prepares = adapter
            trialCopyAge = 0
        }
        if context.wantsReason {
            decision.reason =
                "\(decision.schedule.text): \(rows) of \(batch) rows are to be tried \(kind)"
        }
        return true
    }

    /// A copy that is there serves for trials when its adapter's turn comes, so another is built only
    /// after a while.
    private func mayBuildForTrial(_ copies: MergedCopiesSnapshot) -> Bool {
        let wait = 256
        return copies.building == nil && (copies.ready.isEmpty || trialCopyAge >= wait)
    }

    private func reason(
        _ predictions: [Prediction], jobs: Int, in context: BatchingContext
    ) -> String {
        let sums = predictions.sorted { $0.sum < $1.sum }.prefix(4).map { prediction in
            "\(prediction.schedule.text)\(prediction.needsCopy ? " once built" : "") "
                + "\(Self.rounded(prediction.sum)) s"
        }
        let margin = Self.rounded(100 * margin(of: context.costs))
        let prepares = decision.prepares.map { ", builds \($0.rawValue)" } ?? ""
        return "\(decision.schedule.text)\(prepares): to the end of \(jobs) requests "
            + sums.joined(separator: ", ") + "; in order \(Self.rounded(predictions[0].sum)) s, "
            + "margin \(margin) %"
    }

    private static func rounded(_ value: Double) -> Double {
        guard abs(value) < 1e12 else { return value }
        return (value * 100).rounded() / 100
    }

    // MARK: - Keeping order

    private func mustKeepOrder(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext
    ) -> Bool {
        if !context.mustServe.isEmpty { return true }
        guard let passedOver, passedOver.isOverdue else { return false }
        for index in requests.indices where requests[index].id == passedOver.id { return true }
        self.passedOver = nil
        return false
    }

    private func notePassedOver(
        _ requests: Span<RequestSnapshot>, _ plan: BatchPlan, at now: Instant
    ) {
        if passedOver?.isOverdue == true { return }
        guard let first = requests.indices.first(where: { requests[$0].isAdapterResident }),
            !plan.entries.contains(where: { $0.index == first })
        else {
            passedOver = nil
            return
        }
        let id = requests[first].id
        let since = passedOver?.id == id ? passedOver?.since ?? now : now
        passedOver = (id, since, since.duration(to: now) >= parameters.patience)
    }

    private func noteBuilding(_ copies: MergedCopiesSnapshot) {
        guard let adapter = copies.building else {
            built = nil
            return
        }
        if built?.adapter != adapter { built = (adapter, .zero) }
    }

    // MARK: - State

    func exportState() -> PolicyState? {
        PolicyState(schema: "lookahead/1", bytes: trials.bytes)
    }

    func importState(_ state: PolicyState) throws(PolicyError) {
        guard state.schema == "lookahead/1", let trials = Trials(bytes: state.bytes) else {
            throw PolicyError("the state of schema '\(state.schema)' is none of lookahead-batching")
        }
        self.trials = trials
    }
}
