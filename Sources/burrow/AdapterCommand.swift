// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ModelLoading

struct AdapterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "adapter", abstract: "Look at PEFT adapters.", subcommands: [Inspect.self])

    struct Inspect: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print an adapter's rank, targets and bytes, and whether it loads.",
            discussion: "Ends with 0 when it loads and with 1 when it does not.")

        @Argument(help: "The adapter's folder.")
        var path: String

        @Option(help: "The base model's folder, to check the shapes against.")
        var base: String?

        @Flag(help: "Write JSON.")
        var json = false

        func run() throws {
            let folder = WorkingFolder.absolute(path)
            var model: ModelConfiguration?
            if let base {
                do throws(ModelLoadingError) {
                    model = try ModelConfiguration.open(folder: WorkingFolder.absolute(base))
                } catch {
                    complain(error.description)
                    throw ExitCode.failure
                }
            }
            let inspection = AdapterInspection(folder: folder, for: model)
            say(json ? try burrow.json(inspection) : Self.text(of: inspection))
            if !inspection.refusals.isEmpty { throw ExitCode.failure }
        }

        private static func text(of inspection: AdapterInspection) -> String {
            func list(_ items: [some CustomStringConvertible]) -> String {
                items.isEmpty ? "–" : items.map(\.description).joined(separator: ", ")
            }
            var lines = [
                "path        \(inspection.path)",
                "base        \(inspection.baseModelName ?? "–")",
                "ranks       \(list(inspection.ranks))",
                "alpha       \(inspection.alpha.map(\.description) ?? "–")",
                "scale       \(list(inspection.scales)) (\(inspection.scaling ?? "–"))",
                "targets     \(list(inspection.targets))",
                "layers      \(layers(inspection.layers))",
                "stored as   \(list(inspection.elementTypes))",
                "parameters  \(inspection.parameterCount)",
                "bytes       \(inspection.byteCount)",
            ]
            guard !inspection.refusals.isEmpty else {
                return (lines + ["loads       yes"]).joined(separator: "\n")
            }
            lines.append("loads       no")
            for refusal in inspection.refusals {
                let place = [refusal.path, refusal.key].compactMap { $0 }
                lines.append("  - " + (place + [refusal.message]).joined(separator: ": "))
            }
            return lines.joined(separator: "\n")
        }

        /// Layers as ranges, as `0-3, 7`.
        static func layers(_ layers: [Int]) -> String {
            var ranges: [ClosedRange<Int>] = []
            for layer in layers {
                if let last = ranges.last, last.upperBound + 1 == layer {
                    ranges[ranges.count - 1] = last.lowerBound...layer
                } else {
                    ranges.append(layer...layer)
                }
            }
            let texts = ranges.map {
                $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)"
            }
            return texts.isEmpty ? "–" : texts.joined(separator: ", ")
        }
    }
}
