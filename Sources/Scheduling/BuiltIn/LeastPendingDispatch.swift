// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// Sends a request where it is expected to wait least (dLoRA §5.1, short-term dispatch).
///
/// The expectation is `queueTime + adapterLoadTime`. Ties, and so all replicas with a place in their
/// batches, are broken by fewer requests, then less pending time, fewer pending tokens, the lower
/// identifier.
package final class LeastPendingDispatch: DispatchPolicy {
    package static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "least-pending", version: "1.0.0",
            summary: "The replica with the least predicted waiting time takes the request, "
                + "counting the time to load its adapter where that is not resident.")
    }

    package init(parameters: NoParameters = NoParameters(), seed: UInt64 = 0) {}

    package func choose(
        for request: RequestSnapshot, among replicas: Span<ReplicaSnapshot>, at now: Instant
    ) throws(PolicyError) -> ReplicaID {
        guard !replicas.isEmpty else { throw PolicyError("there is no replica to choose from") }
        var best = replicas[0]
        var leastWait = Self.wait(best)
        for index in 1..<max(1, replicas.count) {
            let wait = Self.wait(replicas[index])
            if wait < leastWait
                || (wait == leastWait && Self.isLessLoaded(replicas[index], than: best))
            {
                best = replicas[index]
                leastWait = wait
            }
        }
        return best.id
    }

    private static func wait(_ replica: ReplicaSnapshot) -> Duration {
        replica.isAdapterResident
            ? replica.queueTime : replica.queueTime + replica.adapterLoadTime
    }

    private static func isLessLoaded(
        _ left: ReplicaSnapshot, than right: ReplicaSnapshot
    ) -> Bool {
        let requests = (
            left.waitingRequests &+ left.runningRequests,
            right.waitingRequests &+ right.runningRequests
        )
        if requests.0 != requests.1 { return requests.0 < requests.1 }
        if left.pendingTime != right.pendingTime { return left.pendingTime < right.pendingTime }
        let tokens = (
            left.pendingPromptTokens &+ left.pendingOutputTokens,
            right.pendingPromptTokens &+ right.pendingOutputTokens
        )
        if tokens.0 != tokens.1 { return tokens.0 < tokens.1 }
        return left.id < right.id
    }
}
