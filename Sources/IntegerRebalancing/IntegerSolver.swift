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
        guard program.variableCount <= Self.mostVariables, let model = Cbc_newModel() else {
            return nil
        }
        defer { Cbc_deleteModel(model) }
        load(program, into: model)
        if let start { begin(model, with: program.values(of: start)) }
        Cbc_solve(model)
        let best = Cbc_bestSolution(model).map { UnsafePointer($0) }
        guard Cbc_isProvenInfeasible(model) == 0,
            let values = best ?? Cbc_getColSolution(model)
        else { return nil }
        let solution = UnsafeBufferPointer(start: values, count: program.variableCount)
        let assignment = program.assignment(of: solution)
        return Solution(
            assignment: problem.repaired(assignment),
            isOptimal: Cbc_isProvenOptimal(model) != 0,
            bound: Cbc_getBestPossibleObjValue(model))
    }

    private func load(_ program: RebalancingProgram, into model: UnsafeMutableRawPointer) {
        let columns = program.columns
        Cbc_loadProblem(
            model, Int32(program.variableCount), Int32(program.rowCount), columns.starts,
            columns.rows, columns.values, program.lower, program.upper, program.prices,
            program.rowLower, program.rowUpper)
        for index in program.integers { Cbc_setInteger(model, Int32(index)) }
        Cbc_setLogLevel(model, 0)
        for (name, value) in [("log", "0"), ("threads", "0"), ("randomCbcSeed", "1")] {
            Cbc_setParameter(model, name, value)
        }
        Cbc_setMaximumSeconds(model, timeLimit)
    }

    private func begin(_ model: UnsafeMutableRawPointer, with values: [Double]) {
        let indices = values.indices.map(Int32.init)
        Cbc_setMIPStartI(model, Int32(values.count), indices, values)
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
