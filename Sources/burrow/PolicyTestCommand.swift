// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Hosting
import ManifestLoading
import PolicyKit
import PolicyTesting

struct PolicyTestCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test",
        abstract: "Run tests of policies on a virtual clock.",
        discussion: """
            A test says which requests a fleet is given and what its policies are expected to do. The \
            scheduler and the policies are those that serve, loaded from the same libraries.

            Each argument is a file of tests, a folder with files that end in .test.yaml, or a host's \
            manifest, whose spec.tests are run. Ends with 0 when all hold, with 1 when one does not, \
            and with 78 when a file is faulty.
            """)

    @Argument(help: "Files of tests, folders of them, or manifests.", completion: .file())
    var paths: [String]

    @Flag(help: "Write JSON.")
    var json = false

    func run() throws {
        let report = MainActor.assumeIsolated { reports(of: paths) }
        if json {
            say(try burrow.json(PolicyTestResult(report)))
        } else {
            for diagnostic in report.diagnostics { complain(diagnostic.rendered) }
            if !report.verdicts.isEmpty { say(PolicyTestText(report: report).text) }
        }
        if report.isFaulty { throw ExitCode.badConfiguration }
        if !report.isPassed { throw ExitCode.failure }
    }

    @MainActor
    private func reports(of paths: [String]) -> PolicyTestReport {
        var all = PolicyTestReport()
        for path in paths {
            let report = report(of: path)
            all.verdicts += report.verdicts
            all.diagnostics += report.diagnostics
        }
        return all
    }

    @MainActor
    private func report(of path: String) -> PolicyTestReport {
        var report = PolicyTestReport()
        let files: [String]
        switch PolicyTests.files(at: path) {
        case .success(let paths): files = paths
        case .failure(let error):
            report.diagnostics = [Diagnostic(error.message, in: path)]
            return report
        }
        for file in files {
            let part =
                PolicyTestReader.file(file).map { PolicyTestReader.run($0) }
                ?? manifestReport(file)
            report.verdicts += part.verdicts
            report.diagnostics += part.diagnostics
        }
        return report
    }

    @MainActor
    private func manifestReport(_ path: String) -> PolicyTestReport {
        var report = PolicyTestReport()
        do throws(HostError) {
            let loaded = try ManifestReader.load(path)
            guard !loaded.manifest.spec.tests.isEmpty else {
                report.diagnostics = [
                    Diagnostic("the manifest names no tests", in: path, path: "spec.tests")
                ]
                return report
            }
            report = loaded.policyTestReport()
            report.diagnostics = loaded.warnings + report.diagnostics
        } catch {
            report.diagnostics =
                error.diagnostics.isEmpty
                ? [Diagnostic(error.message, in: path)] : error.diagnostics
        }
        return report
    }
}

/// What came of tests, as people read it.
struct PolicyTestText {
    let report: PolicyTestReport

    var text: String {
        var lines: [String] = []
        for verdict in report.verdicts {
            let place = verdict.position.map { "\(verdict.file):\($0.line)" } ?? verdict.file
            let milliseconds = decimal(verdict.time.inSeconds * 1000, 1)
            lines.append(
                "\(verdict.isPassed ? "passed" : "FAILED")  \(verdict.name)  (\(place), "
                    + "\(HumanText.counted(verdict.iterations, "iteration")), \(milliseconds) ms)")
            lines += verdict.failures.map(\.rendered)
        }
        let failed = report.verdicts.count { !$0.isPassed }
        let passed = report.verdicts.count - failed
        lines.append("\(HumanText.counted(passed, "test")) passed, \(failed) failed")
        return lines.joined(separator: "\n")
    }
}

/// What came of tests, as JSON has it.
struct PolicyTestResult: Encodable {
    struct Test: Encodable {
        var file: String
        var line: Int?
        var name: String
        var passed: Bool
        var iterations: Int
        /// On the clock of the test.
        var seconds: Double
        var failures: [Diagnostic]
    }

    var schema = 1
    var passed: Bool
    var tests: [Test]
    var diagnostics: [Diagnostic]

    init(_ report: PolicyTestReport) {
        passed = report.isPassed
        diagnostics = report.diagnostics
        tests = report.verdicts.map { verdict in
            Test(
                file: verdict.file, line: verdict.position?.line, name: verdict.name,
                passed: verdict.isPassed, iterations: verdict.iterations,
                seconds: verdict.time.inSeconds, failures: verdict.failures)
        }
    }
}
