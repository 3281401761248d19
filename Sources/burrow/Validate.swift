// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Hosting
import ManifestLoading

struct Validate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check manifests and policy tests, and report every fault with its position.",
        discussion: "Ends with 0 when all are well and with 78 when one is not.")

    @Argument(help: "The manifests, and files of policy tests.")
    var manifests: [String]

    @Flag(help: "Write the diagnostics as JSON to standard output.")
    var json = false

    func run() throws {
        var faulty = false
        var all: [Diagnostic] = []
        for path in manifests {
            let result = MainActor.assumeIsolated { Self.check(path) }
            faulty = faulty || !result.isValid
            all += result.diagnostics
            if !json, result.isValid { say("\(path): valid") }
        }
        if json {
            say(try burrow.json(all))
        } else {
            for diagnostic in all { complain(diagnostic.rendered) }
        }
        if faulty { throw ExitCode.badConfiguration }
    }

    @MainActor
    private static func check(_ path: String) -> (isValid: Bool, diagnostics: [Diagnostic]) {
        if let file = PolicyTestReader.file(path) {
            let faults = PolicyTestReader.faults(file)
            return (!faults.contains { $0.severity == .error }, faults)
        }
        do throws(HostError) {
            let loaded = try ManifestReader.load(path)
            let faults = loaded.policyTestFaults()
            return (!faults.contains { $0.severity == .error }, loaded.warnings + faults)
        } catch {
            let diagnostics =
                error.diagnostics.isEmpty
                ? [Diagnostic(error.message, in: path)] : error.diagnostics
            return (false, diagnostics)
        }
    }
}
