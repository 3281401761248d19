// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Hosting
import ManifestLoading
import Scheduling
import Simulation
import Workloads

struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a manifest's policies over a workload on a virtual clock.",
        discussion: """
            The scheduler and the policies are those that serve, loaded from the same libraries; \
            only the time that things take comes from a model of costs. Nothing is computed and \
            nothing listens. The same options give the same numbers.

            A workload is a trace (--trace) or is generated (--arrivals, --popularity, --lengths, \
            --rate). Limits of a replica and the policies are the manifest's.
            """)

    @Argument(help: "The manifest.")
    var manifest: String

    @OptionGroup(title: "Workload") var workload: SimulatedWorkloadOptions

    @OptionGroup(title: "Fleet") var options: SimulatedFleetOptions

    @Option(
        help: """
            What things cost: a JSON file, or the preset a800, whose numbers are those of dLoRA's \
            artifact for Llama-2-7B.
            """)
    var costs = "a800"

    @Option(help: "Where all random numbers begin.")
    var seed: UInt64 = 0

    @Option(help: "Write tables and drawings into this HTML file, which needs nothing else.")
    var report: String?

    @Flag(help: "Write JSON.")
    var json = false

    func run() throws {
        let text = try onMainThread { () throws(HostError) in
            do {
                return try simulated()
            } catch let error as HostError {
                throw error
            } catch {
                throw HostError(.cannotStart, "\(error)")
            }
        }
        say(text)
    }

    @MainActor
    private func simulated() throws -> String {
        let loaded = try ManifestReader.load(manifest)
        for warning in loaded.warnings { complain(warning.rendered) }
        var setup = try options.setup(for: loaded.manifest)
        setup.costs = try SimulatedCosts.reading(costs)
        setup.seed = seed
        setup.requestedTokens = workload.maxTokens
        let policies = try options.policies(
            PolicyAssembly(loaded, isLive: false), replicas: setup.replicas)
        let adapters = setup.adapters.count
        var source = try workload.source(adapters: adapters, seed: seed)
        let statistics = ReportBox(SimulationReport(adapters: adapters))
        var simulation = Simulation(setup, policies: policies)
        let began = ContinuousClock.now
        var bar = ProgressBar("simulating")
        var asked = 0
        let expected = workload.requests
        let summary = try simulation.run(
            next: { () throws(WorkloadError) in
                asked += 1
                if asked % 1000 == 0 { bar.show(min(0.99, Double(asked) / Double(expected))) }
                return try source.next()
            }, onRequest: { statistics.value.add($0) })
        bar.show(1)
        let run = SimulatedRun(
            manifest: manifest, costs: costs, setup: setup, workload: source.settings,
            summary: summary, report: statistics.value, took: ContinuousClock.now - began)
        if let report { try writeFile(report, Data(SimulationPage(run).text.utf8)) }
        let result = SimulationResult(run)
        return json
            ? try burrow.json(result)
            : SimulationText(result: result, settings: source.settings).text
    }
}

/// Holds a report while a simulation fills it.
private final class ReportBox {
    var value: SimulationReport

    init(_ value: SimulationReport) { self.value = value }
}
