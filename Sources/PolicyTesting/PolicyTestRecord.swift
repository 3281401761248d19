// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit
internal import Scheduling
internal import Simulation

/// What happened in a test; requests and adapters by their positions in its lists.
struct PolicyTestRecord {
    struct Unload {
        var adapter: Int
        var replica: Int
        var time: Instant
    }

    struct Move {
        var request: Int
        var to: Int
    }

    /// Requests in the order of the workload, and adapters.
    var requests: [String] = []
    var adapters: [String] = []

    var plans: [SimulatedPlan] = []
    var dispatched: [Int: Int] = [:]
    var unloads: [Unload] = []
    var moves: [Move] = []
    var ended: [Int: SimulatedRequest] = [:]
    var summary = SimulationSummary()

    /// Whether it was ended because it did not end by itself.
    var isEndless = false

    mutating func note(_ event: SimulatedEvent, at now: Instant) {
        switch event {
        case .dispatched(let request, let replica): dispatched[request] = replica
        case .planned(let plan): plans.append(plan)
        case .loaded: break
        case .unloaded(let adapter, let replica):
            unloads.append(Unload(adapter: adapter, replica: replica, time: now))
        case .moved(let request, _, let target, _):
            moves.append(Move(request: request, to: target))
        }
    }

    // MARK: - Answers

    /// Requests in the order in which they first ran, each with the iteration.
    var firstRuns: [(request: Int, plan: SimulatedPlan)] {
        var seen: Set<Int> = []
        return plans.flatMap { plan in
            plan.requests.filter { seen.insert($0).inserted }.map { ($0, plan) }
        }
    }

    func plan(_ number: Int, of replica: Int) -> SimulatedPlan? {
        plans.first { $0.replica == replica && $0.number == number }
    }

    func name(_ request: Int) -> String {
        requests.indices.contains(request) ? requests[request] : "?"
    }

    func names(of plan: SimulatedPlan) -> String { plan.requests.map(name).listed }

    func mode(of plan: SimulatedPlan) -> String {
        func adapter(_ id: AdapterID) -> String {
            let index = Int(id.rawValue) - 1
            return adapters.indices.contains(index) ? adapters[index] : "?"
        }
        switch plan.mode {
        case .unmerged: return "unmerged"
        case .merged(let id): return "merged on \(adapter(id))"
        case .mixed(let id): return "mixed on \(adapter(id))"
        }
    }

    /// The requests with this outcome.
    func requests(_ isMeant: (SimulatedRequest.Outcome) -> Bool) -> [String] {
        ended.filter { isMeant($0.value.outcome) }.keys.sorted().map(name)
    }
}

extension [String] {
    /// `a, b, c`, or `nobody`.
    var listed: String {
        if isEmpty { return "nobody" }
        return prefix(40).joined(separator: ", ") + (count > 40 ? " and \(count - 40) more" : "")
    }
}

extension Duration {
    /// In milliseconds or seconds, as people write it: `92.5ms`.
    var short: String {
        let microseconds = (saturatingNanoseconds + 500) / 1000
        let (whole, rest, unit) =
            microseconds < 1_000_000
            ? (microseconds / 1000, microseconds % 1000, "ms")
            : (microseconds / 1_000_000, microseconds % 1_000_000 / 1000, "s")
        guard rest > 0 else { return "\(whole)\(unit)" }
        var digits = String(1000 + rest).dropFirst()
        while digits.last == "0" { digits.removeLast() }
        return "\(whole).\(digits)\(unit)"
    }
}
