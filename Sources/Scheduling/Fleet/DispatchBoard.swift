// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit

/// The replicas as a dispatch policy sees them, brought up to date only where something changed.
struct DispatchBoard {
    private(set) var snapshots: [ReplicaSnapshot]

    /// Bytes of the adapters that requests may name, and the replicas where each is resident.
    private var bytes: [AdapterID: Int] = [:]
    private var holders: [AdapterID: [Int]] = [:]

    private var secondsPerByte: [Double]
    private var isStale: [Bool]
    private var stale: [Int]

    /// A replica that has measured its steps; others are judged by it until they have.
    private var measured: Int?

    init(count: Int) {
        self.snapshots = (0..<count).map { ReplicaSnapshot(id: ReplicaID(rawValue: $0)) }
        self.secondsPerByte = [Double](repeating: 0, count: count)
        self.isStale = [Bool](repeating: true, count: count)
        self.stale = Array(0..<count)
    }

    /// Something changed in a replica.
    mutating func touch(_ replica: Int) {
        guard !isStale[replica] else { return }
        isStale[replica] = true
        stale.append(replica)
    }

    // MARK: - Adapters

    mutating func register(_ adapter: AdapterDescription) { bytes[adapter.id] = adapter.bytes }

    mutating func retire(_ adapter: AdapterID) { bytes[adapter] = nil }

    mutating func loaded(_ adapter: AdapterID, on replica: Int) {
        if holders[adapter]?.contains(replica) != true {
            holders[adapter, default: []].append(replica)
        }
    }

    mutating func unloaded(_ adapter: AdapterID, from replica: Int) {
        holders[adapter]?.removeAll { $0 == replica }
        if holders[adapter]?.isEmpty == true { holders[adapter] = nil }
    }

    // MARK: - Views

    /// Brings the replicas that changed up to date.
    mutating func refresh(from replicas: inout [ReplicaScheduler]) {
        // With no prediction a replica would look idle however much it holds.
        if measured == nil, let first = stale.first(where: { replicas[$0].costs.isMeasured }) {
            measured = first
            for replica in replicas.indices { touch(replica) }
        }
        let others = measured.map { replicas[$0].costs }
        for replica in stale {
            isStale[replica] = false
            snapshots[replica] = replicas[replica].dispatchSnapshot(orCosts: others)
            secondsPerByte[replica] =
                replicas[replica].costs.loading.secondsPerByte ?? others?.loading.secondsPerByte
                ?? 0
        }
        stale.removeAll(keepingCapacity: true)
    }

    /// Fills in where the adapter of the request in question lies.
    mutating func mark(_ adapter: AdapterID) {
        if adapter.isBase {
            for replica in snapshots.indices { mark(replica, isResident: true, loadTime: .zero) }
            return
        }
        let bytes = Double(bytes[adapter] ?? 0)
        for replica in snapshots.indices {
            let loadTime = Duration.clamping(seconds: bytes * secondsPerByte[replica])
            mark(replica, isResident: false, loadTime: loadTime)
        }
        for replica in holders[adapter] ?? [] {
            mark(replica, isResident: true, loadTime: .zero)
        }
    }

    private mutating func mark(_ replica: Int, isResident: Bool, loadTime: Duration) {
        snapshots[replica].isAdapterResident = isResident
        snapshots[replica].adapterLoadTime = loadTime
    }
}

extension ReplicaScheduler {
    /// When all that the replica holds is expected to be served, or `nil` before it was measured.
    package var pendingTime: Duration? { pendingTime(by: costs) }

    fileprivate func pendingTime(by costs: ReplicaCosts) -> Duration? {
        var isMerged = false
        if case .merged = mode { isMerged = true }
        return costs.pendingTime(of: backlog, in: configuration, isMerged: isMerged)
    }

    /// Mutating only so that it is called in place: a replica is large to copy.
    fileprivate mutating func dispatchSnapshot(orCosts others: ReplicaCosts?) -> ReplicaSnapshot {
        var snapshot = ReplicaSnapshot(id: configuration.id)
        snapshot.waitingRequests = backlog.waiting
        snapshot.runningRequests = backlog.running
        snapshot.pendingPromptTokens = backlog.promptTokens
        snapshot.pendingOutputTokens = backlog.outputTokens
        snapshot.freePages = pages.freePages
        snapshot.totalPages = pages.totalPages
        let costs = costs.isMeasured ? costs : others ?? costs
        snapshot.pendingTime = pendingTime(by: costs) ?? .zero
        return snapshot
    }

    /// Lets an event happen and tells what it changed of what the fleet sums up.
    mutating func follow<Answer>(
        _ event: (inout ReplicaScheduler) -> Answer
    ) -> (answer: Answer, change: ReplicaChange) {
        let waiting = backlog.waiting
        let began = counters.began
        let actions = residency.actions.count
        let answer = event(&self)
        var change = ReplicaChange(
            waiting: backlog.waiting - waiting, began: counters.began - began)
        for action in residency.actions.dropFirst(actions) {
            if case .unload(let adapter) = action { change.unloaded.append(adapter) }
        }
        return (answer, change)
    }
}

/// What an event changed in a replica.
struct ReplicaChange {
    /// By how much the number of waiting requests grew, and how many left the queue to run.
    var waiting: Int
    var began: Int
    var unloaded: [AdapterID] = []
}
