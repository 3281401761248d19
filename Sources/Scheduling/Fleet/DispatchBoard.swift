// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit

/// The replicas as a dispatch policy sees them, brought up to date only where something changed.
struct DispatchBoard {
    private(set) var snapshots: [ReplicaSnapshot]

    private var isStale: [Bool]
    private var stale: [Int]

    init(count: Int) {
        self.snapshots = (0..<count).map { ReplicaSnapshot(id: ReplicaID(rawValue: $0)) }
        self.isStale = [Bool](repeating: true, count: count)
        self.stale = Array(0..<count)
    }

    /// Something changed in a replica.
    mutating func touch(_ replica: Int) {
        guard !isStale[replica] else { return }
        isStale[replica] = true
        stale.append(replica)
    }

    /// Brings the replicas that changed up to date.
    mutating func refresh(from replicas: [ReplicaScheduler]) {
        // A replica that has not run yet is judged by what another of the same kind has measured:
        // with no prediction it would look idle however much it holds.
        let known = replicas.first { $0.costs.steps.observations > 0 }?.costs
        for replica in stale {
            isStale[replica] = false
            snapshots[replica] = replicas[replica].dispatchSnapshot(orCosts: known)
        }
        stale.removeAll(keepingCapacity: true)
    }

    /// Fills in where the adapter of the request in question lies.
    mutating func mark(_ adapter: AdapterID, in replicas: [ReplicaScheduler]) {
        for replica in snapshots.indices {
            let isResident = replicas[replica].residency.state(of: adapter) == .resident
            snapshots[replica].isAdapterResident = isResident
            snapshots[replica].adapterLoadTime =
                isResident ? .zero : replicas[replica].loadTime(of: adapter)
        }
    }
}

extension ReplicaScheduler {
    fileprivate func dispatchSnapshot(orCosts known: ReplicaCosts?) -> ReplicaSnapshot {
        var snapshot = ReplicaSnapshot(id: configuration.id)
        snapshot.waitingRequests = backlog.waiting
        snapshot.runningRequests = backlog.running
        snapshot.pendingPromptTokens = backlog.promptTokens
        snapshot.pendingOutputTokens = backlog.outputTokens
        snapshot.freePages = pages.freePages
        snapshot.totalPages = pages.totalPages
        let costs = costs.steps.observations > 0 ? costs : known ?? costs
        snapshot.pendingTime = pendingTime(by: costs) ?? .zero
        return snapshot
    }

    /// When all that the replica holds is expected to be served, or `nil` before it was measured.
    package var pendingTime: Duration? { pendingTime(by: costs) }

    private func pendingTime(by costs: ReplicaCosts) -> Duration? {
        var isMerged = false
        if case .merged = mode { isMerged = true }
        return costs.pendingTime(of: backlog, in: configuration, isMerged: isMerged)
    }

    /// How long loading an adapter is expected to take; zero before any load was measured.
    fileprivate func loadTime(of adapter: AdapterID) -> Duration {
        guard let bytes = residency.description(of: adapter)?.bytes else { return .zero }
        return costs.loading.predict(bytes: bytes) ?? .zero
    }
}
