// SPDX-License-Identifier: Apache-2.0

/// What a policy that looks at all replicas sees of them, at one moment.
///
/// It is a value: it may be handed to another thread and computed with while the fleet goes on.
public struct FleetSnapshot: Sendable {
    public var now: Instant

    /// By identifier, without a gap.
    public var replicas: [FleetReplica]

    /// The adapters that requests may name, by identifier.
    public var adapters: [FleetAdapter]

    /// Unfinished requests, replica by replica, each in order of arrival. Empty where a policy is
    /// asked where adapters should lie.
    public var requests: [FleetRequest]

    /// Seconds to hand over the keys and values of a token; 0 where replicas share their memory,
    /// `nil` where only recomputing is possible.
    public var handoverSecondsPerToken: Double?

    public init(now: Instant) {
        self.now = now
        self.replicas = []
        self.adapters = []
        self.requests = []
        self.handoverSecondsPerToken = nil
    }
}

/// A replica as a part of the fleet.
public struct FleetReplica: Sendable {
    /// As dispatch policies see it; what it says of an adapter is not filled in.
    public var load: ReplicaSnapshot

    /// What the replica has measured; before it has measured anything, what another has.
    public var costs: CostEstimates

    /// The most tokens of an iteration.
    public var batchTokens: Int

    /// Tokens and bytes of a KV page; 0 bytes where they are not known.
    public var pageTokens: Int
    public var pageBytes: Int

    /// Memory for adapters, and what adapters take that are resident or being loaded.
    public var adapterBytes: Int
    public var usedAdapterBytes: Int

    public init(load: ReplicaSnapshot) {
        self.load = load
        self.costs = CostEstimates()
        self.batchTokens = 0
        self.pageTokens = 16
        self.pageBytes = 0
        self.adapterBytes = 0
        self.usedAdapterBytes = 0
    }

    public var id: ReplicaID { load.id }
}

/// An adapter as the fleet holds it.
public struct FleetAdapter: Sendable {
    public var id: AdapterID
    public var bytes: Int
    public var rank: Int

    /// Whether it stays wherever it is.
    public var isPinned: Bool

    /// The replicas where it is resident or being loaded, in order.
    public var holders: [ReplicaID]

    public init(id: AdapterID, bytes: Int) {
        self.id = id
        self.bytes = bytes
        self.rank = 0
        self.isPinned = false
        self.holders = []
    }
}

/// An unfinished request and where it is.
public struct FleetRequest: Sendable {
    public var request: RequestSnapshot
    public var replica: ReplicaID

    /// KV pages that it holds, and whether they can be handed over: nobody shares them.
    public var pages: Int
    public var isHandoverPossible: Bool

    public init(request: RequestSnapshot, replica: ReplicaID) {
        self.request = request
        self.replica = replica
        self.pages = 0
        self.isHandoverPossible = true
    }
}

/// A wish to have an adapter in a replica's memory, or out of it.
@frozen
public struct AdapterMove: Hashable, Sendable {
    @frozen
    public enum Kind: UInt8, Sendable {
        /// Load it, where there is room or adapters that nobody uses can leave for it.
        case load
        /// Drop it, unless requests use it.
        case unload
    }

    public var kind: Kind
    public var adapter: AdapterID
    public var replica: ReplicaID

    @inlinable
    public init(_ kind: Kind, _ adapter: AdapterID, on replica: ReplicaID) {
        self.kind = kind
        self.adapter = adapter
        self.replica = replica
    }
}
