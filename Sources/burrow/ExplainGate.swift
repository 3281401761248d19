// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Hosting
import Logging
import Workloads

struct ExplainGate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain-gate",
        abstract: "Show how the gate of a mixture weighs its experts, token by token.",
        discussion: """
            Runs the prompt and the greedy answer to it without a server. Entropy is in shares of \
            that of equal weights: 0 where one expert has all.
            """)

    @Argument(help: "The manifest.")
    var manifest: String

    @Argument(help: "The prompt, which is continued as it stands unless --chat is given.")
    var prompt: String

    @Option(help: "The mixture, by its name.")
    var mixture: String

    @Flag(help: "Put the prompt through the chat template.")
    var chat = false

    @Option(help: "The most tokens to generate.")
    var maxTokens = 32

    @Flag(help: "Write everything as JSON to standard output.")
    var json = false

    @Option(help: "Draw the weights into this SVG file.")
    var svg: String?

    @OptionGroup var logging: LoggingOptions

    func validate() throws {
        if maxTokens < 1 { throw ValidationError("--max-tokens must be at least 1") }
    }

    func run() throws {
        var log = logging.logger()
        if logging.logLevel == .info { log.logLevel = .warning }
        let fields = PromptFields(
            model: nil, prompt: prompt, isChat: chat, maxTokens: maxTokens, temperature: 0)
        let explanation = try onMainThread { () throws(HostError) in
            let loaded = try ManifestReader.load(manifest)
            return try GateExplaining(loaded, log: log).explain(mixture, fields)
        }
        say(json ? try burrow.json(explanation) : GateText(explanation).text)
        if let svg { try writeFile(svg, Data(GateText(explanation).heatMap.svg.utf8)) }
    }
}

/// How a gate weighed, as people read it.
struct GateText {
    private let explanation: GateExplanation

    init(_ explanation: GateExplanation) { self.explanation = explanation }

    /// Depths that have a column of their own in the table of tokens.
    private static let columns = 8

    var text: String {
        let head = "mixture  \(explanation.mixture)\nanswer   \(Self.quoted(explanation.answer))"
        return [head, experts, depths, tokens].joined(separator: "\n\n")
    }

    private var experts: String {
        var table = TextTable(header: ["EXPERT", "PROMPT", "ANSWER", "ALL"])
        let prompt = explanation.mass(where: \.isPrompt)
        let answer = explanation.mass { !$0.isPrompt }
        let all = explanation.mass { _ in true }
        for (index, expert) in explanation.experts.enumerated() {
            table.append([expert] + [prompt, answer, all].map { Self.number($0[index]) })
        }
        return table.text
    }

    private var depths: String {
        var table = TextTable(header: ["DEPTH", "READS", "ENTROPY"] + explanation.experts)
        for depth in explanation.depths {
            table.append(
                [depth.name, depth.reading, Self.number(depth.entropy)]
                    + depth.mass.map(Self.number))
        }
        return table.text
    }

    /// The expert with the most weight at each depth; of many depths some, from the first to the
    /// last.
    private var tokens: String {
        let count = min(Self.columns, explanation.depths.count)
        let shown = (0..<count).map {
            count == 1 ? 0 : $0 * (explanation.depths.count - 1) / (count - 1)
        }
        var table = TextTable(
            header: ["", "TOKEN"] + shown.map { explanation.depths[$0].name.uppercased() })
        for (index, token) in explanation.tokens.enumerated() {
            let cells = shown.map { depth in
                let weights = explanation.depths[depth].weights[index]
                guard let best = weights.indices.max(by: { weights[$0] < weights[$1] }) else {
                    return ""
                }
                return "\(explanation.experts[best]) \(Self.number(weights[best]))"
            }
            table.append([token.isPrompt ? " " : ">", Self.quoted(token.text)] + cells)
        }
        return table.text
    }

    var heatMap: HeatMap {
        HeatMap(
            title: "\(explanation.mixture): what each expert counts",
            columns: explanation.tokens.map(\.text),
            mark: explanation.tokens.firstIndex { !$0.isPrompt },
            groups: explanation.depths.map { depth in
                HeatMap.Group(
                    title: depth.name, rows: explanation.experts,
                    values: explanation.experts.indices.map { expert in
                        depth.weights.map { $0[expert] }
                    })
            })
    }

    private static func number(_ value: Double) -> String { String(format: "%.3f", value) }

    /// On one line, with what cannot be seen written out.
    private static func quoted(_ text: String) -> String { text.debugDescription }
}
