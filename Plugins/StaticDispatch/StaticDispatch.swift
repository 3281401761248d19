// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([StaticDispatch.self])
}

/// Each adapter has replicas of its own, whatever they have to do (the allocation that dLoRA §7.1
/// gives its baselines).
final class StaticDispatch: DispatchPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "static-dispatch", version: "1.0.0",
            summary: "Adapters are dealt out to the replicas in turn, and a request goes to the "
                + "least loaded of those that have its adapter; the allocation of dLoRA's baselines."
        )
    }

    private let copies: Int

    init(parameters: Parameters, seed: UInt64) throws(PolicyError) {
        copies = parameters.copies
    }

    func choose(
        for request: RequestSnapshot, among replicas: Span<ReplicaSnapshot>, at now: Instant
    ) throws(PolicyError) -> ReplicaID {
        guard !replicas.isEmpty else { throw PolicyError("there is no replica to choose from") }
        // Requests for the base model have no adapter to go by.
        let copies = request.adapter.isBase ? replicas.count : min(copies, replicas.count)
        // The copies of an adapter lie as far apart as they can.
        let stride = max(1, replicas.count / copies)
        var best: ReplicaSnapshot?
        for copy in 0..<copies {
            let number = Int(request.adapter.rawValue) &+ copy &* stride
            let replica = replicas[number % replicas.count]
            if let found = best, !Self.isLessLoaded(replica, than: found) { continue }
            best = replica
        }
        return best?.id ?? replicas[0].id
    }

    private static func isLessLoaded(
        _ left: ReplicaSnapshot, than right: ReplicaSnapshot
    ) -> Bool {
        if left.pendingTime != right.pendingTime { return left.pendingTime < right.pendingTime }
        let requests = (
            left.waitingRequests &+ left.runningRequests,
            right.waitingRequests &+ right.runningRequests
        )
        return requests.0 != requests.1 ? requests.0 < requests.1 : left.id < right.id
    }
}
