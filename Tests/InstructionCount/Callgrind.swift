// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Runs this program under callgrind and reads what it counted.
enum Callgrind {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Instructions of each workload on one instruction set.
    static func count(program: String, instructionSet: String) throws -> [String: Int] {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "burrow-instructions-\(ProcessInfo.processInfo.processIdentifier)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        // valgrind ends when it meets a newer kind of debug information than it knows. The copy
        // lies beside the program, where its libraries are found.
        let stripped = "\(program)-without-debug-information"
        defer { try? FileManager.default.removeItem(atPath: stripped) }
        try run(["strip", "--strip-debug", "-o", stripped, program])
        var environment = ProcessInfo.processInfo.environment
        environment["BURROW_INSTRUCTION_SET"] = instructionSet
        // Its threads would spin, and every run would count other collisions.
        environment["OPENBLAS_NUM_THREADS"] = "1"
        environment["SWIFT_DETERMINISTIC_HASHING"] = "1"
        try run(
            [
                "valgrind", "--tool=callgrind", "--instr-atstart=no", "--quiet",
                "--callgrind-out-file=\(folder.path)/out", stripped, "run",
            ], environment)
        var counts: [String: Int] = [:]
        for file in try FileManager.default.contentsOfDirectory(atPath: folder.path)
        where file.hasPrefix("out") {
            let text = try String(contentsOfFile: "\(folder.path)/\(file)", encoding: .utf8)
            if let (name, count) = parse(text) { counts[name] = count }
        }
        guard !counts.isEmpty else {
            throw Failure(
                description: "nothing was counted: this was built without valgrind's headers; "
                    + "install valgrind and build again")
        }
        return counts
    }

    private static func run(_ command: [String], _ environment: [String: String]? = nil) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        if let environment { process.environment = environment }
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failure(
                description: "\(command[0]) ended with \(process.terminationStatus): is it "
                    + "installed? `make packages` installs it")
        }
    }

    /// The name that a dump was asked for under, and its instructions.
    static func parse(_ dump: String) -> (name: String, count: Int)? {
        var name: String?
        var count: Int?
        for line in dump.split(separator: "\n") {
            if let range = line.range(of: "desc: Trigger: Client Request: ") {
                name = String(line[range.upperBound...])
            } else if line.hasPrefix("summary: ") || line.hasPrefix("totals: ") {
                count = line.split(separator: " ").last.flatMap { Int($0) } ?? count
            }
        }
        guard let name, let count else { return nil }
        return (name, count)
    }
}
