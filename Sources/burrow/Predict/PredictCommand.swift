// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Hosting
import Simulation
import Workloads

struct PredictCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "predict",
        abstract: "Predict what another manifest would make of the requests that a host had.",
        discussion: """
            The requests of the last ten minutes are served twice on a virtual clock: by the policies \
            of the manifest that was live, and by those of the candidate. What the first gives is held \
            against what the host measured: figures that are off by more than a tenth are not shown.

            Without --trace the host that serves the live manifest is asked for its requests, and \
            without --costs for what it has fitted to its own iterations.
            """)

    @Argument(help: "The manifest that is live.")
    var live: String

    @Argument(help: "The manifest that might follow.")
    var candidate: String

    @Option(help: "A trace that `burrow trace workload --recent` has written.")
    var trace: String?

    @Option(help: "What things cost: a JSON file of `burrow calibrate`, or a preset.")
    var costs: String?

    @Option(help: "The socket of the live host's admin surface.")
    var socket: String?

    @OptionGroup(title: "Fleet") var options: SimulatedFleetOptions

    @Flag(help: "Write JSON.")
    var json = false

    func run() throws {
        let workload = try orComplain { try readWorkload() }
        let costs = try orComplain { try readCosts() }
        let prediction = try onMainThread { [options] () throws(HostError) in
            let forecast = EffectForecast(workload: workload, costs: costs, options: options)
            return try forecast.prediction(
                live: try ManifestReader.load(live), candidate: try ManifestReader.load(candidate))
        }
        let result = EffectResult(
            prediction, live: live, candidate: candidate, costs: self.costs ?? "the host's own fit")
        say(json ? try burrow.json(result) : EffectText(prediction: prediction).text)
    }

    private func readWorkload() throws -> ObservedWorkload {
        if let trace { return try ObservedWorkload(trace: WorkingFolder.absolute(trace)) }
        return try RecordWorkload.recent(from: try client())
    }

    private func readCosts() throws -> SimulatedCosts {
        if let costs { return try SimulatedCosts.reading(costs) }
        let body = try client().get("/admin/status")
        guard let status = try? JSONDecoder().decode(HostStatus.self, from: body) else {
            throw fail("the host is of another version")
        }
        guard let costs = SimulatedCosts(of: status) else {
            throw fail("the host has not measured enough to know its costs: give --costs")
        }
        return costs
    }

    private func client() throws -> AdminClient {
        AdminClient(
            path: try AdminSocketPath.path(manifest: socket == nil ? live : nil, socket: socket))
    }
}
