// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([ConsolidatingDispatch.self])
}

/// The busiest replica that still has room takes a request, so that idle ones stay idle (Punica,
/// MLSys '24, §5.1).
final class ConsolidatingDispatch: DispatchPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "consolidating-dispatch", version: "1.0.0",
            summary: "Sends a request to the busiest replica that has room for it, so that the "
                + "others stay free to be given back; Punica's scheduling.")
    }

    init(parameters: NoParameters, seed: UInt64) throws(PolicyError) {}

    func choose(
        for request: RequestSnapshot, among replicas: Span<ReplicaSnapshot>, at now: Instant
    ) throws(PolicyError) -> ReplicaID {
        guard !replicas.isEmpty else { throw PolicyError("there is no replica to choose from") }
        var busiest: ReplicaSnapshot?
        var freest = replicas[0]
        for index in replicas.indices {
            let replica = replicas[index]
            if replica.pendingTime < freest.pendingTime { freest = replica }
            guard Self.hasRoom(replica, for: request) else { continue }
            if let found = busiest, Self.requests(replica) < Self.requests(found) { continue }
            // Of equally busy ones the one with the highest number, as Punica says.
            if let found = busiest, Self.requests(replica) == Self.requests(found),
                replica.id < found.id
            {
                continue
            }
            busiest = replica
        }
        return busiest?.id ?? freest.id
    }

    private static func requests(_ replica: ReplicaSnapshot) -> Int {
        replica.waitingRequests &+ replica.runningRequests
    }

    /// Whether it would run at once: a place in the batch, and pages for its prompt beside what waits.
    private static func hasRoom(_ replica: ReplicaSnapshot, for request: RequestSnapshot) -> Bool {
        let isBatchFull =
            replica.batchRequests > 0 && requests(replica) >= replica.batchRequests
        let pages = max(1, request.promptTokens / 16 &+ 1)
        return !isBatchFull && (replica.totalPages == 0 || replica.freePages >= pages)
    }
}
