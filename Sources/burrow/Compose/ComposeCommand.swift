// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Composition
import Foundation
import ModelLoading

struct ComposeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compose", abstract: "Make one adapter out of several.",
        discussion: """
            Writes a PEFT adapter whose update of each layer is made of those of the adapters, \
            W = alpha/r * B * A, with their weights w; the result has a scale of 1.

            concatenate      sum w W, exactly, with all ranks
            svd              sum w W, or the nearest of --rank ranks
            ties             the largest elements of each W; of each element the mean of the
                             values w W that have the sign of their sum
            dare             random elements of each W, divided by the density; sum w W
            dare-ties        random elements as dare, then signs and means as ties
            magnitude-prune  the largest elements of each W; sum w W
            lorahub          concatenate, with the weights in [-1.5, 1.5] that answer a few examples
                             best, by a search without gradients; --cross-terms composes
                             (sum w B)(sum w A) as the original does
            regmean          the update whose outputs are nearest to each adapter's own on inputs of
                             its own task: examples whose task is the adapter's name

            Updates are combined as whole matrices, not factor by factor, and then cut to --rank by \
            their singular values. One adapter with weight 1 gives that adapter, as long as nothing is \
            pruned. composition.json beside the adapter says how it came about and, layer by layer, \
            how far what is written lies from what the method calls for.
            """)

    @OptionGroup var options: ComposeOptions

    func run() throws {
        let task = try composing { () throws(CompositionError) in
            try ComposeTask(options, modelFolder: WorkingFolder.absolute(options.base))
        }
        var bar = ProgressBar("composing")
        let output = WorkingFolder.absolute(options.output)
        let report = try composing { () throws(CompositionError) in
            // Before a long search, not after it.
            guard !FileManager.default.fileExists(atPath: output) else {
                throw CompositionError(
                    .notWritten, "is there already; name a folder that is not", at: output)
            }
            let (composition, search) = try task.composition { bar.show($0) }
            let composed = try composition.run(
                name: URL(fileURLWithPath: output).lastPathComponent
            ) { bar.show($0) }
            var report = composed.report
            report.method = options.method.rawValue
            report.search = search
            try composed.write(to: output, report: report)
            return report
        }
        bar.show(1)
        say(options.json ? try burrow.json(report) : ComposeText.text(of: report, at: output))
    }
}

/// Runs `body`; its error becomes a message and exit code 1.
private func composing<Value>(_ body: () throws(CompositionError) -> Value) throws -> Value {
    do {
        return try body()
    } catch {
        complain(error.description)
        throw ExitCode.failure
    }
}

/// What a composition came to, for people.
enum ComposeText {
    static func text(of report: CompositionReport, at folder: String) -> String {
        let last = report.sources.count - 1
        let sources = report.sources.enumerated().map { place, source in
            "\(source.name) x \(number(source.weight))" + (place < last ? "," : "")
        }
        let ranks = report.ranks.map(String.init).joined(separator: ", ")
        var lines = [
            "method      " + report.method
                + (report.density.map { ", density \(number($0))" } ?? ""),
            HumanText.wrapped("adapters    ", sources, width: HumanText.terminalWidth),
            "ranks       \(ranks)",
            "stored as   \(report.elementType), \(HumanText.bytes(report.byteCount)), "
                + "\(HumanText.count(report.parameterCount)) parameters",
        ]
        if let worst = report.worst {
            lines.append(
                "error       \(number(report.meanError)) of the update on average, at most "
                    + "\(number(worst.relativeError)) (\(worst.module))")
        }
        if let search = report.search {
            lines.append(
                "search      \(HumanText.counted(search.evaluations, "evaluation")) on "
                    + "\(HumanText.counted(search.examples, "example")): loss "
                    + "\(number(search.firstLoss)) at first, \(number(search.loss)) now")
        }
        return (lines + ["written to  \(folder)"]).joined(separator: "\n")
    }

    /// Four significant digits and no more.
    private static func number(_ value: Double) -> String { String(format: "%.4g", value) }
}
