// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([AdapterAwareDispatch.self])
}

/// dLoRA's proactive mechanism (Wu et al., OSDI '24, §5.1): requests go where they are expected to
/// wait least, and adapters lie where a burst of requests for them finds memory.
final class AdapterAwareDispatch: DispatchPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "adapter-aware-dispatch", version: "1.0.0",
            summary:
                "The replica with the least predicted wait takes the request, and adapters are "
                + "placed by burst tolerance from the arrivals of the past; dLoRA's §5.1.")
    }

    /// An adapter of which less than this is left of an arrival counts as one without history.
    private static let leastArrivals = 1.0 / 1_024

    /// 36 years in nanoseconds: a longer wait counts as this, so that nothing overflows.
    private static let longestWait: Int64 = 1 << 60

    private let parameters: Parameters
    private var history: ArrivalHistory

    init(parameters: Parameters, seed: UInt64) {
        self.parameters = parameters
        self.history = ArrivalHistory(halfLife: parameters.halfLife)
    }

    // MARK: - Dispatch

    func choose(
        for request: RequestSnapshot, among replicas: Span<ReplicaSnapshot>, at now: Instant
    ) throws(PolicyError) -> ReplicaID {
        guard !replicas.isEmpty else { throw PolicyError("there is no replica to choose from") }
        var best = 0
        var leastWait = wait(of: request.adapter, on: replicas[0])
        for index in 1..<max(1, replicas.count) {
            let wait = wait(of: request.adapter, on: replicas[index])
            if wait < leastWait
                || (wait == leastWait && Self.isLessLoaded(replicas[index], than: replicas[best]))
            {
                best = index
                leastWait = wait
            }
        }
        if !request.adapter.isBase {
            let tokens = max(0, request.promptTokens) &+ max(0, request.maximumTokens)
            history.record(request.adapter, tokens: tokens, at: now)
        }
        return replicas[best].id
    }

    /// What the request is expected to wait, in nanoseconds.
    ///
    /// Of the time until a place in the batch is free, the part of the requests that are expected to run merged on the
    /// same adapter counts less by `mergedDiscount`.
    private func wait(of adapter: AdapterID, on replica: ReplicaSnapshot) -> Int64 {
        let pending = min(max(0, replica.queueTime.saturatingNanoseconds), Self.longestWait)
        let load = replica.isAdapterResident ? 0 : replica.adapterLoadTime.saturatingNanoseconds
        let requests = max(0, replica.waitingRequests) &+ max(0, replica.runningRequests)
        let merged = min(requests, mergedRequests(of: adapter, on: replica))
        var counted = pending
        if merged > 0, parameters.mergedDiscount > 0 {
            let share = Double(merged) / Double(requests) * parameters.mergedDiscount
            counted -= Int64(Double(pending) * share)
        }
        return counted + min(max(0, load), Self.longestWait)
    }

    /// Requests of the adapter that run merged: all where the replica is merged on it, otherwise
    /// full batches of them (floor(n / bs) · bs of the artifact).
    private func mergedRequests(of adapter: AdapterID, on replica: ReplicaSnapshot) -> Int {
        if adapter.isBase { return 0 }
        let requests = max(0, replica.adapterRequests)
        if replica.mergedAdapter == adapter { return requests }
        guard replica.batchRequests > 0 else { return 0 }
        return requests - requests % replica.batchRequests
    }

    /// By fewer requests, then less pending time, fewer pending tokens, the lower identifier.
    private static func isLessLoaded(
        _ left: ReplicaSnapshot, than right: ReplicaSnapshot
    ) -> Bool {
        func key(_ replica: ReplicaSnapshot) -> (Int, Duration, Int, ReplicaID) {
            (
                replica.waitingRequests &+ replica.runningRequests, replica.pendingTime,
                replica.pendingPromptTokens &+ replica.pendingOutputTokens, replica.id
            )
        }
        return key(left) < key(right)
    }

    // MARK: - Placement

    var placementInterval: Duration? { parameters.interval }

    func place(in fleet: FleetSnapshot) throws(PolicyError) -> [AdapterMove] {
        history.forget(below: Self.leastArrivals, at: fleet.now)
        let limits = Placement.Limits(
            reserve: parameters.reserve, loads: parameters.loads,
            patience: parameters.lookahead ? fleet.adapters.count : 0)
        var placement = Placement(fleet, demands: demands(in: fleet), limits: limits)
        placement.improve()
        return placement.moves
    }

    /// What the adapters of the fleet are asked for.
    ///
    /// An adapter counts with `prior` arrivals of the mean length in addition to its own.
    private func demands(in fleet: FleetSnapshot) -> [Placement.Demand] {
        let entries = fleet.adapters.map { history.decayed($0.id, at: fleet.now) }
        let known = entries.compactMap { $0 }
        let arrivals = known.reduce(0) { $0 + $1.arrivals }
        let tokens = known.reduce(0) { $0 + $1.tokens }
        let mean = arrivals > 0 ? tokens / arrivals : 1
        return entries.map { entry in
            Placement.Demand(
                tokens: (entry?.tokens ?? 0) + parameters.prior * max(mean, 1e-9),
                isKnown: entry != nil)
        }
    }

    // MARK: - State

    func exportState() -> PolicyState? { history.exported }

    func importState(_ state: PolicyState) throws(PolicyError) { try history.take(state) }
}
