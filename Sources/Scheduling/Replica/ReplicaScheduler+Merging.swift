// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

// Merged copies are built while steps go on: a plan that asks for one which is not ready runs
// unmerged, and its policy is told so.
extension ReplicaScheduler {
    /// The mode in which a checked plan can run now.
    mutating func possibleMode(_ wanted: BatchMode) -> BatchMode {
        guard let adapter = wanted.mergedAdapter else { return wanted }
        if copies.use(adapter) { return wanted }
        prepare(adapter)
        counters.unmergedInstead += 1
        return .unmerged
    }

    /// Has a merged copy built beside the steps, where that can be done now.
    mutating func prepare(_ adapter: AdapterID) {
        // The copy is made from the adapter's weights: they stay until it is whole.
        if copies.begin(adapter) { residency.hold(adapter) }
    }

    /// A copy that an action asked for is whole; building it took `time` of its thread.
    package mutating func copyBuilt(
        _ id: AdapterID, bytes: Int, time: Duration, at now: Instant
    ) {
        guard copies.built(id) else { return }
        counters.merges += 1
        costs.observeCopy(bytes: bytes, took: time)
        residency.letGo(id, at: now)
        forgetRetired()
        takeGrants()
    }

    /// A copy that an action asked for could not be built.
    package mutating func copyFailed(_ id: AdapterID, at now: Instant) {
        guard copies.fail(id) else { return }
        counters.failedMerges += 1
        residency.letGo(id, at: now)
        forgetRetired()
        takeGrants()
    }

    /// Merged copies that the caller must build and drop, in this order.
    package mutating func takeMergeActions() -> [MergedCopies.Action] { copies.takeActions() }
}
