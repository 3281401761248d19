// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// A way to go on: who is served first, and in which mode.
enum Schedule: Hashable {
    /// Everybody in order, unmerged.
    case inOrder
    /// Everybody unmerged, but of those that wait the adapter's requests begin first.
    case first(AdapterID)
    /// The adapter's requests alone, merged, to their end or as long as they use the time better than
    /// all in order would; then everybody in order.
    case merged(AdapterID)
    /// Everybody in order, mixed on the adapter.
    case mixed(AdapterID)
    /// Mixed on the adapter, and of those that wait its requests begin first.
    case mixedFirst(AdapterID)

    /// The adapter whose merged copy it needs.
    var mergedAdapter: AdapterID? { mode.mergedAdapter }

    var mode: BatchMode {
        switch self {
        case .inOrder, .first: .unmerged
        case .merged(let adapter): .merged(adapter)
        case .mixed(let adapter), .mixedFirst(let adapter): .mixed(adapter)
        }
    }

    /// The adapter that it is about.
    var adapter: AdapterID? {
        switch self {
        case .inOrder: nil
        case .first(let adapter), .merged(let adapter), .mixed(let adapter),
            .mixedFirst(let adapter):
            adapter
        }
    }

    /// Whether nobody is served before another that stands before him in order.
    var keepsOrder: Bool {
        switch self {
        case .inOrder, .mixed: true
        case .first, .merged, .mixedFirst: false
        }
    }

    var text: String {
        switch self {
        case .inOrder: "in order"
        case .first(let adapter): "\(adapter.rawValue) first"
        case .merged(let adapter): "merged on \(adapter.rawValue)"
        case .mixed(let adapter): "mixed on \(adapter.rawValue)"
        case .mixedFirst(let adapter): "mixed on \(adapter.rawValue), it first"
        }
    }
}

extension BatchMode {
    /// Whether only requests of one adapter run.
    var isMerged: Bool {
        if case .merged = self { return true }
        return false
    }
}

/// A schedule and what comes of it.
struct Prediction {
    var schedule: Schedule

    /// Whether its merged copy must be built first, while requests are served in order.
    var needsCopy = false

    /// Whether it serves anybody before others that stand in front of him.
    var displaces = false

    /// Σ seconds from now to the end of each request that the prediction follows.
    var sum: Double
}

/// How the copies stand, as far as predictions depend on it.
struct CopyState {
    /// Adapters whose copy is ready.
    var ready: Set<AdapterID> = []

    /// Adapters whose copy can be had, and how many seconds of building are left; `nil` where any
    /// may be begun.
    var building: AdapterID?
    var buildSeconds: Double?
    var capacity = 0

    /// How long a copy takes that is to be had, or `nil` where it cannot be had soon.
    func seconds(until adapter: AdapterID) -> Double? {
        if ready.contains(adapter) { return 0 }
        guard capacity > 0, let buildSeconds else { return nil }
        return building == nil || building == adapter ? buildSeconds : nil
    }
}

/// Predicts what comes of each schedule.
struct Forecast {
    private let workload: Workload
    private let copies: CopyState
    private let start: Rollout

    /// The jobs, in order.
    private let all: [Int]
    private let batch: Int

    /// Seconds of an iteration in order.
    private let fullIteration: Double

    /// As things stand when a copy that is not there has been built beside iterations in order.
    private var whenBuilt: Rollout?

    init(_ workload: Workload, prices: Prices, copies: CopyState, batch: Int) {
        self.workload = workload
        self.copies = copies
        self.batch = batch
        all = Array(workload.jobs.indices)
        start = Rollout(workload, prices: prices, batch: batch)
        fullIteration = start.firstIteration()
    }

    /// Predictions of serving in order first, then of all other schedules that could be better; with
    /// `keepsOrder` of those only that let nobody overtake.
    mutating func predictions(
        merging groups: [Int], keepsOrder: Bool
    ) -> [Prediction] {
        var predictions = [predict(.inOrder, group: nil, seconds: 0)]
        let canOvertake = !keepsOrder && workload.jobs.count > batch
        for (index, group) in workload.groups.enumerated() {
            let adapter = group.adapter
            if canOvertake, workload.groups.count > 1, groups.contains(index) || adapter.isBase {
                predictions.append(predict(.first(adapter), group: index, seconds: 0))
            }
            guard groups.contains(index), let seconds = copies.seconds(until: adapter) else {
                continue
            }
            var schedules: [Schedule] = []
            if !keepsOrder || workload.groups.count == 1 { schedules.append(.merged(adapter)) }
            if workload.groups.count > 1, mayGain(mixing: index, in: all) {
                schedules.append(.mixed(adapter))
            }
            if canOvertake, workload.groups.count > 1,
                mayGain(mixing: index, in: order(first: index))
            {
                schedules.append(.mixedFirst(adapter))
            }
            for schedule in schedules {
                predictions.append(predict(schedule, group: index, seconds: seconds))
            }
        }
        return predictions
    }

    /// Whether most rows of the batch to come are the group's own.
    ///
    /// Each of them spares a path in mixed mode, and each other one has one more, of the same rank.
    private func mayGain(mixing group: Int, in order: [Int]) -> Bool {
        let rows = order.prefix(batch)
        return 2 * rows.count { workload.jobs[$0].group == group } > rows.count
    }

    private mutating func predict(
        _ schedule: Schedule, group: Int?, seconds: Double
    ) -> Prediction {
        var rollout = seconds > 0 ? built(in: seconds) : start
        switch schedule {
        case .inOrder:
            rollout.serve(all, kind: .unmerged, merged: nil)
        case .first:
            rollout.serve(order(first: group), kind: .unmerged, merged: nil)
        case .merged:
            let own = all.filter { workload.jobs[$0].group == group }
            var other = rollout
            rollout.serve(own, kind: .merged, merged: group)
            rollout.serve(all, kind: .unmerged, merged: nil)
            guard own.count < all.count else { break }
            let ended = other.ended
            other.serve(
                own, kind: .merged, merged: group,
                stop: Rollout.Stop(fullIteration: fullIteration))
            // Where it would stop at once it is no other schedule than in order.
            guard other.ended > ended else { break }
            other.serve(all, kind: .unmerged, merged: nil)
            if other.sum < rollout.sum { rollout = other }
        case .mixed:
            rollout.serve(all, kind: .mixed, merged: group)
        case .mixedFirst:
            rollout.serve(order(first: group), kind: .mixed, merged: group)
        }
        return Prediction(
            schedule: schedule, needsCopy: seconds > 0,
            displaces: !schedule.keepsOrder && workload.groups.count > 1, sum: rollout.sum)
    }

    /// The host builds for up to half of an iteration's time after each, so that iterations take
    /// half as long again while it does.
    private mutating func built(in seconds: Double) -> Rollout {
        if let whenBuilt { return whenBuilt }
        let slowdown = 1.5
        let buildingShare = (slowdown - 1) / slowdown
        var rollout = start
        rollout.serve(
            all, kind: .unmerged, merged: nil,
            stop: Rollout.Stop(deadline: seconds / buildingShare, slowdown: slowdown))
        whenBuilt = rollout
        return rollout
    }

    /// Those that run, then those of the group that wait, then all others.
    private func order(first group: Int?) -> [Int] {
        let jobs = workload.jobs
        return all.filter { jobs[$0].isRunning }
            + all.filter { !jobs[$0].isRunning && jobs[$0].group == group }
            + all.filter { !jobs[$0].isRunning && jobs[$0].group != group }
    }
}
