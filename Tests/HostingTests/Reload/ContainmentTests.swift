// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// What a policy that goes astray can do to a host, and what it cannot.
struct ContainmentTests {
    /// A manifest with the wayward policy in its folder.
    private static func manifest(
        _ does: String, in plugins: String, after: Int = 0, budget: String = "1s"
    ) -> ServedManifest {
        var manifest = ServedManifest()
        let instance =
            "{name: w, type: wayward-batching, parameters: {does: \(does), after: \(after)}}"
        manifest.search.append(plugins)
        manifest.plugins = ["instances: [\(instance)]", "budget: \(budget)"]
        manifest.pipeline = ["batching: w"]
        return manifest
    }

    private static func usual(with plugins: String) -> ServedManifest {
        var manifest = ServedManifest()
        manifest.search.append(plugins)
        manifest.plugins = ["budget: 1s"]
        return manifest
    }

    private func answers(_ server: BurrowProcess, _ count: Int) async throws -> [String?] {
        let port = server.port
        return try await allAtOnce(Array(repeating: "roman", count: count)) { model in
            let body = SampleModel.chat(model, "Write 47 as a Roman numeral.")
            let reply = try WireConnection(port: port).post("/v1/chat/completions", body)
            return try reply.json["choices"][0]["message"]["content"].text
        }
    }

    @Test(arguments: [("plans badly", "badAnswer"), ("throws", "threw"), ("is slow", "overran")])
    func whoDoesBadlyLosesItsPlaceAndNoRequest(_ does: String, _ fault: String) async throws {
        let folder = try TestFolder()
        let plugins = try WaywardPolicy.copy(to: folder)
        let budget = does == "is slow" ? "5ms" : "1s"
        let server = try await BurrowProcess.start(
            Self.manifest(does, in: plugins, budget: budget))
        let answers = try await answers(server, 8)
        #expect(answers == Array(repeating: "XLVII", count: 8))
        let status = try await AdminSocketClient(server).ask("GET", "/admin/status").json
        let policy = try #require(status["policies"].list.first { $0["name"] == "w" })
        #expect(policy["state"] == "fallenBack" && policy["fallBacks"] == 1, "\(policy)")
        #expect(policy["lastStrike"]["fault"].text == fault)
        #expect(try await Client(server).metric("burrow:policy_strikes_total") >= 3)
        #expect(server.log.contains("the built-in default takes over"), "\(server.log)")
        server.signal(SIGTERM)
        #expect(try await server.end().status == 0)
    }

    @Test func aGenerationThatDoesBadlyIsTakenBackAndNotTriedAgain() async throws {
        let folder = try TestFolder()
        let plugins = try WaywardPolicy.copy(to: folder)
        let server = try await BurrowProcess.start(Self.usual(with: plugins))
        let admin = AdminSocketClient(server)
        let bad = Self.manifest("throws", in: plugins).text
        let applied = try await admin.apply(bad)
        #expect(applied.status == 200)
        #expect(try await answers(server, 4) == Array(repeating: "XLVII", count: 4))
        let last = try await admin.latest { $0["origin"] == "probation" }
        #expect(last["number"] == 3 && last["outcome"] == "live", "\(last)")
        let taken = try await admin.generations().first { $0["number"] == 2 }
        #expect(taken?["outcome"] == "rolledBack" && taken?["failedStage"] == "probation")
        #expect(taken?["reason"].text?.hasPrefix("a policy lost its place") == true)
        let again = try await admin.apply(bad)
        #expect(again.status == 422)
        let reason = try again.json["reason"].text ?? ""
        #expect(reason.hasPrefix("this was tried and rolled back: a policy lost"), "\(reason)")
        #expect(try await admin.apply(bad, force: true).status == 200)
        server.signal(SIGTERM)
        #expect(try await server.end().status == 0)
    }

    @Test(arguments: [
        ("traps when made", "died of SIGILL"), ("refuses to be made", "I do not want to be."),
    ])
    func whatCannotBeMadeIsFoundBeforeTheHostMoves(
        _ does: String, _ reason: String
    ) async throws {
        let folder = try TestFolder()
        let plugins = try WaywardPolicy.copy(to: folder)
        let server = try await BurrowProcess.start(Self.usual(with: plugins))
        let refused = try await AdminSocketClient(server).apply(
            Self.manifest(does, in: plugins).text)
        #expect(refused.status == 422)
        #expect(try refused.json["failedStage"] == "preflight")
        #expect(try refused.json["reason"].text?.contains(reason) == true)
        #expect(try await answers(server, 1) == ["XLVII"])
        server.signal(SIGTERM)
        #expect(try await server.end().status == 0)
    }

    @Test func aRebuiltLibraryIsAChangeAndTheOldOneGoesOnUntilThen() async throws {
        let folder = try TestFolder()
        let plugins = try WaywardPolicy.copy(to: folder, build: 1)
        let manifest = Self.manifest("well", in: plugins)
        let server = try await BurrowProcess.start(manifest, arguments: ["--watch"])
        let admin = AdminSocketClient(server)
        #expect(try await answers(server, 2) == ["XLVII", "XLVII"])
        _ = try WaywardPolicy.copy(to: folder, build: 2)
        let last = try await admin.latest { $0["number"] == 2 }
        let change = last["changes"][0]
        #expect(change["sign"] == "↻" && change["item"] == "batching wayward-batching", "\(last)")
        #expect(last["stages"].list.contains { $0["stage"] == "preflight" }, "\(last)")
        #expect(try await answers(server, 2) == ["XLVII", "XLVII"])
        // What is no library any more, or one of another interface, changes nothing.
        let library = "\(plugins)/libWayward.so"
        let good = try Data(contentsOf: URL(fileURLWithPath: library))
        try good.prefix(5000).write(to: URL(fileURLWithPath: library), options: .atomic)
        let cut = try await admin.latest { $0["outcome"] == "rejected" }
        #expect(cut["reason"].text?.contains("truncated or damaged") == true, "\(cut)")
        var other = good
        let header = try #require(
            other.range(of: Data([0x42, 0x55, 0x52, 0x52, 0x4f, 0x57, 0x50])))
        other[header.lowerBound + 12] = 2
        try other.write(to: URL(fileURLWithPath: library), options: .atomic)
        let old = try await admin.latest {
            $0["reason"].text?.contains("built for PolicyKit interface 2") == true
        }
        #expect(old["outcome"] == "rejected")
        #expect(try await answers(server, 2) == ["XLVII", "XLVII"])
        server.signal(SIGTERM)
        #expect(try await server.end().status == 0)
    }

    @Test func whatAPolicyRemembersGoesOnInTheNextGeneration() async throws {
        func manifest(_ starvation: String) -> ServedManifest {
            var manifest = ServedManifest()
            manifest.plugins = [
                "budget: 1s",
                "instances: [{name: credits, type: credit-fairness, "
                    + "parameters: {starvation: \(starvation)}}]",
            ]
            manifest.pipeline = ["fairness: credits"]
            return manifest
        }
        let server = try await BurrowProcess.start(manifest("2s"))
        let admin = AdminSocketClient(server)
        _ = try await answers(server, 4)
        let next = try await admin.apply(manifest("3s").text).json
        let state = next["states"][0]
        #expect(state["kind"] == "fairness" && state["fate"] == "carried", "\(next)")
        var other = manifest("3s")
        other.pipeline = ["fairness: token-counter-fairness"]
        let lost = try await admin.apply(other.text).json["states"][0]
        #expect(lost["fate"] == "lost", "\(lost)")
        #expect(lost["detail"] == "credit-fairness is of another type", "\(lost)")
        try await server.stop()
    }
}
