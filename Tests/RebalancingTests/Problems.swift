// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Rebalancing
import TestSupport

extension RebalancingProblem {
    /// A small random problem, most of whose requests are on the first replica.
    static func random(
        seed: UInt64, replicas: Int = 4, requests: Int = 10, adapters: Int = 5
    ) -> RebalancingProblem {
        var random = SeededRandom(seed: seed)
        var problem = RebalancingProblem()
        let machines = 2 + random.below(replicas - 1)
        for index in 0..<machines {
            problem.replicas.append(
                Replica(
                    id: ReplicaID(rawValue: index), pages: random.below(60),
                    adapterRoom: 10 + random.below(40)))
        }
        for index in 0..<1 + random.below(adapters) {
            let holders = (0..<machines).filter { _ in random.chance(30) }
            problem.adapters.append(
                Adapter(
                    id: AdapterID(rawValue: UInt32(index + 1)), bytes: 1 + random.below(10),
                    loadSeconds: Double(random.below(100)) / 100, holders: Set(holders)))
        }
        for index in 0..<2 + random.below(requests - 1) {
            var request = Request(
                id: RequestID(rawValue: UInt64(index)),
                source: random.chance(60) ? 0 : random.below(machines),
                adapter: random.chance(80) ? random.below(problem.adapters.count) : nil,
                seconds: Double(1 + random.below(400)) / 100)
            request.moveSeconds = Double(random.below(50)) / 100
            request.pages = random.below(20)
            problem.requests.append(request)
        }
        problem.secondsPerPage = Double(random.below(10)) / 100
        problem.affinity = Double(random.below(20)) / 100
        problem.admitPresent()
        return problem
    }

    /// The best of all assignments, by trying each.
    var bestByForce: Double {
        var best = Double.infinity
        var assignment = [Int](repeating: 0, count: requests.count)
        while true {
            let (objective, isFeasible) = evaluate(assignment)
            if isFeasible { best = min(best, objective) }
            var place = 0
            while place < assignment.count {
                assignment[place] += 1
                if assignment[place] < replicas.count { break }
                assignment[place] = 0
                place += 1
            }
            if place == assignment.count { return best }
        }
    }
}
