// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit

/// The replicas as a dispatch policy sees them, brought up to date only where something changed.
struct DispatchBoard {
    private(set) var snapshots: [ReplicaSnapshot]

    /// The adapters that requests may name, and the replicas where each is resident or being loaded.
    private var descriptions: [AdapterID: AdapterDescription] = [:]
    private var holders: [AdapterID: [Int]] = [:]
    private var loaders: [AdapterID: [Int]] = [:]

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

    mutating func register(_ adapter: AdapterDescription) { descriptions[adapter.id] = adapter }

    mutating func retire(_ adapter: AdapterID) { descriptions[adapter] = nil }

    /// The adapters that are resident somewhere, with their replicas; in no order.
    var allHolders: [(id: AdapterID, replicas: [Int])] {
        holders.map { (id: $0.key, replicas: $0.value) }
    }

    /// The replicas where an adapter is resident.
    func holders(of adapter: AdapterID) -> [Int] { holders[adapter] ?? [] }

    /// All adapters that requests may name, by identifier.
    var adapters: [FleetAdapter] {
        descriptions.keys.sorted().compactMap { id in
            guard let description = descriptions[id] else { return nil }
            var adapter = FleetAdapter(id: id, bytes: description.bytes)
            adapter.rank = description.rank
            adapter.isPinned = description.isPinned
            adapter.holders = Set((holders[id] ?? []) + (loaders[id] ?? [])).sorted()
                .map(ReplicaID.init(rawValue:))
            return adapter
        }
    }

    mutating func loading(_ adapter: AdapterID, on replica: Int) {
        loaders[adapter, default: []].append(replica)
    }

    mutating func loadEnded(_ adapter: AdapterID, on replica: Int) {
        loaders[adapter]?.removeAll { $0 == replica }
        if loaders[adapter]?.isEmpty == true { loaders[adapter] = nil }
    }

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
    mutating func mark(_ adapter: AdapterID, among replicas: inout [ReplicaScheduler]) {
        if adapter.isBase {
            for replica in snapshots.indices {
                mark(replica, isResident: true, loadTime: .zero)
                snapshots[replica].adapterRequests = replicas[replica].requests(on: adapter)
            }
            return
        }
        let bytes = Double(descriptions[adapter]?.bytes ?? 0)
        for replica in snapshots.indices {
            let loadTime = Duration.clamping(seconds: bytes * secondsPerByte[replica])
            mark(replica, isResident: false, loadTime: loadTime)
            snapshots[replica].adapterRequests = 0
        }
        // Where it is not in memory nobody can run on it.
        for replica in holders[adapter] ?? [] {
            mark(replica, isResident: true, loadTime: .zero)
            snapshots[replica].adapterRequests = replicas[replica].requests(on: adapter)
        }
    }

    private mutating func mark(_ replica: Int, isResident: Bool, loadTime: Duration) {
        snapshots[replica].isAdapterResident = isResident
        snapshots[replica].adapterLoadTime = loadTime
    }
}

extension ReplicaScheduler {
    /// Unfinished requests on an adapter; mutating as ``dispatchSnapshot(orCosts:)`` is.
    fileprivate mutating func requests(on adapter: AdapterID) -> Int {
        queue.demand(of: adapter).unfinished
    }

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
        snapshot.batchRequests = configuration.batchRequests
        snapshot.mergedAdapter = mode.mergedAdapter
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
            switch action {
            case .load(let adapter): change.loading.append(adapter)
            case .unload(let adapter): change.unloaded.append(adapter)
            }
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
    var loading: [AdapterID] = []
}
