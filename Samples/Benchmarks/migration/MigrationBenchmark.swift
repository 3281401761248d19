// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Inference
import IntegerRebalancing
import PolicyKit
import Rebalancing

/// How long the migrations take to decide, and how far apart they are.
@main
struct MigrationBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "MigrationBenchmark",
        abstract: "Times both solvers of the migrations, and compares what they find.")

    @Option(help: "How often the greedy solver is timed; the median counts.")
    var repeats = 15

    @Option(help: "Seconds that the integer program may take.")
    var limit = 10.0

    @Option(help: "The seed of the fleets.")
    var seed: UInt64 = 1

    func validate() throws {
        guard (1...10_000).contains(repeats) else {
            throw ValidationError("--repeats is 1 to 10000, not \(repeats)")
        }
        guard limit > 0, limit <= 3_600 else {
            throw ValidationError("--limit is above 0 and up to 3600 seconds, not \(limit)")
        }
    }

    /// Replicas, requests and adapters of the fleet, and whether the integer program is tried.
    static let sizes: [(replicas: Int, requests: Int, adapters: Int, solvesILP: Bool)] = [
        (2, 20, 4, true), (2, 100, 8, true), (4, 100, 8, true), (4, 400, 16, true),
        (4, 1_000, 32, true), (8, 400, 16, true), (8, 1_000, 32, true), (16, 1_000, 64, true),
        (64, 1_000, 128, false), (64, 10_000, 128, false), (64, 10_000, 1_024, false),
    ]

    func run() throws {
        print("\(MachineIdentity.processor ?? "unknown"), ", terminator: "")
        print("\(ProcessInfo.processInfo.activeProcessorCount) cores, ", terminator: "")
        print("commit \(MachineIdentity.commit ?? "unknown"), seed \(seed)")
        print("greedy: the median of \(repeats), with making the program from the snapshot")
        print("integer program: once each, at most \(limit) s; x as reals, and whole (exact)\n")
        print(
            "| replicas | requests | adapters | now s | greedy ms | of that search | greedy s "
                + "| ILP ms | ILP s | exact ms | exact s | greedy to the better |")
        print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
        for size in Self.sizes { print(row(for: size)) }
        print(
            "\n`*`: stopped by the limit. `none`: nothing found by then. Seconds are the objective;\nnow: with nothing moved."
        )
    }

    private func row(
        for size: (replicas: Int, requests: Int, adapters: Int, solvesILP: Bool)
    ) -> String {
        var random = RandomFleet(
            replicas: size.replicas, requests: size.requests, adapters: size.adapters, seed: seed)
        let fleet = random.snapshot()
        var settings = RebalancingSettings()
        settings.pairs = (size.replicas + 1) / 2
        var all: [Double] = []
        var search: [Double] = []
        var problem = RebalancingProblem(fleet, settings) ?? RebalancingProblem()
        var assignment: [Int] = []
        for _ in 0..<repeats {
            all.append(
                milliseconds {
                    problem = RebalancingProblem(fleet, settings) ?? problem
                    search.append(milliseconds { assignment = GreedySolver.solve(problem) })
                })
        }
        let greedy = problem.evaluate(assignment).objective
        var cells = [
            "\(size.replicas)", "\(size.requests)", "\(size.adapters)",
            text(problem.evaluate(problem.present).objective), text(median(all)),
            text(median(search)), text(greedy),
        ]
        guard size.solvesILP else {
            return "| " + (cells + ["", "", "", "", ""]).joined(separator: " | ") + " |"
        }
        var best = Double.infinity
        for isExact in [false, true] {
            var solver = IntegerSolver()
            solver.isExact = isExact
            solver.timeLimit = limit
            var solution: IntegerSolver.Solution?
            let time = milliseconds { solution = solver.solve(problem, from: problem.present) }
            guard let solution else { continue }
            let found = problem.evaluate(solution.assignment).objective
            best = min(best, found)
            let hasMoved = solution.assignment != problem.present
            cells += [
                text(time) + (solution.isOptimal ? "" : "*"),
                hasMoved || solution.isOptimal ? text(found) : "none",
            ]
        }
        cells.append(String(format: "%+.2f %%", 100 * (greedy / best - 1)))
        return "| " + cells.joined(separator: " | ") + " |"
    }

    private func milliseconds(_ body: () -> Void) -> Double {
        ContinuousClock().measure(body).inSeconds * 1_000
    }

    private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    private func text(_ value: Double) -> String { String(format: "%.3f", value) }
}
