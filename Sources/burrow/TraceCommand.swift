// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Hosting
import PluginLoading
import PolicyKit
import Scheduling

struct TraceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace",
        abstract: "Record requests, and work with what `burrow status --trace` records.",
        subcommands: [Replay.self, RecordWorkload.self])

    struct Replay: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ask the policies of a trace again, and compare their answers.",
            discussion: """
                The policies are made from the plugins that are found, with the parameters and the \
                state of the recording. Ends with 0 when all answers are the same, and with 1 at the \
                first that is not.
                """)

        @Argument(help: "The trace.")
        var trace: String

        @Option(help: "Take the policies of this manifest instead of those that were recorded.")
        var manifest: String?

        @Option(help: "Explain this decision.")
        var decision: Int?

        @OptionGroup var plugins: PluginOptions

        @Flag(help: "Write JSON.")
        var json = false

        func run() throws {
            let result: ReplayResult
            do {
                result = try MainActor.assumeIsolated { () throws -> ReplayResult in
                    var file = try TraceFile(WorkingFolder.absolute(trace))
                    return try ReplayResult(&file, explaining: decision) { header in
                        try replay(of: header)
                    }
                }
            } catch let error as TraceError {
                throw fail("\(trace): \(error.description)")
            }
            if json {
                say(try burrow.json(result))
            } else {
                say(result.text)
            }
            if let decision, result.explanation == nil {
                throw fail("\(trace) has no decision \(decision)")
            }
            if result.differences > 0 { throw ExitCode.failure }
        }

        @MainActor
        private func replay(of header: TraceHeader) throws -> TraceReplay {
            guard let manifest else {
                return try TraceReplay(header, registry: try plugins.loadedRegistry())
            }
            let loaded = try onMainThread { () throws(HostError) in
                try ManifestReader.load(manifest)
            }
            return try TraceReplay(
                header.asking(loaded.manifest), registry: loaded.registry)
        }
    }
}

/// What came of a replay, for programs.
struct ReplayResult: Encodable {
    struct Difference: Encodable {
        let decision: Int
        let kind: String
        let recorded: String
        let replayed: String
    }

    let decisions: Int
    let answers: Int
    let standIns: Int
    let differences: Int
    let firstDifference: Difference?
    let notes: [String]
    let explanation: String?

    /// Replays a whole file with the policies that `make` makes.
    @MainActor
    init(
        _ file: inout TraceFile, explaining number: Int?,
        _ make: (TraceHeader) throws -> TraceReplay
    ) throws {
        guard let first = try file.next() else { throw TraceError("the trace is empty") }
        do {
            let header = try TraceReader.header(first)
            var pass = ReplayPass(header: header, replay: try make(header), explaining: number)
            while let line = try file.next() { try pass.take(line) }
            self.init(pass)
        } catch var error as TraceError {
            if error.line == 0 { error.line = file.line }
            throw error
        }
    }

    private init(_ pass: ReplayPass) {
        let replay = pass.replay
        decisions = replay.decisions
        answers = replay.answers
        standIns = replay.standIns
        differences = replay.differences
        firstDifference = replay.firstDifference.map {
            Difference(
                decision: $0.decision, kind: $0.kind.rawValue, recorded: $0.recorded,
                replayed: $0.replayed)
        }
        let end = pass.end.map { "the recording ended: \($0)" } ?? Self.cutOff
        notes = (replay.differences > 0 ? replay.notes : []) + [end]
        explanation = pass.explanation
    }

    private static let cutOff = "the recording has no end: it was cut off"

    var text: String {
        var lines = explanation.map { [$0, ""] } ?? []
        let verdict =
            differences == 0
            ? "all \(answers) answers to \(decisions) decisions are the same"
            : "\(differences) of \(answers) answers to \(decisions) decisions are not the same"
        lines.append(verdict + (standIns > 0 ? "; the built-in default planned \(standIns)" : ""))
        if let first = firstDifference {
            lines.append("first: decision \(first.decision), \(first.kind)")
            lines.append("  recorded  \(first.recorded)")
            lines.append("  replayed  \(first.replayed)")
        }
        return (lines + notes.map { "note: \($0)" }).joined(separator: "\n")
    }
}

/// A trace on its way through its policies.
struct ReplayPass {
    private let header: TraceHeader
    private let number: Int?
    private(set) var replay: TraceReplay
    private(set) var explanation: String?

    /// Why the recording ended, once that has been read.
    private(set) var end: String?
    private var reader = TraceReader()
    private var names = TracedNames()
    private var start: Instant?

    init(header: TraceHeader, replay: TraceReplay, explaining number: Int?) {
        self.header = header
        self.replay = replay
        self.number = number
    }

    mutating func take(_ line: [UInt8]) throws {
        guard end == nil else { throw TraceError("something stands behind the end") }
        switch try reader.read(line) {
        case .adapter(let id, let name): names[id] = name
        case .end(let reason, let decisions):
            guard decisions == replay.decisions else {
                throw TraceError(
                    "\(decisions) decisions were recorded, \(replay.decisions) are here")
            }
            end = reason
        case .record(let record):
            let found = replay.replay(record)
            guard case .decision(let decision) = record else { return }
            start = start ?? decision.now
            guard decision.number == number else { return }
            explanation = DecisionText(decision, header, names, found)
                .text(since: start ?? decision.now)
        }
    }
}

/// What adapters are called in a trace.
struct TracedNames {
    private var names: [AdapterID: String] = [:]

    subscript(id: AdapterID) -> String {
        get { id.isBase ? "the base" : names[id] ?? "adapter \(id.rawValue)" }
        set { names[id] = newValue }
    }

    func text(_ mode: BatchMode) -> String {
        switch mode {
        case .unmerged: "unmerged"
        case .merged(let adapter): "merged on \(self[adapter])"
        case .mixed(let adapter): "mixed on \(self[adapter])"
        }
    }

    func list(_ ids: some Sequence<AdapterID>) -> String {
        let text = ids.map { self[$0] }.joined(separator: ", ")
        return text.isEmpty ? "nobody" : text
    }
}
