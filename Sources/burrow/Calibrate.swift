// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Hosting
import Logging
import Simulation

struct Calibrate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure what things cost on this machine, for burrow simulate --costs.",
        discussion: """
            Opens the model and the adapters of the manifest as serve does, and runs steps of many \
            shapes on compute threads with the manifest's limits: batches, chunks of prompts, \
            contexts, with the base, one adapter, many, and merged. A model of their times is fitted \
            to four fifths of them and compared with the rest; the costs that are written are fitted \
            to all. Then the host serves requests of a client in this process, which shows how much longer \
            its steps take beside that, and beside other replicas. Run it on a machine that does nothing else.
            """)

    @Argument(help: "The manifest.")
    var manifest: String

    @Option(name: .shortAndLong, help: "Write the costs to this file.")
    var output: String?

    @Option(help: "Seconds to measure for; every step is run twice at least.")
    var seconds = 60.0

    @Flag(help: "Write JSON: the costs, the errors of the fits and what was measured.")
    var json = false

    @OptionGroup var logging: LoggingOptions

    func validate() throws {
        guard (0...86_400).contains(seconds) else {
            throw ValidationError("--seconds is 0 to 86400, not \(seconds)")
        }
    }

    func run() throws {
        var log = logging.logger()
        if logging.logLevel == .info { log.logLevel = .warning }
        let calibration = try onMainThread { [log] () throws(HostError) in
            let loaded = try ManifestReader.load(manifest)
            var bar = ProgressBar("steps")
            defer { bar.show(1) }
            var run = try CalibrationRun(
                loaded, for: .seconds(seconds), log: log,
                client: { host in
                    do {
                        try CalibrationLoad(host).send()
                    } catch {
                        complain("the host was measured without serving: \(error)")
                    }
                }, progress: { bar.show($0) })
            return try run.measured()
        }
        let result = CalibrationResult(calibration)
        if let output { try writeFile(output, Data((result.costs.json.line + "\n").utf8)) }
        say(json ? result.json.line : CalibrationText(result: result).text)
    }
}
