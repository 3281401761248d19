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

    public var freePages: Int
    public var totalPages: Int

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
        self.freePages = 0
        self.totalPages = 0
        self.isAdapterResident = true
        self.adapterLoadTime = .zero
    }
}

/// Decides which replica takes a request.
public protocol DispatchPolicy: Policy {
    /// Chooses a replica: one of `replicas`, of which there is at least one.
    func choose(
        for request: RequestSnapshot, among replicas: Span<ReplicaSnapshot>, at now: Instant
    ) throws(PolicyError) -> ReplicaID
}

extension DispatchPolicy {
    public static var kind: PolicyKind { .dispatch }
}
