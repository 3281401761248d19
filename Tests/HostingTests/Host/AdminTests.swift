// SPDX-License-Identifier: Apache-2.0

import Foundation
import Hosting
import Testing

/// The admin surface, and `burrow status`.
struct AdminTests {
    private static func busyManifest() -> ServedManifest {
        var manifest = ServedManifest(pipeline: ["batching: merged-only"])
        manifest.plugins = ["budget: 1s"]
        return manifest
    }

    private func status(_ server: BurrowProcess, _ more: String...) async throws -> CommandResult {
        try await run(Built.burrow, ["status", "--socket", server.adminSocket] + more)
    }

    @Test func statusAgreesWithMetrics() async throws {
        let server = try await BurrowProcess.start(Self.busyManifest())
        let port = server.port
        let models = ["roman", "french", "roman", "sample", "french", "roman"]
        _ = try await allAtOnce(models) { model in
            let body = SampleModel.chat(model, "Write 47 as a Roman numeral.")
            return try WireConnection(port: port).post("/v1/chat/completions", body).status
        }
        let result = try await status(server, "--json")
        #expect(result.status == 0, "\(result.errors)")
        let json = try JSON(parsing: result.output)
        #expect(json["name"] == "test" && json["version"] == .text(BurrowVersion.text))
        #expect(json["model"]["name"] == "sample")
        #expect(json["adapters"].list.first { $0["name"] == "roman" }?["requests"] == 3)
        let policies = json["policies"].list
        #expect(
            policies.map { $0["kind"].text } == [
                "batching", "fairness", "residency", "dispatch", "migration",
            ])
        #expect(policies[0]["type"] == "merged-only" && policies[0]["state"] == "active")
        try await compare(json["replicas"][0], with: Client(server))
        // It is that of the last minute, which moves on between the two.
        try await eventually("both tell the same fairness") {
            let now = try JSON(parsing: await status(server, "--json").output)
            let fairness = now["replicas"][0]["fairness"]
            let index = try await Client(server).metric("burrow:fairness_jain_index")
            let unserved = try await Client(server).metric("burrow:longest_unserved_seconds")
            return fairness["jainIndex"].number == index
                && fairness["longestUnserved"].number == unserved
        }
        checkService(of: json["replicas"][0])
        try await server.stop()
    }

    private func compare(_ replica: JSON, with client: Client) async throws {
        func metric(_ name: String, _ labels: [String: String] = [:]) async throws -> Double? {
            try await client.metric(name, labels)
        }
        let figures: [(String, JSON)] = [
            ("vllm:generation_tokens_total", replica["counts"]["generatedTokens"]),
            ("vllm:prompt_tokens_total", replica["counts"]["promptTokens"]),
            ("burrow:step_cost_observations_total", replica["costs"]["observations"]),
            ("burrow:step_cost_relative_error", replica["costs"]["relativeError"]),
        ]
        for (name, value) in figures { #expect(try await metric(name) == value.number, "\(name)") }
        let terms = replica["costs"]["terms"].members
        #expect(terms.count == CostTerm.allCases.count)
        for (term, seconds) in terms {
            let shown = try await metric("burrow:step_cost_seconds", ["term": term])
            #expect(shown == seconds.number, "\(term)")
        }
        for mode in ["unmerged", "merged", "mixed"] {
            let seconds = try #require(replica["steps"]["\(mode)Seconds"].number)
            let shown = try #require(try await metric("burrow:mode_seconds_total", ["mode": mode]))
            #expect(abs(shown - seconds) < 1e-9, "\(mode)")
        }
    }

    private func checkService(of replica: JSON) {
        let services = replica["fairness"]["services"].list
        #expect(Set(services.compactMap { $0["adapter"].text }) == ["sample", "roman", "french"])
        let service = services.reduce(0) { $0 + ($1["tokens"].number ?? 0) }
        let counts = replica["counts"]
        let prompt = counts["promptTokens"].number ?? 0
        #expect(service == prompt + 2 * (counts["generatedTokens"].number ?? 0))
        #expect(counts["finished"] == 6)
        let modes = replica["timeline"].list
        #expect(modes.last == replica["mode"] && modes.count > 1)
        let times = modes.compactMap { $0["since"].number }
        #expect(times == times.sorted(by: >))
    }

    @Test func statusIsThereForPeopleAndFitsTheirTerminals() async throws {
        let server = try await BurrowProcess.start(Self.busyManifest())
        let body = SampleModel.chat("roman", "Write 47 as a Roman numeral.")
        _ = try await Client(server).post("/v1/chat/completions", body)
        let result = try await status(server)
        #expect(result.status == 0)
        let lines = result.output.split(separator: "\n", omittingEmptySubsequences: false)
        for (word, count) in [("host ", 1), ("replica 0", 1), ("  costs", 1), ("roman", 1)] {
            #expect(lines.count { $0.hasPrefix(word) } == count, "\(word): \(result.output)")
        }
        #expect(lines.allSatisfy { $0.count <= 80 }, "\(result.output)")
        try await server.stop()
    }

    @Test func nobodyElseAndNothingElseReachesIt() async throws {
        let server = try await BurrowProcess.start(ServedManifest())
        for path in ["/admin/status", "/admin", "/admin/trace?replica=0", "/admin/../admin/status"]
        {
            #expect(try await Client(server).get(path).status == 404, "\(path)")
        }
        var facts = stat()
        #expect(lstat(server.adminSocket, &facts) == 0 && facts.st_mode & 0o777 == 0o600)
        let folder = URL(fileURLWithPath: server.adminSocket).deletingLastPathComponent().path
        #expect(lstat(folder, &facts) == 0 && facts.st_mode & 0o777 == 0o700)
        try await server.stop()
        #expect(access(server.adminSocket, F_OK) != 0, "the socket goes away with its host")
        let gone = try await status(server)
        #expect(gone.status == 1)
        #expect(gone.errors.contains("no host runs"), "\(gone.errors)")
    }

    @Test func aHostCanBeWithoutItAndASecondOneLeavesItToTheFirst() async throws {
        let folder = try TestFolder()
        let path = "\(folder.path)/a.sock"
        var manifest = ServedManifest()
        manifest.server = ["admin: \(path)"]
        let first = try await BurrowProcess.start(manifest)
        let second = try await run(
            Built.burrow,
            ["serve", try folder.write("m.yaml", manifest.text), "--listen", "127.0.0.1:0"])
        #expect(second.status == 1)
        #expect(second.errors.contains("another process answers there"), "\(second.errors)")
        let answer = try await run(Built.burrow, ["status", "--socket", path])
        #expect(answer.status == 0)
        try await first.stop()
        manifest.server = ["admin: off"]
        let without = try await run(
            Built.burrow, ["status", try folder.write("m.yaml", manifest.text)])
        #expect(without.status == 1)
        #expect(without.errors.contains("spec.server.admin is off"), "\(without.errors)")
    }

    @Test func statusFindsTheOneHostThatAnswersAmongSocketsThatWereLeftBehind() async throws {
        let folder = try TestFolder()
        let place = "\(folder.path)/burrow-\(getuid())"
        func findOne() async throws -> CommandResult {
            try await run(Built.burrow, ["status", "--json"], in: folder)
        }
        func refusal() async throws -> String {
            let result = try await findOne()
            #expect(result.status == 1 && result.output.isEmpty)
            return result.errors
        }
        try AdminSocketPath.prepare(folder: place)
        #expect(try await refusal() == "no host runs: there is no socket in \(place)\n")
        for name in ["a", "test", "z"] {
            try UnixSocket(path: "\(place)/\(name).sock").leave()
        }
        #expect(try await refusal() == "no host runs: nobody answers at any socket in \(place)\n")
        var manifest = ServedManifest()
        // Where it would be by itself if it had the folder for its run-time folder.
        manifest.server = ["admin: \(place)/test.sock"]
        let server = try await BurrowProcess.start(manifest)
        let found = try await findOne()
        #expect(found.status == 0, "\(found.errors)")
        #expect(try JSON(parsing: found.output)["name"] == "test")
        let other = try UnixSocket(path: "\(place)/other.sock")
        try other.listen()
        #expect(
            try await refusal() == "there are 2 hosts, name one with --socket: "
                + "\(place)/other.sock, \(place)/test.sock\n")
        try other.leave()
        #expect(try await findOne().status == 0)
        try await server.stop()
    }

    @Test func aFolderThatOthersMayEnterIsRefused() throws {
        let folder = try TestFolder()
        let place = "\(folder.path)/burrow"
        try AdminSocketPath.prepare(folder: place)
        try AdminSocketPath.prepare(folder: place)
        chmod(place, 0o750)
        let open = try #require(throws: HostError.self) {
            try AdminSocketPath.prepare(folder: place)
        }
        #expect(open.message.contains("chmod 700"))
        let file = try folder.write("file", "")
        let notOne = try #require(throws: HostError.self) {
            try AdminSocketPath.prepare(folder: file)
        }
        #expect(notOne.message.contains("is no folder"))
    }
}
