// SPDX-License-Identifier: Apache-2.0

import AllocationCount
import CallgrindRequests
import Foundation
import Inference

/// Counts the instructions and the allocations of fixed steps, so that a slower step is noticed
/// whatever else the machine does. `check FILE` compares with a baseline, `update FILE` writes it, and `run` is what
/// goes on under callgrind.
@main
struct InstructionCount {
    static func main() {
        do {
            let arguments = CommandLine.arguments.dropFirst()
            switch (arguments.first, arguments.dropFirst().first) {
            case ("run", nil): try run()
            case ("check", let path?): try check(path)
            case ("update", let path?): try update(path)
            default:
                tell("usage: InstructionCount check|update BASELINE")
                exit(64)
            }
        } catch {
            tell("error: \(error)")
            exit(1)
        }
    }

    private static func run() throws {
        guard callgrind_is_running() else { return }
        // f32 is there for reference, and doubles the time of this.
        for type in WeightType.allCases where type != .f32 {
            try CountedWorkloads(type).run { name, step in
                callgrind_begin()
                try step()
                callgrind_end(name)
            }
        }
    }

    /// A step that is like the one before it allocates nothing.
    private static func checkAllocations() throws {
        var faults: [String] = []
        for type in WeightType.allCases {
            try CountedWorkloads(type).run { name, step in
                let before = allocation_count()
                try step()
                let count = allocation_count() - before
                if count > 0 { faults.append("\(name): \(count) allocations in a step") }
            }
        }
        guard faults.isEmpty else {
            throw Callgrind.Failure(description: faults.joined(separator: "\n"))
        }
    }

    private static func check(_ path: String) throws {
        try checkAllocations()
        guard let counts = try counted() else { return }
        let baseline = try InstructionCounts.read(path)
        var regressions = 0
        for row in counts.compared(with: baseline) {
            let (old, new) = (row.old.map(\.description) ?? "-", row.new.map(\.description) ?? "-")
            let change =
                row.old.flatMap { old in
                    row.new.map { String(format: "%+.1f %%", 100 * Double($0 - old) / Double(old)) }
                } ?? ""
            let isRegression = [.more, .new, .gone].contains(row.verdict)
            regressions += isRegression ? 1 : 0
            let mark =
                isRegression ? "  <-- \(row.verdict)" : row.verdict == .fewer ? "  fewer" : ""
            print("\(row.set) \(row.workload): \(old) -> \(new) instructions \(change)\(mark)")
        }
        guard regressions == 0 else {
            throw Callgrind.Failure(
                description: """
                    \(regressions) workloads are not what \(path) says, with a tolerance of \
                    \(Int(100 * InstructionCounts.tolerance)) %. If that is meant, \
                    `make instructions-baseline` writes it anew.
                    """)
        }
    }

    /// Writes what was counted; the sets that this machine cannot count stay as they are.
    private static func update(_ path: String) throws {
        guard let counts = try counted() else { return }
        var baseline = (try? InstructionCounts.read(path)) ?? InstructionCounts(counts: [:])
        baseline.counts.merge(counts.counts) { $1 }
        try baseline.write(path)
        print("wrote \(path)")
    }

    /// nil, and says so, where the baseline does not apply.
    private static func counted() throws -> InstructionCounts? {
        #if arch(x86_64)
            let program = try FileManager.default.destinationOfSymbolicLink(
                atPath: "/proc/self/exe")
            var counts: [String: [String: Int]] = [:]
            for set in [InstructionSet.avx2, .portable] {
                guard InstructionSet.available.contains(set) else {
                    print("skipped \(set.rawValue): this processor has not got it")
                    continue
                }
                counts[set.rawValue] = try Callgrind.count(
                    program: program, instructionSet: set.rawValue)
            }
            return InstructionCounts(counts: counts)
        #else
            print("skipped: the baseline counts instructions of x86-64")
            return nil
        #endif
    }

    private static func tell(_ text: String) {
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }
}
