// SPDX-License-Identifier: Apache-2.0

/// What a dispatch policy sees of a replica.
@frozen
public struct ReplicaSnapshot: Sendable {
    public var id: ReplicaID

    /// Requests that wait for their first iteration, and requests that have begun.
    public var waitingRequests: Int
    public var runningRequests: Int

    /// Tokens that its requests still have to compute: prompts, and the most they may generate.
    public var pendingPromptTokens: Int
    public var pendingOutputTokens: Int

    /// When the replica is expected to have served all it holds, from measured step times.
    public var pendingTime: Duration

    /// How long a request that comes now is expected to wait for a place in a batch; none while its
    /// requests do not fill one.
    public var queueTime: Duration

    public var freePages: Int
    public var totalPages: Int

    /// The most requests of an iteration.
    public var batchRequests: Int

    /// The adapter that its last iteration was merged on.
    public var mergedAdapter: AdapterID?

    /// Its unfinished requests on the adapter of the request in question, where that is resident.
    public var adapterRequests: Int

    /// Whether the adapter of the request in question is resident, and if not, how long loading it
    /// is expected to take, from measured loads.
    public var isAdapterResident: Bool
    public var adapterLoadTime: Duration

    public init(id: ReplicaID) {
        self.id = id
        self.waitingRequests = 0
        self.runningRequests = 0
        self.pendingPromptTokens = 0
        self.pendingOutputTokens = 0
        self.pendingTime = .zero
        self.queueTime = .zero
        self.freePages = 0
        self.totalPages = 0
        self.batchRequests = 0
        self.mergedAdapter = nil
        self.adapterRequests = 0
        self.isAdapterResident = true
        self.adapterLoadTime = .zero
    }
}

/// Decides which replica takes a request, and which adapters lie where in the long run.
public protocol DispatchPolicy: Policy {
    /// Chooses a replica: one of `replicas`, of which there is at least one.
    func choose(
        for request: RequestSnapshot, among replicas: Span<ReplicaSnapshot>, at now: Instant
    ) throws(PolicyError) -> ReplicaID

    /// How long after the start, and after each time, the policy is asked where adapters should
    /// lie; `nil` where it has no wishes. At the start it is asked at once.
    var placementInterval: Duration? { get }

    /// Says which adapters should be loaded or dropped where (dLoRA §5.1, long-term placement).
    ///
    /// The host does what memory and running requests allow, in this order. `fleet` has no requests.
    func place(in fleet: FleetSnapshot) throws(PolicyError) -> [AdapterMove]
}

extension DispatchPolicy {
    public static var kind: PolicyKind { .dispatch }
    public var placementInterval: Duration? { nil }
    public func place(in fleet: FleetSnapshot) throws(PolicyError) -> [AdapterMove] { [] }
}
