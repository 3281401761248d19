// SPDX-License-Identifier: Apache-2.0

import IntegerRebalancing
import PolicyKit
import TestSupport
import Testing

@testable import Rebalancing

struct SolverTests {
    private typealias Request = RebalancingProblem.Request

    private static func exact(limit: Double = 20) -> IntegerSolver {
        var solver = IntegerSolver()
        solver.isExact = true
        solver.timeLimit = limit
        return solver
    }

    /// Two replicas, an adapter of 5 bytes on the first, four requests of a second each there.
    private static func lopsided(room: Int = 10) -> RebalancingProblem {
        var problem = RebalancingProblem()
        for index in 0..<2 {
            problem.replicas.append(
                .init(id: ReplicaID(rawValue: index), pages: 10, adapterRoom: room))
        }
        problem.adapters.append(
            .init(id: AdapterID(rawValue: 1), bytes: 5, loadSeconds: 0.25, holders: [0]))
        for index in 0..<4 {
            var request = Request(
                id: RequestID(rawValue: UInt64(index)), source: 0, adapter: 0, seconds: 1)
            request.moveSeconds = 0.125
            request.pages = 4
            problem.requests.append(request)
        }
        return problem
    }

    // MARK: - The objective

    @Test(
        arguments: [
            // Four seconds on one replica, and 16 pages where there are ten.
            ([0, 0, 0, 0], 4.0, 0.0), ([0, 0, 0, 0], 4.6, 0.1),
            // A load, two moves, two seconds; each move costs a ten-thousandth of a second more.
            ([0, 0, 1, 1], 2.5 + 2e-4, 0.1), ([0, 0, 0, 1], 3 + 1e-4, 0),
            ([0, 0, 0, 1], 3.2 + 1e-4, 0.1),
        ] as [([Int], Double, Double)])
    func theObjectiveIsThatOfTheLastReplica(
        assignment: [Int], expected: Double, perPage: Double
    ) {
        var problem = Self.lopsided()
        problem.secondsPerPage = perPage
        let (objective, isFeasible) = problem.evaluate(assignment)
        #expect(abs(objective - expected) < 1e-9)
        #expect(isFeasible)
    }

    @Test
    func adaptersMustFit() {
        var problem = Self.lopsided(room: 4)
        #expect(!problem.evaluate([0, 0, 1, 1]).isFeasible)
        #expect(!problem.evaluate(problem.present).isFeasible)
        problem.admitPresent()
        #expect(problem.evaluate(problem.present).isFeasible)
        #expect(GreedySolver.solve(problem) == problem.present)
        #expect(Self.exact().solve(problem)?.assignment == problem.present)
    }

    @Test
    func halfGoesOver() throws {
        let problem = Self.lopsided()
        let expected = problem.evaluate([0, 0, 1, 1]).objective
        #expect(problem.evaluate(GreedySolver.solve(problem)).objective == expected)
        let solution = try #require(Self.exact().solve(problem))
        #expect(solution.isOptimal)
        #expect(abs(problem.evaluate(solution.assignment).objective - expected) < 1e-6)
    }

    @Test
    func nothingMovesForNothing() {
        var problem = Self.lopsided()
        for index in problem.requests.indices { problem.requests[index].source = index % 2 }
        problem.adapters[0].holders = [0, 1]
        #expect(GreedySolver.solve(problem) == problem.present)
        #expect(Self.exact().solve(problem)?.assignment == problem.present)
    }

    // MARK: - Against each other

    @Test
    func theProgramFindsWhatTryingAllFinds() throws {
        for seed in 0..<60 as Range<UInt64> {
            let problem = RebalancingProblem.random(seed: seed, replicas: 3, requests: 6)
            let solution = try #require(Self.exact().solve(problem), "seed \(seed)")
            let (objective, isFeasible) = problem.evaluate(solution.assignment)
            #expect(isFeasible && solution.isOptimal, "seed \(seed)")
            #expect(abs(objective - problem.bestByForce) < 1e-5, "seed \(seed)")
        }
    }

    /// The oracle: greedy is within 5 % of the exact program on the mean of thousands of instances.
    @Test
    func greedyIsNearTheProgram() throws {
        var gaps: [Double] = []
        var rounded: [Double] = []
        for seed in 1_000..<3_000 as Range<UInt64> {
            let problem = RebalancingProblem.random(seed: seed, requests: 9)
            let solution = try #require(Self.exact().solve(problem), "seed \(seed)")
            let best = problem.evaluate(solution.assignment).objective
            let (greedy, isFeasible) = problem.evaluate(GreedySolver.solve(problem))
            #expect(isFeasible, "seed \(seed)")
            #expect(greedy <= problem.evaluate(problem.present).objective, "seed \(seed)")
            gaps.append(greedy / best - 1)
            if seed % 10 == 0, let relaxed = IntegerSolver().solve(problem) {
                rounded.append(problem.evaluate(relaxed.assignment).objective / best - 1)
            }
        }
        let mean = gaps.reduce(0, +) / Double(gaps.count)
        print(
            """
            greedy over the exact program on \(gaps.count) instances: mean \(mean), worst \
            \(gaps.max() ?? 0), equal \(gaps.count { $0 < 1e-6 }); relaxed and rounded on \
            \(rounded.count): mean \(rounded.reduce(0, +) / Double(max(1, rounded.count)))
            """)
        #expect(mean <= 0.05)
        #expect(gaps.allSatisfy { $0 > -1e-5 })
    }

    @Test
    func largeProblemsAreSolvedAlikeAndGetBetter() {
        for seed in 0..<4 as Range<UInt64> {
            let problem = RebalancingProblem.random(
                seed: seed, replicas: 24, requests: 2_000, adapters: 40)
            let answer = GreedySolver.solve(problem)
            #expect(GreedySolver.solve(problem) == answer)
            let (before, after) = (problem.evaluate(problem.present), problem.evaluate(answer))
            #expect(after.isFeasible)
            #expect(after.objective <= before.objective)
        }
    }
}
