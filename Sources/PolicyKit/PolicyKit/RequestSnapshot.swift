// SPDX-License-Identifier: Apache-2.0

/// How far a request has come.
@frozen
public enum RequestPhase: UInt8, Sendable {
    /// Nothing was computed for it, or it was preempted and must be recomputed: it holds no KV pages
    /// but those that it shares with others that begin alike.
    case waiting
    /// A part of its prompt is in the KV cache.
    case prefilling
    /// It generates: each iteration in which it runs gives one token.
    case decoding
}

/// What a policy sees of a request: facts, no text.
@frozen
public struct RequestSnapshot: Sendable {
    public var id: RequestID
    public var adapter: AdapterID
    public var tenant: TenantID
    public var phase: RequestPhase

    /// Whether the adapter's weights lie in this replica's memory, ready to run.
    public var isAdapterResident: Bool

    /// The largest rank of the adapter's matrices; 0 for the base.
    public var adapterRank: Int

    /// Shares of service that the manifest gives the adapter and the tenant, relative to others.
    public var adapterWeight: Double
    public var tenantWeight: Double

    /// When the request came to the host; kept over preemption and migration.
    public var arrival: Instant

    /// When its first token should be there at the latest, where its service class sets a target.
    public var firstTokenDeadline: Instant?

    /// Tokens of the prompt, and of what a preempted request had generated before.
    public var promptTokens: Int

    /// Tokens whose keys and values are in the cache, be it that others have computed them.
    public var computedTokens: Int

    /// Tokens generated so far.
    public var generatedTokens: Int

    /// The most tokens that it may generate.
    public var maximumTokens: Int

    /// How many of its first tokens must be computed in one iteration, as the gate of its mixture
    /// needs them together; 0 where its prompt may be cut anywhere.
    public var undividedTokens: Int

    public init(
        id: RequestID, adapter: AdapterID, tenant: TenantID = TenantID(rawValue: 0),
        arrival: Instant, promptTokens: Int
    ) {
        self.id = id
        self.adapter = adapter
        self.tenant = tenant
        self.phase = .waiting
        self.isAdapterResident = true
        self.adapterRank = 0
        self.adapterWeight = 1
        self.tenantWeight = 1
        self.arrival = arrival
        self.firstTokenDeadline = nil
        self.promptTokens = promptTokens
        self.computedTokens = 0
        self.generatedTokens = 0
        self.maximumTokens = 16
        self.undividedTokens = 0
    }

    /// Tokens that must be computed before the request can give its next token: the rest of the
    /// prompt, or 1 while decoding.
    @inlinable
    public var pendingTokens: Int {
        phase == .decoding ? 1 : promptTokens - computedTokens
    }

    /// The fewest tokens of it that an iteration may compute: 1, or all that must be computed
    /// together.
    @inlinable
    public var leastTokens: Int {
        computedTokens < undividedTokens ? max(1, min(undividedTokens, pendingTokens)) : 1
    }
}
