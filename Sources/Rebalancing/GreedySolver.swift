// SPDX-License-Identifier: Apache-2.0

/// Finds a good assignment fast: from where everything is now and from an empty fleet (list scheduling,
/// the longest first, adapter by adapter), each improved by moves and swaps until nothing helps.
///
/// It depends on the problem alone; its work is bounded by counts, not by a clock.
package struct GreedySolver {
    private let problem: RebalancingProblem
    private var loads: Loads
    private var assignment: [Int]

    /// Requests of each replica.
    private var members: [[Int]]

    /// How many changes may still be looked at.
    private var budget: Int

    /// The best assignment found; never worse than the present one.
    package static func solve(_ problem: RebalancingProblem, budget: Int = 400_000) -> [Int] {
        guard problem.replicas.count > 1, !problem.requests.isEmpty else { return problem.present }
        var best = GreedySolver(problem, from: problem.present, budget: budget / 2)
        best.improve()
        var answer = best.assignment
        var objective = problem.evaluate(answer).objective
        if let listed = listSchedule(problem) {
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
        members = Array(repeating: [], count: problem.replicas.count)
        for (index, replica) in assignment.enumerated() {
            loads.add(index, to: replica)
            members[replica].append(index)
        }
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
            guard let worst = times.indices.max(by: { times[$0] < times[$1] }) else { return }
            let others = times.indices.filter { $0 != worst }.sorted {
                times[$0] != times[$1] ? times[$0] < times[$1] : $0 < $1
            }
            guard
                let change = move(from: worst, to: others, times) ?? swap(worst, others, times)
                    ?? moveGroup(from: worst, to: others, times)
            else { return }
            apply(change)
            for replica in [worst, change.target] { times[replica] = loads.time(replica) }
        }
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
        members[source].removeAll { $0 == index }
        members[target].append(index)
    }

    /// The move of one request after which the later of the two replicas is done earliest. The replicas
    /// that are done first are tried first; with many of them the first good one is taken.
    private mutating func move(
        from worst: Int, to others: [Int], _ times: [Double]
    ) -> Change? {
        let threshold = problem.moveThreshold
        var best: (change: Change, time: Double)?
        for target in others.prefix(8) {
            for index in members[worst] {
                budget -= 1
                let (arrived, isPossible) = loads.time(adding: index, to: target)
                guard isPossible else { continue }
                let time = max(loads.time(removing: index, from: worst), arrived)
                guard time < times[worst] - threshold, time < best?.time ?? .infinity else {
                    continue
                }
                best = (Change(source: worst, target: target, leaving: [index]), time)
            }
            if others.count > 8, best != nil { break }
        }
        return best?.change
    }

    /// A request of the replica that is done last for a shorter one of another.
    private mutating func swap(_ worst: Int, _ others: [Int], _ times: [Double]) -> Change? {
        let threshold = 2 * problem.moveThreshold
        for target in others.prefix(8) {
            var best: (change: Change, time: Double)?
            for index in members[worst] {
                for other in members[target]
                where problem.requests[other].seconds < problem.requests[index].seconds {
                    budget -= 1
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
            let threshold = Double(group.count) * problem.moveThreshold
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
