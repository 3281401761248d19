// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Hosting

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show how a running host stands, or record its decisions.",
        discussion: """
            Without a manifest or --socket it asks the one host that runs in the usual place.

            --trace writes each scheduling decision as a line of JSON, with what the policies were \
            asked and told, until --decisions or --seconds are over or this command is ended. \
            `burrow trace replay` asks the same policies again.
            """)

    @Argument(help: "The manifest that the host serves.")
    var manifest: String?

    @Option(help: "The socket of the host's admin surface, instead of a manifest.")
    var socket: String?

    @Flag(help: "Write JSON.")
    var json = false

    @Flag(help: "Record the decisions of a replica.")
    var trace = false

    @Option(help: "The replica whose decisions are recorded.")
    var replica = 0

    @Option(help: "How many decisions are recorded at most.")
    var decisions: Int?

    @Option(help: "For how many seconds decisions are recorded at most.")
    var seconds: Int?

    func validate() throws {
        if !trace, replica != 0 || decisions != nil || seconds != nil {
            throw ValidationError("--replica, --decisions and --seconds go with --trace")
        }
        if manifest != nil, socket != nil {
            throw ValidationError("give a manifest or --socket, not both")
        }
    }

    func run() throws {
        let client = AdminClient(path: try AdminSocketPath.path(manifest: manifest, socket: socket))
        if trace { return try record(from: client) }
        let body = try client.get("/admin/status")
        let status: HostStatus
        do {
            status = try JSONDecoder().decode(HostStatus.self, from: body)
        } catch {
            throw fail("the host at \(client.path) is of another version: \(error)")
        }
        if json { return say(try burrow.json(status)) }
        say(StatusText(status: status, width: HumanText.terminalWidth).text)
    }

    /// Writes whole lines, and says on standard error why the recording has ended.
    private func record(from client: AdminClient) throws {
        var target = "/admin/trace?replica=\(replica)"
        if let decisions { target += "&decisions=\(decisions)" }
        if let seconds { target += "&seconds=\(seconds)" }
        var rest = Data()
        var last = Data()
        try client.get(target, within: nil) { piece in
            rest.append(piece)
            guard let end = rest.lastIndex(of: 0x0A) else { return }
            let whole = rest[...end]
            FileHandle.standardOutput.write(whole)
            let lines = whole.dropLast()
            last = Data(lines[(lines.lastIndex(of: 0x0A).map { $0 + 1 } ?? lines.startIndex)...])
            rest = Data(rest[(end + 1)...])
        }
        guard let end = try? JSONDecoder().decode(TraceEnd.self, from: last) else {
            throw fail("the recording was cut off")
        }
        complain("\(HumanText.counted(end.decisions, "decision")): \(end.end)")
    }

    /// The last line of a whole recording.
    private struct TraceEnd: Decodable {
        let end: String
        let decisions: Int
    }
}
