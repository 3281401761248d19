// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// The burst-tolerance greedy of dLoRA §5.1.
///
/// The burst tolerance of an adapter is its peak capacity, the requests that fit into the
/// unallocated memory of the replicas that hold it, over its average load. With lengths in tokens
/// that is, but for a factor that all adapters share, bytes over tokens that came.
struct Placement {
    /// What an adapter is asked for.
    struct Demand {
        /// Tokens, prompts and the most that may be generated; above 0.
        var tokens: Double

        /// Whether any of it comes from requests.
        var isKnown: Bool
    }

    struct Limits {
        var reserve: Double
        var loads: Int

        /// Loads that may follow one another without a better placement.
        var patience: Int
    }

    /// How urgently an adapter needs a copy; the most urgent is the least.
    private struct Urgency: Comparable {
        var tolerance: Double
        var tokens: Double
        var adapter: Int

        static func < (left: Urgency, right: Urgency) -> Bool {
            if left.tolerance != right.tolerance { return left.tolerance < right.tolerance }
            if left.tokens != right.tokens { return left.tokens > right.tokens }
            return left.adapter < right.adapter
        }
    }

    /// The replica with the most unallocated memory is the least.
    private struct Space: Comparable {
        var unallocated: Int
        var replica: Int

        static func < (left: Space, right: Space) -> Bool {
            left.unallocated != right.unallocated
                ? left.unallocated > right.unallocated : left.replica < right.replica
        }
    }

    /// How good a placement is: the minimum tolerance, and where that is 0, how much of the demand
    /// finds its adapter somewhere.
    private struct Score {
        var minimum: Double
        var covered: Double

        /// Better by 5 % at least: less is not worth loading for.
        func isBetter(than other: Score) -> Bool {
            minimum > other.minimum * 1.05
                || (minimum >= other.minimum && covered > other.covered * (1 + 1e-9))
        }
    }

    private struct Step {
        var isLoad: Bool
        var adapter: Int
        var replica: Int
    }

    /// An adapter loses a copy to one without any only where that is wanted so many times as much.
    private static let displacement = 2.0

    /// Copies looked at for one that can leave, before giving up.
    private static let mostVictims = 64

    private let fleet: FleetSnapshot
    private let demands: [Demand]
    private let limits: Limits
    private var memory: FleetMemory
    private var adapters: IndexedHeap<Urgency>
    private var replicas: IndexedHeap<Space>
    private var loads: [Int]
    private var covered = 0.0
    private var steps: [Step] = []

    /// Copies that may leave, the most tolerant adapters last; `nil` before they are asked for.
    private var victims: [Step]?

    init(_ fleet: FleetSnapshot, demands: [Demand], limits: Limits) {
        self.fleet = fleet
        self.demands = demands
        self.limits = limits
        self.memory = FleetMemory(fleet, reserve: limits.reserve)
        self.adapters = IndexedHeap(count: demands.count)
        self.replicas = IndexedHeap(count: fleet.replicas.count)
        self.loads = [Int](repeating: 0, count: fleet.replicas.count)
        for replica in fleet.replicas.indices { rank(replica: replica) }
    }

    /// What was found, in the order in which it is to be done.
    var moves: [AdapterMove] {
        steps.map { step in
            AdapterMove(
                step.isLoad ? .load : .unload, fleet.adapters[step.adapter].id,
                on: fleet.replicas[step.replica].id)
        }
    }

    /// Adapters that requests have named come first, also at the cost of others; those that nobody
    /// asked for take what is left.
    mutating func improve() {
        let eligible = demands.indices.filter { !fleet.adapters[$0].id.isBase }
        let known = eligible.filter { demands[$0].isKnown }
        if !known.isEmpty { raiseMinimum(of: mostWanted(of: known), byUnloading: true) }
        if known.count < eligible.count { raiseMinimum(of: eligible, byUnloading: false) }
    }

    /// All of them where the fleet has memory for one copy of each; otherwise the most wanted, whose
    /// single copies take half of the memory.
    ///
    /// Otherwise the minimum would stay 0, and the least wanted adapter's first copy would come
    /// before the second of the most wanted.
    private func mostWanted(of known: [Int]) -> [Int] {
        let available = fleet.replicas.reduce(0.0) { $0 + Double(max(0, $1.adapterBytes)) }
        let wanted = known.reduce(0.0) { $0 + Double(memory.bytes[$1]) }
        if wanted <= available { return known }
        var left = available / 2
        let sorted = known.sorted {
            (demands[$1].tokens, $0) < (demands[$0].tokens, $1)
        }
        return Array(
            sorted.prefix { adapter in
                left -= Double(memory.bytes[adapter])
                return left >= 0
            })
    }

    /// Gives the adapter of the lowest tolerance another copy, again and again, and goes back to
    /// the best placement on the way.
    private mutating func raiseMinimum(of some: [Int], byUnloading canUnload: Bool) {
        covered = 0
        for adapter in some {
            rank(adapter)
            if memory.copies[adapter] > 0 { covered += demands[adapter].tokens }
        }
        guard var best = score else { return }
        var kept = steps.count
        var sinceBest = 0
        while let lowest = adapters.top, sinceBest <= limits.patience,
            addCopy(of: lowest.item, byUnloading: canUnload)
        {
            guard let here = score else { break }
            let isBetter =
                limits.patience > 0 ? here.isBetter(than: best) : here.minimum >= best.minimum
            if isBetter {
                best = here
                kept = steps.count
                sinceBest = 0
            } else {
                sinceBest += 1
            }
        }
        while steps.count > kept { undo() }
        for adapter in some { adapters.remove(adapter) }
    }

