// SPDX-License-Identifier: Apache-2.0

/// Finds a good assignment fast: from where everything is now and from an empty fleet (list scheduling,
/// the longest first, adapter by adapter), each improved by moves and swaps until nothing helps.
///
/// It depends on the problem alone; its work is bounded by counts, not by a clock.
package struct GreedySolver {
    private let problem: RebalancingProblem
    private let seconds: [Double]
    private let threshold: Double
    private var loads: Loads
    private var assignment: [Int]

    /// Requests of each replica, the longest first.
    private var members: [[Int]]

    /// Above so many pairs of a request and a replica the fleet is not scheduled anew.
    private static let mostPairs = 100_000

    /// How many changes are looked at, at least and for each request.
    private static let leastBudget = 160_000
    private static let budgetForEach = 40

    /// Nearer to the mean of all replicas, which nothing can beat, it is not worth while to search on.
    private static let nearEnough = 1.002

    /// A swap that is looked at counts as so many moves.
    private static let swapPrice = 8

    /// With more requests on a replica those are looked at first whose length is about right.
    private static let manyMembers = 48

    /// How many changes may still be looked at.
    private var budget: Int

    /// The best assignment found; never worse than the present one.
    package static func solve(_ problem: RebalancingProblem) -> [Int] {
        guard problem.replicas.count > 1, !problem.requests.isEmpty else { return problem.present }
        let budget = max(leastBudget, budgetForEach * problem.requests.count)
        var best = GreedySolver(problem, from: problem.present, budget: budget / 2)
        best.improve()
        var answer = best.assignment
        var objective = problem.evaluate(answer).objective
        let isSmall = problem.requests.count * problem.replicas.count <= mostPairs
        if isSmall, let listed = listSchedule(problem) {
            var other = GreedySolver(problem, from: listed, budget: budget / 2)
            other.improve()
            let (value, isFeasible) = problem.evaluate(other.assignment)
            if isFeasible, value < objective - 1e-12 {
                answer = other.assignment
                objective = value
            }
        }
        return objective < problem.evaluate(problem.present).objective ? answer : problem.present
    }

    private init(_ problem: RebalancingProblem, from assignment: [Int], budget: Int) {
        self.problem = problem
        self.assignment = assignment
        self.budget = budget
        loads = Loads(problem)
        seconds = problem.requests.map(\.seconds)
        threshold = problem.moveThreshold
        members = Array(repeating: [], count: problem.replicas.count)
        for (index, replica) in assignment.enumerated() {
            loads.add(index, to: replica)
            members[replica].append(index)
        }
        for replica in members.indices {
            members[replica] = members[replica].sorted(by: isLonger)
        }
    }

    private func isLonger(_ left: Int, _ right: Int) -> Bool {
        seconds[left] != seconds[right] ? seconds[left] > seconds[right] : left < right
    }

    // MARK: - List scheduling

    /// The longest requests first, each where the replica is then done earliest.
    private static func listSchedule(_ problem: RebalancingProblem) -> [Int]? {
        var loads = Loads(problem)
        var assignment = [Int](repeating: 0, count: problem.requests.count)
        let order = problem.requests.indices.sorted {
            let (left, right) = (problem.requests[$0], problem.requests[$1])
            return left.seconds != right.seconds ? left.seconds > right.seconds : $0 < $1
        }
        for index in order {
            var best: (replica: Int, seconds: Double)?
            for replica in problem.replicas.indices {
                let (seconds, isPossible) = loads.time(adding: index, to: replica)
                guard isPossible else { continue }
                let stays = replica == problem.requests[index].source
                if let found = best, seconds > found.seconds - (stays ? 0 : 1e-12) { continue }
                best = (replica, seconds)
            }
            guard let best else { return nil }
            loads.add(index, to: best.replica)
            assignment[index] = best.replica
        }
        return assignment
    }

    // MARK: - Local search

    /// Takes load off the replica that is done last, as long as that helps.
    private mutating func improve() {
        var times = problem.replicas.indices.map(loads.time)
        while budget > 0 {
            guard let worst = times.indices.max(by: { times[$0] < times[$1] }),
                let idlest = times.indices.min(by: { times[$0] < times[$1] }), worst != idlest
            else { return }
            let mean = times.reduce(0, +) / Double(times.count)
            if times[worst] <= Self.nearEnough * mean { return }
            guard let change = move(from: worst, to: idlest, times) ?? search(from: worst, times)
            else { return }
            apply(change)
            for replica in [worst, change.target] { times[replica] = loads.time(replica) }
        }
    }

    /// What helps where a request that goes to the replica that is done first does not.
    private mutating func search(from worst: Int, _ times: [Double]) -> Change? {
        let others = times.indices.filter { $0 != worst }.sorted {
            times[$0] != times[$1] ? times[$0] < times[$1] : $0 < $1
        }
        return move(from: worst, to: others, times) ?? swap(worst, others, times)
            ?? moveGroup(from: worst, to: others, times)
    }

    /// Requests that leave a replica and requests that come to it.
    private struct Change {
        let source: Int
        let target: Int
        var leaving: [Int]
        var coming: [Int] = []
    }

    private mutating func apply(_ change: Change) {
        for index in change.leaving { put(index, from: change.source, on: change.target) }
        for index in change.coming { put(index, from: change.target, on: change.source) }
    }

    private mutating func put(_ index: Int, from source: Int, on target: Int) {
        loads.remove(index, from: source)
        loads.add(index, to: target)
        assignment[index] = target
        members[source].remove(at: place(of: index, on: source))
        members[target].insert(index, at: place(of: index, on: target))
    }

    /// Where a request stands, or would stand, among those of a replica.
    private func place(of index: Int, on replica: Int) -> Int {
        firstPlace(on: replica) { !isLonger($0, index) }
    }

    /// The first place whose request, and so all behind it, `isBehind`.
    private func firstPlace(on replica: Int, where isBehind: (Int) -> Bool) -> Int {
        var (low, high) = (0, members[replica].count)
        while low < high {
            let middle = (low + high) / 2
            if isBehind(members[replica][middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// The move to one replica, out of requests that are about half as long as the times are apart.
    private mutating func move(from worst: Int, to target: Int, _ times: [Double]) -> Change? {
        let half = (times[worst] - times[target]) / 2
        var window = members[worst].indices
        if window.count > Self.manyMembers {
            let middle = firstPlace(on: worst) { seconds[$0] <= half }
            let low = max(0, min(middle - 4, window.count - Self.manyMembers / 2))
            window = low..<min(low + Self.manyMembers / 2, window.count)
        }
        var best: (change: Change, time: Double)?
        for place in window {
            consider(members[worst][place], from: worst, to: target, times, &best)
        }
        return best?.change
    }

    private mutating func consider(
        _ index: Int, from worst: Int, to target: Int, _ times: [Double],
        _ best: inout (change: Change, time: Double)?
    ) {
        budget -= 1
        let (arrived, isPossible) = loads.time(adding: index, to: target)
        guard isPossible else { return }
        let time = max(loads.time(removing: index, from: worst), arrived)
        guard time < times[worst] - threshold, time < best?.time ?? .infinity else {
            return
        }
        best = (Change(source: worst, target: target, leaving: [index]), time)
    }

    /// The move of one request after which the later of the two replicas is done earliest. The replicas
    /// that are done first are tried first; with many of them the first good one is taken.
    private mutating func move(
        from worst: Int, to others: [Int], _ times: [Double]
    ) -> Change? {
        var best: (change: Change, time: Double)?
        for target in others.prefix(8) {
            for index in members[worst] { consider(index, from: worst, to: target, times, &best) }
            if others.count > 8, best != nil { break }
        }
        return best?.change
    }

    /// A request of the replica that is done last for a shorter one of another.
    private mutating func swap(_ worst: Int, _ others: [Int], _ times: [Double]) -> Change? {
        let threshold = 2 * threshold
        for target in others.prefix(8) {
            var best: (change: Change, time: Double)?
            for index in members[worst] {
                for other in members[target]
                where seconds[other] < seconds[index] {
                    budget -= Self.swapPrice
                    if budget <= 0 { return best?.change }
                    guard let time = time(swapping: index, of: worst, for: other, of: target),
                        time < times[worst] - threshold, time < best?.time ?? .infinity
                    else { continue }
                    let change = Change(
                        source: worst, target: target, leaving: [index], coming: [other])
                    best = (change, time)
                }
            }
            if let best { return best.change }
        }
        return nil
    }

    private mutating func time(
        swapping index: Int, of worst: Int, for other: Int, of target: Int
    ) -> Double? {
        loads.remove(index, from: worst)
        loads.remove(other, from: target)
        let here = loads.time(adding: other, to: worst)
        let there = loads.time(adding: index, to: target)
        loads.add(index, to: worst)
        loads.add(other, to: target)
        return here.isPossible && there.isPossible ? max(here.seconds, there.seconds) : nil
    }

    /// All requests of one adapter together, which frees its place.
    private mutating func moveGroup(
        from worst: Int, to others: [Int], _ times: [Double]
    ) -> Change? {
        let adapters = Set(members[worst].compactMap { problem.requests[$0].adapter }).sorted()
        for adapter in adapters {
            let group = members[worst].filter { problem.requests[$0].adapter == adapter }
            guard group.count > 1 else { continue }
            let threshold = Double(group.count) * threshold
            for target in others.prefix(8) {
                budget -= group.count
                var trial = self
                var isPossible = true
                for index in group {
                    isPossible =
                        isPossible && trial.loads.time(adding: index, to: target).isPossible
                    trial.loads.remove(index, from: worst)
                    trial.loads.add(index, to: target)
                }
                let time = max(trial.loads.time(worst), trial.loads.time(target))
                if isPossible, time < times[worst] - threshold {
                    return Change(source: worst, target: target, leaving: group)
                }
            }
        }
        return nil
    }
}
