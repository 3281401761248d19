// SPDX-License-Identifier: Apache-2.0

/// What a residency policy sees of an adapter in a replica's memory.
@frozen
public struct AdapterSnapshot: Sendable {
    public var id: AdapterID

    /// Bytes that it takes in the replica's memory.
    public var bytes: Int

    /// When a request last ran on it; when it was loaded, if none has.
    public var lastUse: Instant

    /// When it was loaded.
    public var loadedAt: Instant

    /// Requests that have run on it since it was loaded.
    public var uses: Int

    /// How long its last load took, as measured.
    public var loadTime: Duration

    public init(id: AdapterID, bytes: Int, lastUse: Instant) {
        self.id = id
        self.bytes = bytes
        self.lastUse = lastUse
        self.loadedAt = lastUse
        self.uses = 0
        self.loadTime = .zero
    }
}

/// Decides which adapter leaves when another needs the room.
public protocol ResidencyPolicy: Policy {
    /// Chooses who leaves first: one of `candidates`; the host asks again while room is lacking.
    ///
    /// There is at least one candidate; all are adapters that no unfinished request uses and that
    /// are not pinned.
    func evict(
        from candidates: Span<AdapterSnapshot>, at now: Instant
    ) throws(PolicyError) -> AdapterID
}

extension ResidencyPolicy {
    public static var kind: PolicyKind { .residency }
}
