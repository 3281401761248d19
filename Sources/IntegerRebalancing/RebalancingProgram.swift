// SPDX-License-Identifier: Apache-2.0

internal import CCbc
internal import Rebalancing

/// The rows and columns of the integer program.
///
/// Variables are the time T of the replica that is done last, for each replica the pages z that do not
/// fit, for each request and replica x, for each adapter and replica y:
///
///     minimise  T + threshold * (requests that move)
///     T  >=  sum (seconds + move) x + sum (affinity + load) y + secondsPerPage z   for each replica
///     sum pages x - z  <=  pages                                                  for each replica
///     sum x  =  1                                                                 for each request
///     sum x  <=  n y    for each adapter and replica (n its requests); exactly: x <= y for each request
///     sum bytes y  <=  room                                                       for each replica
struct RebalancingProgram {
    /// The matrix column by column, as CBC takes it.
    struct Columns {
        var starts: [Int32] = [0]
        var rows: [Int32] = []
        var values: [Double] = []
    }

    private(set) var columns = Columns()
    private(set) var lower: [Double] = []
    private(set) var upper: [Double] = []
    private(set) var prices: [Double] = []
    private(set) var integers: [Int32] = []
    private(set) var rowLower: [Double]
    private(set) var rowUpper: [Double]
    private let problem: RebalancingProblem
    private let isExact: Bool

    var variableCount: Int { prices.count }
    var rowCount: Int { rowLower.count }

    private var machines: Int { problem.replicas.count }
    private var firstX: Int { 1 + machines }
    private var firstY: Int { firstX + problem.requests.count * machines }

    // Rows: time, pages, room, one for each request, then the matching ones.
    private var firstRequestRow: Int { 3 * machines }
    private var firstMatch: Int { firstRequestRow + problem.requests.count }

    init(_ problem: RebalancingProblem, isExact: Bool) {
        self.problem = problem
        self.isExact = isExact
        let machines = problem.replicas.count
        rowLower = Array(repeating: 0, count: machines)
        rowUpper = Array(repeating: .infinity, count: machines)
        for replica in problem.replicas {
            rowLower.append(-.infinity)
            rowUpper.append(Double(replica.pages))
        }
        for replica in problem.replicas {
            rowLower.append(-.infinity)
            rowUpper.append(Double(replica.adapterRoom))
        }
        rowLower += Array(repeating: 1, count: problem.requests.count)
        rowUpper += Array(repeating: 1, count: problem.requests.count)
        let matches = isExact ? problem.requests.count : problem.adapters.count
        rowLower += Array(repeating: -.infinity, count: matches * machines)
        rowUpper += Array(repeating: 0, count: matches * machines)
        addTime()
        for index in problem.requests.indices { addPlaces(of: index) }
        for index in problem.adapters.indices { addHolders(of: index) }
    }

    private mutating func add(
        _ entries: [(row: Int, value: Double)], price: Double, upper limit: Double = 1,
        isInteger: Bool = false
    ) {
        if isInteger { integers.append(Int32(prices.count)) }
        for entry in entries where entry.value != 0 {
            columns.rows.append(Int32(entry.row))
            columns.values.append(entry.value)
        }
        columns.starts.append(Int32(columns.rows.count))
        prices.append(price)
        lower.append(0)
        upper.append(limit)
    }

    private mutating func addTime() {
        add((0..<machines).map { ($0, 1) }, price: 1, upper: .infinity)
        for machine in 0..<machines {
            add(
                [(machine, -problem.secondsPerPage), (machines + machine, -1)], price: 0,
                upper: .infinity)
        }
    }

    private mutating func addPlaces(of index: Int) {
        let request = problem.requests[index]
        for machine in 0..<machines {
            let isMove = machine != request.source
            let seconds = request.seconds + (isMove ? request.moveSeconds : 0)
            var entries: [(row: Int, value: Double)] = [
                (machine, -seconds), (machines + machine, Double(request.pages)),
                (firstRequestRow + index, 1),
            ]
            if let adapter = request.adapter {
                let match = isExact ? index : adapter
                entries.append((firstMatch + match * machines + machine, 1))
            }
            add(entries, price: isMove ? problem.moveThreshold : 0, isInteger: isExact)
        }
    }

    private mutating func addHolders(of index: Int) {
        let adapter = problem.adapters[index]
        let users = problem.requests.indices.filter { problem.requests[$0].adapter == index }
        for machine in 0..<machines {
            let load = adapter.holders.contains(machine) ? 0 : adapter.loadSeconds
            var entries: [(row: Int, value: Double)] = [
                (machine, -(problem.affinity + load)),
                (2 * machines + machine, Double(adapter.bytes)),
            ]
            if isExact {
                for user in users { entries.append((firstMatch + user * machines + machine, -1)) }
            } else {
                entries.append((firstMatch + index * machines + machine, -Double(users.count)))
            }
            add(entries, price: 0, isInteger: true)
        }
    }

    /// Lends the program to the solver.
    func withColumns<Result>(_ body: (inout CbcProgram) -> Result) -> Result {
        columns.starts.withUnsafeBufferPointer { starts in
            columns.rows.withUnsafeBufferPointer { rows in
                columns.values.withUnsafeBufferPointer { values in
                    withBounds { bounds in
                        var program = bounds
                        program.starts = starts.baseAddress
                        program.row_indices = rows.baseAddress
                        program.values = values.baseAddress
                        return body(&program)
                    }
                }
            }
        }
    }

    private func withBounds<Result>(_ body: (CbcProgram) -> Result) -> Result {
        lower.withUnsafeBufferPointer { lower in
            upper.withUnsafeBufferPointer { upper in
                prices.withUnsafeBufferPointer { prices in
                    rowLower.withUnsafeBufferPointer { rowLower in
                        rowUpper.withUnsafeBufferPointer { rowUpper in
                            integers.withUnsafeBufferPointer { integers in
                                var program = CbcProgram()
                                program.variables = Int32(prices.count)
                                program.rows = Int32(rowLower.count)
                                program.lower = lower.baseAddress
                                program.upper = upper.baseAddress
                                program.prices = prices.baseAddress
                                program.row_lower = rowLower.baseAddress
                                program.row_upper = rowUpper.baseAddress
                                program.integer_count = Int32(integers.count)
                                program.integers = integers.baseAddress
                                return body(program)
                            }
                        }
                    }
                }
            }
        }
    }

    // MARK: - Solutions

    /// The replica that has most of each request.
    func assignment(of values: [Double]) -> [Int] {
        problem.requests.indices.map { index in
            let first = firstX + index * machines
            var best = problem.requests[index].source
            for machine in 0..<machines
            where values[first + machine] > values[first + best] + 1e-9 { best = machine }
            return best
        }
    }

    /// The values of all variables for an assignment.
    func values(of assignment: [Int]) -> [Double] {
        var values = [Double](repeating: 0, count: variableCount)
        var pages = [Int](repeating: 0, count: machines)
        for (index, machine) in assignment.enumerated() {
            values[firstX + index * machines + machine] = 1
            pages[machine] += problem.requests[index].pages
            if let adapter = problem.requests[index].adapter {
                values[firstY + adapter * machines + machine] = 1
            }
        }
        for machine in 0..<machines {
            values[1 + machine] = Double(max(0, pages[machine] - problem.replicas[machine].pages))
        }
        let moves = zip(assignment, problem.requests).count { $0 != $1.source }
        values[0] =
            problem.evaluate(assignment).objective - Double(moves) * problem.moveThreshold
        return values
    }
}
