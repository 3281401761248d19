// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([ConsolidatingDispatch.self])
}

/// Fills one replica after the other (Punica, MLSys '24, §5.1): the busiest that still has room
/// takes the request.
final class ConsolidatingDispatch: DispatchPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "consolidating-dispatch", version: "1.0.0",
            summary: "The busiest replica that has room for the request takes it, so that others "
                + "stay idle; Punica's scheduling.")
    }

    private let pageTokens: Int

    init(parameters: Parameters, seed: UInt64) { pageTokens = parameters.pageTokens }

    func choose(
        for request: RequestSnapshot, among replicas: Span<ReplicaSnapshot>, at now: Instant
    ) throws(PolicyError) -> ReplicaID {
        guard !replicas.isEmpty else { throw PolicyError("there is no replica to choose from") }
        var busiest: (requests: Int, id: ReplicaID)?
        var least = 0
        for index in replicas.indices {
            let replica = replicas[index]
            if hasRoom(replica, for: request) {
                let here = (requests: Self.requests(of: replica), id: replica.id)
                if busiest.map({ $0 < here }) ?? true { busiest = here }
            }
            if Self.waits(replica, lessThan: replicas[least]) { least = index }
        }
        return busiest?.id ?? replicas[least].id
    }

    /// Whether the batch is not full and the prompt finds free pages. A page of the prompt that is
    /// in the prefix cache counts as if it were not.
    private func hasRoom(_ replica: ReplicaSnapshot, for request: RequestSnapshot) -> Bool {
        let prompt = max(0, request.promptTokens)
        let pages = prompt / pageTokens + (prompt % pageTokens > 0 ? 1 : 0)
        return Self.requests(of: replica) < replica.batchRequests && pages <= replica.freePages
    }

    private static func requests(of replica: ReplicaSnapshot) -> Int {
        replica.waitingRequests &+ replica.runningRequests
    }

    /// By predicted wait, then fewer requests, fewer pending tokens, the lower identifier, as the
    /// built-in `least-pending`.
    private static func waits(_ left: ReplicaSnapshot, lessThan right: ReplicaSnapshot) -> Bool {
        func key(_ replica: ReplicaSnapshot) -> (Duration, Int, Int, ReplicaID) {
            (
                replica.queueTime
                    + (replica.isAdapterResident ? .zero : replica.adapterLoadTime),
                requests(of: replica),
                replica.pendingPromptTokens &+ replica.pendingOutputTokens, replica.id
            )
        }
        return key(left) < key(right)
    }
}
