// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// When a fleet is looked at: when a replica keeps requests waiting much longer than others would, or
/// has no memory left while another has, and not again before a cool-down (dLoRA §5.2 triggers on the
/// same two, but looks every ten seconds only).
package struct RebalancingTrigger: Sendable, Equatable {
    /// How much longer than the mean a replica with waiting requests may be busy.
    package var queueDelay: Duration

    /// The share of free pages below which a replica is short of memory.
    package var memory: Double

    /// How long nothing is asked after a proposal; four times as long after one that moved nothing.
    package var coolDown: Duration

    private var next = Instant(nanoseconds: .min)

    package init(queueDelay: Duration, memory: Double, coolDown: Duration) {
        self.queueDelay = queueDelay
        self.memory = memory
        self.coolDown = coolDown
    }

    package func isDue(among replicas: Span<ReplicaSnapshot>, at now: Instant) -> Bool {
        guard now >= next, replicas.count > 1 else { return false }
        return isLate(replicas) || isShort(replicas)
    }

    private func isLate(_ replicas: Span<ReplicaSnapshot>) -> Bool {
        var sum = 0.0
        var longest = 0.0
        for index in replicas.indices {
            let pending = replicas[index].pendingTime.inSeconds
            sum += pending
            if replicas[index].waitingRequests > 0 { longest = max(longest, pending) }
        }
        return longest - sum / Double(replicas.count) > queueDelay.inSeconds
    }

    private func isShort(_ replicas: Span<ReplicaSnapshot>) -> Bool {
        var isAnyShort = false
        var isAnyFree = false
        for index in replicas.indices where replicas[index].totalPages > 0 {
            let free = Double(replicas[index].freePages) / Double(replicas[index].totalPages)
            if free < memory {
                isAnyShort = true
            } else if free >= 2 * memory + 0.1 {
                isAnyFree = true
            }
        }
        return isAnyShort && isAnyFree
    }

    /// A proposal is being made.
    package mutating func propose(at now: Instant) { next = now.advanced(by: coolDown) }

    /// What became of it.
    package mutating func observe(_ outcome: MigrationOutcome, at now: Instant) {
        let moved = outcome.handedOver + outcome.recomputed + outcome.waiting
        next = now.advanced(by: moved > 0 ? coolDown : coolDown * 4)
    }
}
