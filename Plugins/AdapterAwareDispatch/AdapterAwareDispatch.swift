// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([AdapterAwareDispatch.self])
}

/// dLoRA's proactive mechanism (OSDI '24, §5.1): requests go where they are expected to wait least,
/// loading included, and adapters are placed so that the one that could bear the smallest burst could
/// bear as large a one as possible.
final class AdapterAwareDispatch: DispatchPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "adapter-aware-dispatch", version: "1.0.0",
            summary: "Sends a request where its predicted wait, loading its adapter included, is "
                + "least, and places adapters by what they have been asked for lately: dLoRA's "
                + "dispatch and placement.")
    }

    private static let schema = "arrivals/1"
    private let parameters: Parameters
    private var history: ArrivalHistory

    init(parameters: Parameters, seed: UInt64) throws(PolicyError) {
        self.parameters = parameters
        history = ArrivalHistory(halfLife: parameters.halfLife)
    }

    // MARK: - Dispatch

    func choose(
        for request: RequestSnapshot, among replicas: Span<ReplicaSnapshot>, at now: Instant
    ) throws(PolicyError) -> ReplicaID {
        guard !replicas.isEmpty else { throw PolicyError("there is no replica to choose from") }
        history.note(request, at: now)
        var best = Candidate(replicas[0], for: request.adapter, parameters.mergedDiscount)
        for index in 1..<max(1, replicas.count) {
            let other = Candidate(replicas[index], for: request.adapter, parameters.mergedDiscount)
            if other < best { best = other }
        }
        return best.replica.id
    }

    // MARK: - Placement

    var placementInterval: Duration? { parameters.interval }

    func place(in fleet: FleetSnapshot) throws(PolicyError) -> [AdapterMove] {
        var placement = Placement(
            of: fleet, rates: history.rates(of: fleet.adapters.map(\.id), at: fleet.now),
            footprint: history.footprint, reserve: parameters.reserve)
        placement.fill()
        return placement.moves
    }

    // MARK: - State

    func exportState() -> PolicyState? {
        PolicyState(schema: Self.schema, bytes: history.bytes)
    }

    func importState(_ state: PolicyState) throws(PolicyError) {
        guard state.schema == Self.schema else {
            throw PolicyError("the state is of '\(state.schema)', wanted is '\(Self.schema)'")
        }
        guard let read = ArrivalHistory(state.bytes, halfLife: parameters.halfLife) else {
            throw PolicyError("the history of arrivals is damaged")
        }
        history = read
    }
}

/// A replica with what a request would wait there.
private struct Candidate {
    let replica: ReplicaSnapshot
    let wait: Duration

    init(_ replica: ReplicaSnapshot, for adapter: AdapterID, _ discount: Double) {
        self.replica = replica
        var wait = replica.pendingTime
        let isMerged = replica.mergedAdapter == adapter && !adapter.isBase
        let fillsBatch =
            replica.batchRequests > 0 && replica.adapterRequests >= replica.batchRequests
        if discount > 0, !adapter.isBase, isMerged || fillsBatch { wait *= 1 - discount }
        self.wait = replica.isAdapterResident ? wait : wait + replica.adapterLoadTime
    }

    /// By wait; of equals the one that has the adapter, then the one with less to do.
    static func < (left: Candidate, right: Candidate) -> Bool {
        if left.wait != right.wait { return left.wait < right.wait }
        if left.replica.isAdapterResident != right.replica.isAdapterResident {
            return left.replica.isAdapterResident
        }
        let (here, there) = (left.replica, right.replica)
        let requests = (
            here.waitingRequests &+ here.runningRequests,
            there.waitingRequests &+ there.runningRequests
        )
        if requests.0 != requests.1 { return requests.0 < requests.1 }
        let tokens = (
            here.pendingPromptTokens &+ here.pendingOutputTokens,
            there.pendingPromptTokens &+ there.pendingOutputTokens
        )
        return tokens.0 != tokens.1 ? tokens.0 < tokens.1 : here.id < there.id
    }
}

extension Duration {
    fileprivate static func *= (duration: inout Duration, factor: Double) {
        duration = duration * factor
    }
}
