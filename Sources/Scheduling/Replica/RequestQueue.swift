// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit

/// What the scheduler knows of a request beyond what policies see.
struct RequestRecord {
    /// Where its snapshot stands in the order of arrival.
    fileprivate(set) var position = 0
    var originalPromptTokens: Int
    var rank: Int

    /// Whether its claim on the adapter is a lease.
    var isLeased = false
    var hasBegun = false

    /// Whether it is about to move to another replica: no plan has it meanwhile.
    var isHeld = false

    /// The number of the last step that was planned with it.
    var lastStep = 0
}

/// The unfinished requests of a replica in order of arrival.
///
/// Snapshots lie densely in that order, ready to be shown to policies without a copy. A request is
/// known by its slot, which does not change while it lives.
struct RequestQueue {
    /// In order of arrival, then identifier.
    private(set) var snapshots: [RequestSnapshot] = []
    private(set) var backlog = Backlog()

    /// Adapters whose demand has changed since it was last entered into the ledger, perhaps twice.
    private(set) var changedDemands: [AdapterID] = []

    private var demands: [AdapterID: AdapterDemand] = [:]
    private var slots: [Int] = []
    private var records: [RequestRecord] = []
    private var freeSlots: [Int] = []
    private var slotsByID: [RequestID: Int] = [:]

    var count: Int { snapshots.count }

    func slot(of id: RequestID) -> Int? { slotsByID[id] }
    func slot(at position: Int) -> Int { slots[position] }
    func position(of slot: Int) -> Int { records[slot].position }
    func record(_ slot: Int) -> RequestRecord { records[slot] }
    func snapshot(_ slot: Int) -> RequestSnapshot { snapshots[records[slot].position] }
    func demand(of adapter: AdapterID) -> AdapterDemand { demands[adapter] ?? AdapterDemand() }

    mutating func clearChangedDemands() { changedDemands.removeAll(keepingCapacity: true) }

    /// Adds a request behind those that came before it.
    mutating func insert(_ snapshot: RequestSnapshot, _ record: RequestRecord) {
        let position = insertionPosition(of: snapshot)
        var record = record
        record.position = position
        let slot: Int
        if let free = freeSlots.popLast() {
            slot = free
            records[slot] = record
        } else {
            slot = records.count
            records.append(record)
        }
        snapshots.insert(snapshot, at: position)
        slots.insert(slot, at: position)
        for later in (position + 1)..<max(position + 1, slots.count) {
            records[slots[later]].position = later
        }
        slotsByID[snapshot.id] = slot
        backlog.add(snapshot, record)
        countDemand(snapshot, sign: 1)
    }

    private mutating func countDemand(_ request: RequestSnapshot, sign: Int) {
        var demand = demand(of: request.adapter)
        demand.unfinished += sign
        if request.isAdapterResident { demand.runnable += sign }
        if request.phase == .waiting { demand.waiting += sign }
        demand.weight = request.adapterWeight
        demands[request.adapter] = demand.unfinished > 0 ? demand : nil
        changedDemands.append(request.adapter)
    }

    private func insertionPosition(of new: RequestSnapshot) -> Int {
        var (low, high) = (0, snapshots.count)
        if let last = snapshots.last, (last.arrival, last.id) < (new.arrival, new.id) {
            return high
        }
        while low < high {
            let middle = (low + high) / 2
            let other = snapshots[middle]
            if (other.arrival, other.id) < (new.arrival, new.id) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }

    /// Changes a request; identifier and arrival must stay.
    mutating func update(
        _ slot: Int, _ change: (inout RequestSnapshot, inout RequestRecord) -> Void
    ) {
        let position = records[slot].position
        let before = snapshots[position]
        backlog.subtract(before, records[slot])
        change(&snapshots[position], &records[slot])
        let after = snapshots[position]
        backlog.add(after, records[slot])
        guard
            before.isAdapterResident != after.isAdapterResident
                || (before.phase == .waiting) != (after.phase == .waiting)
        else { return }
        countDemand(after, sign: 1)
        countDemand(before, sign: -1)
    }

    /// Forgets requests in one pass; no slot may be named twice.
    mutating func remove(_ leaving: [Int]) {
        guard var first = leaving.first.map({ records[$0].position }) else { return }
        for slot in leaving {
            let position = records[slot].position
            backlog.subtract(snapshots[position], records[slot])
            countDemand(snapshots[position], sign: -1)
            slotsByID[snapshots[position].id] = nil
            slots[position] = -1
            first = min(first, position)
        }
        var kept = first
        for position in first..<slots.count where slots[position] >= 0 {
            snapshots[kept] = snapshots[position]
            slots[kept] = slots[position]
            records[slots[kept]].position = kept
            kept += 1
        }
        snapshots.removeLast(snapshots.count - kept)
        slots.removeLast(slots.count - kept)
        freeSlots.append(contentsOf: leaving)
    }

    /// What does not add up, with the numbers; empty when all is well. Linear in the requests.
    func inconsistencies() -> [String] {
        var problems: [String] = []
        var expected = Backlog()
        var unfinished: [AdapterID: Int] = [:]
        for (position, snapshot) in snapshots.enumerated() {
            let slot = slots[position]
            expected.add(snapshot, records[slot])
            unfinished[snapshot.adapter, default: 0] += 1
            if records[slot].position != position || slotsByID[snapshot.id] != slot {
                problems.append(
                    "request \(snapshot.id.rawValue) at \(position) believes to be at "
                        + "\(records[slot].position), and its slot \(slot) to be "
                        + "\(slotsByID[snapshot.id].map(String.init) ?? "none")")
            }
        }
        if expected != backlog {
            problems.append("the backlog is \(expected), \(backlog) is counted")
        }
        if unfinished != demands.mapValues(\.unfinished) {
            problems.append("the demand is \(unfinished), \(demands) is counted")
        }
        if slotsByID.count != snapshots.count || slots.count != snapshots.count {
            problems.append(
                "\(snapshots.count) requests, \(slots.count) slots, \(slotsByID.count) identifiers")
        }
        return problems
    }
}
