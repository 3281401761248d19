// SPDX-License-Identifier: Apache-2.0

import Foundation
import Supervision
import Testing

@testable import Hosting

/// Hosts that die, and what their supervisor makes of it.
struct SupervisionHostTests {
    private static func manifest(
        _ does: String, in plugins: String, after: Int, stall: String = "1h"
    ) -> ServedManifest {
        var manifest = ServedManifest()
        manifest.search.append(plugins)
        let instance =
            "{name: w, type: wayward-batching, parameters: {does: \(does), after: \(after)}}"
        manifest.plugins = ["instances: [\(instance)]", "budget: 10s", "stall: \(stall)"]
        manifest.pipeline = ["batching: w"]
        // A client may be quiet for longer than usual where others take the processors.
        manifest.limits = ["idleTimeout: 10m", "headerTimeout: 10m"]
        return manifest
    }

    private static let question = SampleModel.chat("roman", "Write 47 as a Roman numeral.")

    private func status(_ server: BurrowProcess) async throws -> JSON {
        try await AdminSocketClient(server).ask("GET", "/admin/status").json
    }

    @Test(arguments: [
        ("traps", "1h", "signal 4"), ("reads wildly", "1h", "signal 11"),
        ("hangs", "300ms", "signal 6"),
    ])
    func theCulpritIsSetAsideAndNobodyIsLost(
        _ does: String, _ stall: String, _ signal: String
    ) async throws {
        let folder = try TestFolder()
        let plugins = try WaywardPolicy.copy(to: folder)
        let server = try await BurrowProcess.start(
            Self.manifest(does, in: plugins, after: 3, stall: stall), arguments: ["--supervised"])
        let client = Client(server)
        // A client that is there before and asks nothing meanwhile.
        let port = server.port
        let quiet = try await onThread { try WireConnection(port: port) }
        let process = try await status(server)["processIdentifier"].integer
        let port2 = server.port
        let answers = try await allAtOnce(Array(repeating: 0, count: 6)) { _ in
            let reply = try WireConnection(port: port2).post("/v1/chat/completions", Self.question)
            return (reply.status, try reply.json["choices"][0]["message"]["content"].text)
        }
        #expect(answers.allSatisfy { $0 == 200 && $1 == "XLVII" }, "\(answers)\n\(server.log)")
        let after = try await status(server)
        #expect(after["processIdentifier"].integer != process)
        let quarantined = after["quarantined"][0]
        #expect(
            quarantined["policy"].text?.hasPrefix("batching policy 'w' (wayward-batching") == true)
        #expect(quarantined["reason"].text?.contains(signal) == true, "\(quarantined)")
        #expect(after["policies"][0]["type"] == "fcfs-unmerged")
        #expect(server.log.contains("which is set aside"), "\(server.log)")
        let late = try await onThread { try quiet.post("/v1/chat/completions", Self.question) }
        #expect(late.status == 200)
        // What is quarantined does not come back with the next reload, unless it is another build.
        let again = try await AdminSocketClient(server).ask("POST", "/admin/reload").json
        #expect(again["outcome"] == "unchanged", "\(again)")
        #expect(try await client.post("/v1/chat/completions", Self.question).status == 200)
        server.signal(SIGTERM)
        #expect(try await server.end().status == 0)
    }

    /// Those who come while there is no host, and those who wait for the next one, do not meet.
    @Test func manyClientsComeAndGoWhileTheHostIsStartedAgain() async throws {
        let folder = try TestFolder()
        let plugins = try WaywardPolicy.copy(to: folder)
        let server = try await BurrowProcess.start(
            Self.manifest("traps", in: plugins, after: 12), arguments: ["--supervised"])
        let port = server.port
        let answers = try await allAtOnce(Array(repeating: 0, count: 24)) { _ in
            try (0..<4).map { _ in
                let connection = try WireConnection(port: port)
                let reply = try connection.post("/v1/chat/completions", Self.question)
                return try reply.json["choices"][0]["message"]["content"].text
            }
        }
        #expect(answers.allSatisfy { $0 == Array(repeating: "XLVII", count: 4) }, "\(server.log)")
        #expect(server.log.contains("which is set aside"), "\(server.log)")
        #expect(try await status(server)["unfinishedRequests"] == 0)
        server.signal(SIGTERM)
        #expect(try await server.end().status == 0)
    }

    @Test func aStreamThatHasBegunEndsWithAnError() async throws {
        let folder = try TestFolder()
        let plugins = try WaywardPolicy.copy(to: folder)
        let server = try await BurrowProcess.start(
            Self.manifest("traps", in: plugins, after: 40), arguments: ["--supervised"])
        let stream = try await Client(server).stream(
            "/v1/chat/completions",
            SampleModel.longChat("roman", choices: 1, ["stream": true]))
        var last = JSON.null
        var count = 0
        while last["error"] == .null, let event = try await stream.nextEvent() {
            last = event
            count += 1
        }
        #expect(count > 10)
        #expect(
            last["error"]["message"].text?.hasPrefix("The server has failed while it answered")
                == true, "\(last)")
        #expect(last["error"]["code"] == 500)
        server.signal(SIGTERM)
        #expect(try await server.end().status == 0)
    }

    @Test func aGateThatTrapsTakesItsMixtureOutOfService() async throws {
        let folder = try TestFolder()
        let plugins = try WaywardPolicy.copy(to: folder)
        var manifest = ServedManifest()
        manifest.search.append(plugins)
        manifest.plugins = [
            "budget: 10s",
            "instances: [{name: g, type: wayward-gate, parameters: {after: 12}}]",
        ]
        manifest.spec = ["mixtures: [{name: both, experts: [roman, french], gating: g}]"]
        let server = try await BurrowProcess.start(manifest, arguments: ["--supervised"])
        let client = Client(server)
        let asked = try await client.post(
            "/v1/chat/completions", SampleModel.chat("both", "Write 47 as a Roman numeral."))
        // Tried again by the next host, which does not have it any more.
        #expect(asked.status == 409, "\(server.log)")
        let message = try asked.json["error"]["message"].text ?? ""
        #expect(message.contains("its gate is set aside, as the host died in it"), "\(message)")
        let status = try await status(server)
        let name = status["quarantined"][0]["policy"].text ?? ""
        #expect(name.hasPrefix("gating policy 'g' (wayward-gate, Wayward-"), "\(name)")
        #expect(try await client.post("/v1/chat/completions", Self.question).status == 200)
        server.signal(SIGTERM)
        #expect(try await server.end().status == 0)
    }

    @Test func whatCannotStartIsNotTriedForEver() async throws {
        let folder = try TestFolder()
        let file = try folder.write("m.yaml", "apiVersion: burrow/v1\n")
        let result = try await run(Built.burrow, ["serve", file, "--supervised"])
        #expect(result.status == 78, "\(result)")
    }

    @Test func stallsAreToldOnceInAWhileAndNotForTheWatchsOwnDelay() {
        var rules = StallRules(limit: .seconds(1))
        func stall(_ since: UInt64?, _ now: UInt64, lag: Duration = .zero) -> Duration? {
            let culprit = since.map { CrashJournal.Culprit(name: "p", thread: 0, since: $0) }
            return rules.stall(of: culprit, at: now, lag: lag)
        }
        let second: UInt64 = 1_000_000_000
        #expect(stall(nil, second) == nil)
        #expect(stall(second, 2 * second) == nil)
        #expect(stall(second, 3 * second) == .seconds(2))
        #expect(stall(second, 4 * second) == nil)
        #expect(stall(second, 13 * second) == .seconds(12))
        #expect(stall(14 * second, 16 * second, lag: .seconds(1)) == nil)
        #expect(stall(14 * second, 17 * second, lag: .seconds(1)) == .seconds(2))
    }
}
