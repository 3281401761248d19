// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Hosting

struct Top: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Watch a running host: replicas, adapters, policies.",
        discussion: """
            Without a manifest or --socket it watches the one host that runs in the usual place. \
            Keys: q quits, s orders adapters by requests, tokens or queue, p pauses. Where the output \
            is no terminal it prints one picture, as with --once.
            """)

    @Argument(help: "The manifest that the host serves.")
    var manifest: String?

    @Option(help: "The socket of the host's admin surface, instead of a manifest.")
    var socket: String?

    @Option(help: "Seconds from one picture to the next, from 0.1 to 60.")
    var interval = 1.0

    @Flag(help: "Print one picture, without control codes.")
    var once = false

    func validate() throws {
        if manifest != nil, socket != nil {
            throw ValidationError("give a manifest or --socket, not both")
        }
        if !(0.1...60).contains(interval) {
            throw ValidationError("--interval is from 0.1 to 60")
        }
    }

    func run() throws {
        let path = try AdminSocketPath.path(manifest: manifest, socket: socket)
        let source = StatusSource(path: path)
        do {
            if once || !TerminalScreen.isThere {
                try printOne(from: source)
            } else {
                try TopView(source: source, interval: interval).run()
            }
        } catch let error as StatusSource.Failure {
            // The terminal is itself again by now.
            throw fail(error.message)
        }
    }

    /// What is counted by the second takes two statuses.
    private func printOne(from source: StatusSource) throws {
        let first = try source.status()
        poll(nil, 0, Int32(interval * 1000))
        var size = TerminalScreen.size
        size.rows = .max
        let frame = TopFrame(
            current: try source.status(), previous: first, size: size, isStill: true)
        say(frame.lines.map(\.text).joined(separator: "\n"))
    }
}

/// Where the view gets what it shows.
struct StatusSource {
    struct Failure: Error { let message: String }

    private let client: AdminClient

    init(path: String) {
        client = AdminClient(path: path) { Failure(message: $0) }
    }

    func status() throws -> HostStatus {
        var body = Data()
        // A host that is silent for longer would keep the keys from being read.
        try client.get("/admin/status", within: 2) { body.append($0) }
        do {
            return try JSONDecoder().decode(HostStatus.self, from: body)
        } catch {
            throw Failure(message: "the host at \(client.path) is of another version: \(error)")
        }
    }
}
