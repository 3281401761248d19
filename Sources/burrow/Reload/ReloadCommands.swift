// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Hosting
import ManifestLoading

/// Which host is asked, and how its answer is shown.
struct HostOptions: ParsableArguments {
    @Option(
        help: "The socket of the host's admin surface; by default that of the one host that runs.")
    var socket: String?

    @Flag(help: "Write JSON.")
    var json = false

    var client: AdminClient {
        get throws { AdminClient(path: try AdminSocketPath.path(manifest: nil, socket: socket)) }
    }

    /// Shows what came of a change.
    ///
    /// - Throws: an exit code where it did not come about.
    func show(_ answer: AdminClient.Reply) throws -> ReloadReply {
        guard let reply = try? JSONDecoder().decode(ReloadReply.self, from: answer.body) else {
            throw fail(AdminClient.message(of: answer.body))
        }
        let text = json ? try burrow.json(reply) : ReloadText(reply: reply).text
        switch reply.outcome {
        case .live, .planned, .unchanged: say(text)
        case .refused, .stale, .superseded:
            if json { say(text) } else { complain(text) }
            throw reply.outcome == .refused ? ExitCode.badConfiguration : ExitCode.failure
        }
        return reply
    }
}

struct Apply: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Move a running host to a manifest, or to a plan of `burrow plan`.",
        discussion: """
            Ends with 0 when every replica plans by it, with 78 where the manifest is refused, and \
            with 1 where a plan is stale. The live generation stays wherever something fails.
            """)

    @Argument(help: "The manifest, or the file of a plan.")
    var file: String

    @Flag(help: "Also what was rolled back before, and what changes nothing.")
    var force = false

    @OptionGroup var host: HostOptions

    func run() throws {
        let plan = SavedPlan(contentsOf: file)
        let path = WorkingFolder.absolute(plan?.manifest ?? file)
        let text = try onMainThread { () throws(HostError) in
            try ManifestText(contentsOf: path)
        }
        let client = try host.client
        if let plan { try check(plan, text, client) }
        let answer = try client.ask(
            "PUT", "/admin/manifest?file=\(path.inQuery)\(force ? "&force=1" : "")",
            headers: ["if-match": plan.map { "\"\($0.base)\"" } ?? "*"], body: text.bytes)
        _ = try host.show(answer)
    }

    /// What the plan was made of must still be what it would become.
    private func check(_ plan: SavedPlan, _ text: ManifestText, _ client: AdminClient) throws {
        let answer = try client.ask(
            "POST", "/admin/plan?file=\(text.file.inQuery)",
            headers: ["if-match": "\"\(plan.base)\""], body: text.bytes)
        guard let reply = try? JSONDecoder().decode(ReloadReply.self, from: answer.body) else {
            throw fail(AdminClient.message(of: answer.body))
        }
        guard reply.outcome == .planned, reply.candidate != plan.candidate else { return }
        throw fail(
            "the plan is stale: \(plan.manifest) or what it names has changed since; plan again")
    }
}

struct Plan: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what a manifest would change on a running host.",
        discussion: """
            The host builds the candidate as it would to apply it, and drops it. Ends with 0 where \
            nothing would change, with 2 where something would, and with 78 where it is refused.
            """)

    @Argument(help: "The manifest.")
    var manifest: String

    @Option(name: .shortAndLong, help: "Write the plan to a file, which `burrow apply` takes.")
    var output: String?

    @Flag(
        inversion: .prefixedNo,
        help: "Predict what it would make of the requests of the last ten minutes.")
    var predict = true

    @OptionGroup var host: HostOptions

    @OptionGroup(title: "Predicted fleet") var fleet: SimulatedFleetOptions

    func run() throws {
        let path = WorkingFolder.absolute(manifest)
        let text = try onMainThread { () throws(HostError) in
            try ManifestText(contentsOf: path)
        }
        let client = try host.client
        let answer = try client.ask("POST", "/admin/plan?file=\(path.inQuery)", body: text.bytes)
        let reply = try host.show(answer)
        if predict, !host.json, reply.changesPolicies {
            say(PlannedEffect(client: client, fleet: fleet).text(of: text))
        }
        guard reply.outcome == .planned, !reply.changes.isEmpty, let candidate = reply.candidate
        else { return }
        if let output {
            let plan = SavedPlan(base: reply.digest, candidate: candidate, manifest: path)
            try Data(try burrow.json(plan).utf8).write(to: URL(fileURLWithPath: output))
        }
        throw ExitCode.hasChanges
    }
}

/// A plan in a file: what it was made against, and what it would become.
private struct SavedPlan: Codable {
    var base: String
    var candidate: String
    var manifest: String

    init(base: String, candidate: String, manifest: String) {
        self.base = base
        self.candidate = candidate
        self.manifest = manifest
    }

    /// `nil` where the file is something else.
    init?(contentsOf path: String) {
        guard path.hasSuffix(".json"), let bytes = FileManager.default.contents(atPath: path),
            let plan = try? JSONDecoder().decode(SavedPlan.self, from: bytes)
        else { return nil }
        self = plan
    }
}

struct Reload: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Have a running host read its manifest again.")

    @OptionGroup var host: HostOptions

    func run() throws { _ = try host.show(try host.client.ask("POST", "/admin/reload")) }
}

struct RollBack: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback",
        abstract: "Move a running host back to a generation that was in force.")

    @Option(help: "The number of the generation; by default the last one that did well.")
    var to: Int?

    @OptionGroup var host: HostOptions

    func run() throws {
        let target = "/admin/rollback" + (to.map { "?to=\($0)" } ?? "")
        _ = try host.show(try host.client.ask("POST", target))
    }
}

struct ResetToDefault: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reset-to-default",
        abstract: "Put every policy of a running host on its built-in default, in one step.",
        discussion: "Mixtures then weigh their experts uniformly. `burrow rollback` undoes it.")

    @OptionGroup var host: HostOptions

    func run() throws { _ = try host.show(try host.client.ask("POST", "/admin/reset")) }
}

extension String {
    /// As a value in the query of a target.
    var inQuery: String {
        addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
    }
}
