// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// The adapter that has been idle longest leaves first; of equals, the lower identifier.
package final class LeastRecentlyUsedResidency: ResidencyPolicy {
    package static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "lru", version: "1.0.0",
            summary: "The adapter that has not been used for the longest time leaves first.")
    }

    package init(parameters: NoParameters = NoParameters(), seed: UInt64 = 0) {}

    package func evict(
        from candidates: Span<AdapterSnapshot>, at now: Instant
    ) throws(PolicyError) -> AdapterID {
        guard !candidates.isEmpty else { throw PolicyError("there is no adapter to evict") }
        var oldest = candidates[0]
        for index in candidates.indices
        where (candidates[index].lastUse, candidates[index].id) < (oldest.lastUse, oldest.id) {
            oldest = candidates[index]
        }
        return oldest.id
    }
}
