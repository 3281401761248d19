// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit
internal import Workloads

/// What is known of an unfinished request besides what the scheduler knows.
struct LiveRequest {
    var id: RequestID
    var index: Int
    var planned: PlannedRequest
    var arrival: Instant
    var replica = -1
    var begin: Instant?
    var firstToken: Instant?
    var lastToken: Instant?
    var tokens = 0

    /// Tokens in the cache behind the last iteration that it was part of.
    var computed = 0
    var preemptions = 0
    var migrations = 0

    init(id: RequestID, index: Int, planned: PlannedRequest, arrival: Instant) {
        self.id = id
        self.index = index
        self.planned = planned
        self.arrival = arrival
    }
}

/// Unfinished requests, found by a place that their identifiers carry in the lower bits; the upper
/// ones count up, so that no identifier comes twice and later requests have larger ones.
struct LiveRequests {
    private static let placeBits: UInt64 = 24
    private static let placeMask: UInt64 = (1 << placeBits) - 1

    private var slots: [LiveRequest?] = []
    private var free: [Int] = []
    private var made: UInt64 = 0

    /// - Returns: its identifier.
    mutating func insert(_ planned: PlannedRequest, arrival: Instant) -> RequestID {
        let place = free.popLast() ?? slots.count
        precondition(place <= Int(Self.placeMask), "\(place) requests are unfinished")
        if place == slots.count { slots.append(nil) }
        let id = RequestID(rawValue: (made + 1) << Self.placeBits | UInt64(place))
        slots[place] = LiveRequest(id: id, index: Int(made), planned: planned, arrival: arrival)
        made += 1
        return id
    }

    /// Changes a request, unless it is over.
    mutating func update(_ id: RequestID, _ change: (inout LiveRequest) -> Void) {
        let place = Int(id.rawValue & Self.placeMask)
        guard slots.indices.contains(place), slots[place]?.id == id else { return }
        change(&slots[place]!)
    }

    /// A request that is not over.
    func request(_ id: RequestID) -> LiveRequest? {
        let place = Int(id.rawValue & Self.placeMask)
        guard slots.indices.contains(place), slots[place]?.id == id else { return nil }
        return slots[place]
    }

    /// - Returns: the request, unless it was over already.
    mutating func remove(_ id: RequestID) -> LiveRequest? {
        let place = Int(id.rawValue & Self.placeMask)
        guard slots.indices.contains(place), let request = slots[place], request.id == id else {
            return nil
        }
        slots[place] = nil
        free.append(place)
        return request
    }

    /// The identifiers of all, in order of arrival.
    var identifiers: [RequestID] { slots.compactMap { $0?.id }.sorted() }

    /// How many requests have been inserted.
    var count: Int { Int(made) }
}
