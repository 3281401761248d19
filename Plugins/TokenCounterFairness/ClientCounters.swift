// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// Who shares the service: an adapter, a tenant, or an adapter of a tenant.
struct Client: Hashable, Comparable {
    var adapter: UInt32
    var tenant: UInt32

    init(adapter: UInt32, tenant: UInt32) {
        self.adapter = adapter
        self.tenant = tenant
    }

    init(of request: RequestSnapshot, per clients: TokenCounterFairness.Clients) {
        adapter = clients == .tenant ? 0 : request.adapter.rawValue
        tenant = clients == .adapter ? 0 : request.tenant.rawValue
    }

    static func < (left: Client, right: Client) -> Bool {
        (left.adapter, left.tenant) < (right.adapter, right.tenant)
    }
}

/// Weighted tokens in steps of 1/1024, so that sums do not depend on the order of their terms.
typealias Cost = Int64

extension Cost {
    static let unit = 1024.0

    init(tokens: Double) {
        let scaled = (tokens * Cost.unit).rounded()
        // Far beyond what a replica computes in its life, and far from the end of the integers.
        self = Cost(Swift.max(-1e17, Swift.min(1e17, scaled.isFinite ? scaled : 0)))
    }

    var tokens: Double { Double(self) / Cost.unit }

    func adding(_ other: Cost) -> Cost {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }
}

/// What each client has been given, by its weight. A client keeps its slot while requests of it are
/// known.
struct ClientCounters {
    private(set) var counters: [Cost] = []
    private(set) var clients: [Client] = []
    private var uses: [Int] = []
    private var slots: [Client: Int] = [:]

    /// Clients without requests are forgotten beyond so many.
    static let most = 4096

    var count: Int { slots.count }

    /// The slot of a client, which one more request uses.
    mutating func use(_ client: Client) -> Int {
        let slot = slots[client] ?? insert(client, 0)
        uses[slot] += 1
        return slot
    }

    mutating func unuse(_ slot: Int) { uses[slot] -= 1 }

    mutating func charge(_ slot: Int, _ cost: Cost) {
        counters[slot] = counters[slot].adding(cost)
    }

    mutating func lift(_ slot: Int, to floor: Cost) {
        counters[slot] = Swift.max(counters[slot], floor)
    }

    private mutating func insert(_ client: Client, _ counter: Cost) -> Int {
        slots[client] = counters.count
        counters.append(counter)
        clients.append(client)
        uses.append(0)
        return counters.count - 1
    }

    /// Forgets clients without requests where there are too many, those first that owe the least:
    /// they would be lifted on their return anyway.
    ///
    /// - Returns: the new slots by the old ones where anything was forgotten.
    mutating func trim() -> [Int?]? {
        guard count > 2 * Self.most else { return nil }
        let idle = counters.indices.filter { uses[$0] == 0 }
            .sorted { (counters[$0], clients[$0]) < (counters[$1], clients[$1]) }
        let leaving = Set(idle.prefix(count - Self.most))
        var moved = [Int?](repeating: nil, count: counters.count)
        var kept = ClientCounters()
        for slot in counters.indices where !leaving.contains(slot) {
            moved[slot] = kept.insert(clients[slot], counters[slot])
            kept.uses[kept.uses.count - 1] = uses[slot]
        }
        self = kept
        return moved
    }

    // MARK: - State

    /// Adapter, tenant and counter of each client, in order of the slots.
    var words: [Int64] {
        counters.indices.flatMap { slot in
            let client = clients[slot]
            let key = UInt64(client.adapter) << 32 | UInt64(client.tenant)
            return [Int64(bitPattern: key), counters[slot]]
        }
    }

    /// - Returns: `nil` where the words are no counters of different clients.
    init?(words: ArraySlice<Int64>) {
        guard words.count.isMultiple(of: 2), words.count / 2 <= 4 * Self.most else { return nil }
        for start in stride(from: words.startIndex, to: words.endIndex, by: 2) {
            let key = UInt64(bitPattern: words[start])
            let client = Client(
                adapter: UInt32(truncatingIfNeeded: key >> 32),
                tenant: UInt32(truncatingIfNeeded: key))
            let counter = words[start + 1]
            guard slots[client] == nil, (-(1 << 60)...1 << 60).contains(counter) else {
                return nil
            }
            _ = insert(client, counter)
        }
    }

    init() {}

    mutating func reuse(_ slot: Int) { uses[slot] += 1 }
}
