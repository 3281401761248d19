// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// Which merged copies of the weights lie in one replica's memory, and which one is being built.
///
/// One copy is built at a time, while steps go on unmerged. Where there is no room for another, the
/// one that was used least recently leaves for it.
package struct MergedCopies {
    /// Where an adapter's copy is.
    package enum State: Sendable {
        /// Not in memory. Can transition to `building`.
        case absent
        /// Its room is taken. Can transition to `ready`, `absent`.
        case building
        /// Can transition to `absent`.
        case ready
    }

    /// What the owner must do, in this order.
    package enum Action: Hashable, Sendable {
        /// Build it, beside the steps, and report ``ReplicaScheduler/copyBuilt(_:bytes:time:at:)``
        /// or ``ReplicaScheduler/copyFailed(_:at:)``.
        case build(AdapterID)
        /// Drop it; a step that was handed out keeps what it uses.
        case drop(AdapterID)
    }

    /// How many copies there is room for; without any, steps never run merged.
    package let capacity: Int

    /// The adapter whose copy is being built.
    package private(set) var building: AdapterID?

    /// Adapters with a copy, the least recently used first.
    package private(set) var ready: [AdapterID] = []

    /// Adapters whose copy could not be built; tried again once they have left memory.
    private var failed: Set<AdapterID> = []

    /// What the owner has not taken yet.
    private(set) var actions: [Action] = []

    package init(capacity: Int) {
        self.capacity = max(0, capacity)
    }

    /// As policies see it.
    package var snapshot: MergedCopiesSnapshot {
        MergedCopiesSnapshot(capacity: capacity, ready: ready, building: building)
    }

    package func state(of id: AdapterID) -> State {
        if building == id { return .building }
        return ready.contains(id) ? .ready : .absent
    }

    /// A step wants to run merged on `id`.
    ///
    /// - Returns: whether its copy is ready.
    mutating func use(_ id: AdapterID) -> Bool {
        guard let index = ready.firstIndex(of: id) else { return false }
        ready.append(ready.remove(at: index))
        return true
    }

    /// Has a copy built where that can be done now.
    ///
    /// - Returns: whether it was begun.
    mutating func begin(_ id: AdapterID) -> Bool {
        guard capacity > 0, building == nil, !failed.contains(id), !ready.contains(id) else {
            return false
        }
        if ready.count == capacity { actions.append(.drop(ready.removeFirst())) }
        building = id
        actions.append(.build(id))
        return true
    }

    /// - Returns: whether the copy was awaited.
    mutating func built(_ id: AdapterID) -> Bool {
        guard building == id else { return false }
        building = nil
        ready.append(id)
        return true
    }

    /// - Returns: whether the copy was awaited.
    mutating func fail(_ id: AdapterID) -> Bool {
        guard building == id else { return false }
        building = nil
        failed.insert(id)
        return true
    }

    /// The adapter leaves memory, and its copy with it; it is not being built.
    mutating func forget(_ id: AdapterID) {
        failed.remove(id)
        guard let index = ready.firstIndex(of: id) else { return }
        ready.remove(at: index)
        actions.append(.drop(id))
    }

    mutating func takeActions() -> [Action] {
        defer { actions.removeAll(keepingCapacity: true) }
        return actions
    }
}
