// SPDX-License-Identifier: Apache-2.0

/// How many requests each adapter has, of those whose adapter is resident.
///
/// One may be kept and filled anew for each iteration, so that it allocates nothing.
public struct AdapterTally: Sendable {
    /// One adapter's requests.
    @frozen
    public struct Share: Hashable, Sendable {
        public var adapter: AdapterID
        public var requests: Int

        @inlinable
        public init(adapter: AdapterID, requests: Int) {
            self.adapter = adapter
            self.requests = requests
        }
    }

    /// All adapters with resident requests, the base among them, in the order of their first one.
    public private(set) var shares: [Share] = []

    private var positions: [AdapterID: Int] = [:]

    /// No requests.
    public init() {}

    /// Counts these requests, and forgets those counted before.
    public mutating func count(_ requests: Span<RequestSnapshot>) {
        shares.removeAll(keepingCapacity: true)
        positions.removeAll(keepingCapacity: true)
        var position = 0
        for index in requests.indices where requests[index].isAdapterResident {
            let adapter = requests[index].adapter
            // Requests of one adapter often stand in a row.
            if shares.isEmpty || shares[position].adapter != adapter {
                position = self.position(of: adapter)
            }
            shares[position].requests += 1
        }
    }

    private mutating func position(of adapter: AdapterID) -> Int {
        if let position = positions[adapter] { return position }
        positions[adapter] = shares.count
        shares.append(Share(adapter: adapter, requests: 0))
        return shares.count - 1
    }

    /// The adapter's requests; none where it has no resident one.
    public subscript(adapter: AdapterID) -> Int {
        positions[adapter].map { shares[$0].requests } ?? 0
    }

    /// The adapter with the most requests, among those that may be merged: not the base, and none of
    /// `excluded`.
    ///
    /// Of several with the most it is `preferred`, or the one whose first request stands first.
    public func most(
        without excluded: Set<AdapterID>, preferring preferred: AdapterID? = nil
    ) -> Share? {
        var best: Share?
        for share in shares where !share.adapter.isBase && !excluded.contains(share.adapter) {
            let leads = share.requests > best?.requests ?? 0
            let ties = share.requests == best?.requests && share.adapter == preferred
            if leads || ties { best = share }
        }
        return best
    }
}
