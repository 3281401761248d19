// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Hosting

/// Policies of another manifest that decide beside those of a running host.
struct ShadowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shadow",
        abstract: "Let policies decide beside the live ones of a running host, without effect.",
        discussion: """
            The candidate's batching, fairness and dispatch policies see what the live ones see and \
            are told what really ran; their answers are counted, compared and dropped. Where they \
            cannot keep up, questions are left out and counted.
            """,
        subcommands: [Start.self, ShadowStatus.self, Promote.self, Stop.self])

    struct Start: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Begin with the policies of a manifest.")

        @Argument(help: "The manifest.")
        var manifest: String

        @OptionGroup var host: HostOptions

        func run() throws {
            let path = WorkingFolder.absolute(manifest)
            let text = try onMainThread { () throws(HostError) in
                try ManifestText(contentsOf: path)
            }
            let target = "/admin/shadow?file=\(path.inQuery)"
            let reply = try host.client.ask("PUT", target, body: text.bytes)
            try host.show(shadow: reply)
        }
    }

    struct ShadowStatus: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "status", abstract: "Show what they would have decided.")

        @OptionGroup var host: HostOptions

        func run() throws { try host.show(shadow: try host.client.ask("GET", "/admin/shadow")) }
    }

    struct Promote: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Put their manifest in force, if the host is what it was at the start.")

        @OptionGroup var host: HostOptions

        func run() throws {
            _ = try host.show(try host.client.ask("POST", "/admin/shadow/promote"))
        }
    }

    struct Stop: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Send them away.")

        @OptionGroup var host: HostOptions

        func run() throws { try host.show(shadow: try host.client.ask("DELETE", "/admin/shadow")) }
    }
}

extension HostOptions {
    /// Shows a report, or says why there is none.
    fileprivate func show(shadow answer: AdminClient.Reply) throws {
        guard let report = try? JSONDecoder().decode(ShadowReport.self, from: answer.body) else {
            throw fail(AdminClient.message(of: answer.body))
        }
        say(json ? try burrow.json(report) : ShadowText(report: report).text)
    }
}

/// What a candidate would have decided, for people.
struct ShadowText {
    let report: ShadowReport

    var text: String {
        let seconds = max(0, Date().timeIntervalSince1970 - report.since)
        var lines = [
            "\(report.file) decides beside what is live, for \(HumanText.duration(seconds))"
        ]
        for kind in report.kinds {
            let share = kind.answers == 0 ? 0 : Double(kind.differences) / Double(kind.answers)
            lines.append(
                "  \(kind.kind): \(kind.candidate) beside \(kind.live), "
                    + "\(HumanText.counted(kind.answers, "answer")), "
                    + "\(HumanText.count(kind.differences)) differ "
                    + "(\(HumanText.digits(share * 100)) %)")
            for example in kind.examples.suffix(3) {
                lines.append("    live       \(example.live)")
                lines.append("    candidate  \(example.candidate)")
            }
        }
        let times = report.callTimes
        if times.calls > 0 {
            lines.append(
                "  a call takes \(HumanText.duration(times.seconds / Double(times.calls))), the "
                    + "longest took \(HumanText.duration(times.longest))")
        }
        if report.dropped > 0 {
            lines.append("  \(HumanText.counted(report.dropped, "question")) left out")
        }
        return lines.joined(separator: "\n")
    }
}
