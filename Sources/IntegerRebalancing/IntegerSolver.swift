// SPDX-License-Identifier: Apache-2.0

internal import CCbc
package import Rebalancing

/// The integer program of dLoRA §5.2, solved by CBC, which dLoRA used.
package struct IntegerSolver {
    /// What a solution is worth.
    package struct Solution: Sendable, Equatable {
        package var assignment: [Int]
        /// Whether no assignment is better, rounding apart.
        package var isOptimal: Bool
        /// What the solver says that no assignment can beat; of a relaxed program it may be less.
        package var bound: Double
    }

    /// Whether a request is on one replica or may be cut up and is then rounded (the paper's fourth
    /// acceleration).
    package var isExact = false

    /// The most seconds that the solver takes.
    package var timeLimit = 1.0

    /// The most variables: beyond them the program is not built.
    package static let mostVariables = 2_000_000

    package init() {}

    /// Solves a problem, from the assignment of `start` on where that is given.
    ///
    /// - Returns: `nil` where the solver finds nothing in time, or the problem is too large.
    package func solve(_ problem: RebalancingProblem, from start: [Int]? = nil) -> Solution? {
        guard !problem.requests.isEmpty, problem.replicas.count > 1 else {
            return Solution(assignment: problem.present, isOptimal: true, bound: 0)
        }
        let program = RebalancingProgram(problem, isExact: isExact)
        guard program.variableCount <= Self.mostVariables else { return nil }
        var values = [Double](repeating: 0, count: program.variableCount)
        var bound = 0.0
        let first = start.map(program.values)
        let outcome = program.withColumns { columns in
            cbc_minimise(&columns, first, timeLimit, &values, &bound)
        }
        guard outcome != CBC_NOTHING else { return nil }
        return Solution(
            assignment: problem.repaired(program.assignment(of: values)),
            isOptimal: outcome == CBC_OPTIMAL, bound: bound)
    }
}

extension RebalancingProblem {
    /// An assignment whose adapters fit: requests go back, adapter by adapter, the lightest first, until
    /// they do. Where that is not enough, or gains nothing, everything stays.
    fileprivate func repaired(_ assignment: [Int]) -> [Int] {
        var repaired = assignment
        for replica in replicas.indices {
            var groups: [Int: Double] = [:]
            for (request, place) in zip(requests, repaired) where place == replica {
                if let adapter = request.adapter { groups[adapter, default: 0] += request.seconds }
            }
            var bytes = groups.keys.reduce(0) { $0 + adapters[$1].bytes }
            let order = groups.sorted { ($0.value, $0.key) < ($1.value, $1.key) }
            for (adapter, _) in order where bytes > replicas[replica].adapterRoom {
                let members = requests.indices.filter {
                    requests[$0].adapter == adapter && repaired[$0] == replica
                }
                guard members.allSatisfy({ requests[$0].source != replica }) else { continue }
                for index in members { repaired[index] = requests[index].source }
                bytes -= adapters[adapter].bytes
            }
        }
        let (objective, isFeasible) = evaluate(repaired)
        return isFeasible && objective < evaluate(present).objective ? repaired : present
    }
}
