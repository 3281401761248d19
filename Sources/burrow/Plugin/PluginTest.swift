// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// Builds the plugins of a package and puts the rules of their kinds to them.
struct PluginTest: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test",
        abstract: "Build the plugins of a package and put the rules of their kinds to them.",
        discussion: """
            The libraries are loaded as a host loads them, in a process of their own, and asked \
            thousands of random but valid questions. A violation names the seed and the smallest \
            question found that shows it. Ends with 1 where a rule is broken.
            """)

    @Argument(help: "The folder of the package, or a library that is built already.")
    var package = "."

    @Option(name: [.short, .long], help: "How to compile.")
    var configuration = BuildConfiguration.release

    @Option(help: "Seeds of the random questions.")
    var seeds = 3

    @Option(help: "Questions per rule and seed.")
    var rounds = 1_000

    @Option(help: "Milliseconds that a call may take, as spec.plugins.budget allows.")
    var budget = 1.0

    @Option(help: "Seconds that one rule may take until the plugin counts as stalled.")
    var timeout = 120

    @Flag(help: "Write JSON.")
    var json = false

    func validate() throws {
        guard (1...100).contains(seeds), (1...1_000_000).contains(rounds) else {
            throw ValidationError("seeds go from 1 to 100, rounds from 1 to 1000000")
        }
        guard (1...86_400).contains(timeout), budget > 0, budget.isFinite else {
            throw ValidationError("a timeout goes from 1 to 86400, and a budget is positive")
        }
    }

    func run() throws {
        var reports: [ConformanceReport] = []
        let isLibrary = package.hasSuffix(".so")
        let libraries =
            isLibrary
            ? [WorkingFolder.absolute(package)] : try PluginPackage(package).build(configuration)
        for library in libraries {
            let report = try self.report(on: library)
            // What cannot be loaded has told nothing of itself.
            if let policies = report.listings, !isLibrary {
                try PluginMetadata.write(policies, beside: library)
            }
            reports.append(report)
        }
        if json {
            say(try burrow.json(reports))
        } else {
            for report in reports { say(report.text) }
        }
        if !reports.allSatisfy(\.passed) { throw ExitCode.failure }
    }

    private func report(on library: String) throws -> ConformanceReport {
        var report = ConformanceReport(library: library, budgetSeconds: budget / 1_000)
        let end = try ProbeProcess.run(
            [library, "--checks", "--seeds", "\(seeds)", "--rounds", "\(rounds)"],
            timeout: .seconds(timeout)
        ) { report.take($0) }
        report.finish(end)
        return report
    }
}