    private var score: Score? {
        adapters.top.map { Score(minimum: $0.key.tolerance, covered: covered) }
    }

    // MARK: - Steps

    private mutating func addCopy(of adapter: Int, byUnloading canUnload: Bool) -> Bool {
        if let replica = roomiest(for: adapter) {
            carryOut(Step(isLoad: true, adapter: adapter, replica: replica))
            return true
        }
        guard canUnload, let leaving = victim(for: adapter) else { return false }
        carryOut(leaving)
        carryOut(Step(isLoad: true, adapter: adapter, replica: leaving.replica))
        return true
    }

    /// The replica without the adapter and with room for it that has the most unallocated memory.
    private mutating func roomiest(for adapter: Int) -> Int? {
        var passed: [Int] = []
        defer { for replica in passed { rank(replica: replica) } }
        while let top = replicas.top {
            let replica = top.item
            if memory.room[replica] >= memory.bytes[adapter], !memory.holds(adapter, replica) {
                return replica
            }
            passed.append(replica)
            replicas.remove(replica)
        }
        return nil
    }

    private mutating func carryOut(_ step: Step) {
        steps.append(step)
        apply(step.isLoad, step.adapter, step.replica)
        loads[step.replica] += step.isLoad ? 1 : 0
        rank(replica: step.replica)
    }

    private mutating func undo() {
        guard let step = steps.popLast() else { return }
        apply(!step.isLoad, step.adapter, step.replica)
        loads[step.replica] -= step.isLoad ? 1 : 0
        rank(replica: step.replica)
    }

    private mutating func apply(_ isLoad: Bool, _ adapter: Int, _ replica: Int) {
        let wasThere = memory.copies[adapter] > 0
        if isLoad {
            memory.load(adapter, on: replica)
        } else {
            memory.drop(adapter, from: replica)
        }
        if adapters.contains(adapter), wasThere != (memory.copies[adapter] > 0) {
            covered += isLoad ? demands[adapter].tokens : -demands[adapter].tokens
        }
        for other in memory.held[replica] where adapters.contains(other) { rank(other) }
        if adapters.contains(adapter) { rank(adapter) }
    }

    private mutating func rank(_ adapter: Int) {
        adapters.set(
            adapter,
            Urgency(
                tolerance: Double(memory.capacity[adapter]) / demands[adapter].tokens,
                tokens: demands[adapter].tokens, adapter: adapter))
    }

    /// A replica without room for anything is not looked at.
    private mutating func rank(replica: Int) {
        if loads[replica] < limits.loads, memory.room[replica] > 0 {
            replicas.set(
                replica, Space(unallocated: memory.unallocated[replica], replica: replica))
        } else {
            replicas.remove(replica)
        }
    }

    // MARK: - Unloading

    /// A copy that can leave for the adapter: of an adapter that nobody asks for, or one that stays
    /// more tolerant than this one is, or one that is wanted much less.
    private mutating func victim(for adapter: Int) -> Step? {
        var candidates = victims ?? copiesByTolerance()
        defer { victims = candidates }
        var place = candidates.count - 1
        var left = Self.mostVictims
        while place >= 0, left > 0 {
            let candidate = candidates[place]
            guard memory.holds(candidate.adapter, candidate.replica) else {
                candidates.remove(at: place)
                place -= 1
                continue
            }
            if canLeave(candidate, for: adapter) {
                candidates.remove(at: place)
                return candidate
            }
            place -= 1
            left -= 1
        }
        return nil
    }

    private func canLeave(_ copy: Step, for adapter: Int) -> Bool {
        let (other, replica) = (copy.adapter, copy.replica)
        guard other != adapter, loads[replica] < limits.loads, !memory.holds(adapter, replica),
            memory.room[replica] + memory.bytes[other] >= memory.bytes[adapter]
        else { return false }
        if !adapters.contains(other) { return true }
        let rest = Double(memory.capacity[other] - memory.unallocated[replica])
        if rest / demands[other].tokens
            > Double(memory.capacity[adapter]) / demands[adapter].tokens
        {
            return memory.copies[other] > 1
        }
        return memory.copies[adapter] == 0 && memory.copies[other] == 1
            && demands[other].tokens * Self.displacement < demands[adapter].tokens
    }

    private func copiesByTolerance() -> [Step] {
        var copies: [(tolerance: Double, step: Step)] = []
        // Copies that this placement wants itself are not among those that lay there before.
        for (adapter, entry) in fleet.adapters.enumerated() where !entry.isPinned {
            let tolerance = Double(memory.capacity[adapter]) / demands[adapter].tokens
            for holder in entry.holders where fleet.replicas.indices.contains(holder.rawValue) {
                copies.append(
                    (
                        tolerance,
                        Step(isLoad: false, adapter: adapter, replica: holder.rawValue)
                    ))
            }
        }
        copies.sort { left, right in
            (left.tolerance, right.step.adapter, right.step.replica)
                < (right.tolerance, left.step.adapter, left.step.replica)
        }
        return copies.map(\.step)
    }
}
