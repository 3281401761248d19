// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Hosts and simulations whose policies run in processes of their own.
struct IsolationTests {
    private static let types = [
        ("switch", "dlora-batching", "batching"), ("credits", "credit-fairness", "fairness"),
        ("where", "adapter-aware-dispatch", "dispatch"), ("who", "scored-residency", "residency"),
        ("mover", "greedy-migration", "migration"),
    ]

    /// A manifest with all of these, `keys` behind each type.
    private static func manifest(_ keys: String, plugins: [String] = []) -> ServedManifest {
        let instances = types.map { "{name: \($0.0), type: \($0.1)\(keys)}" }
        return ServedManifest(
            plugins: ["instances: [\(instances.joined(separator: ", "))]"] + plugins,
            pipeline: types.map { "\($0.2): \($0.0)" })
    }

    @Test func aSimulationGivesTheSameNumbers() async throws {
        let folder = try TestFolder()
        var replies: [String] = []
        for (name, keys) in [("inline", ""), ("process", ", isolation: process")] {
            let path = try folder.write("\(name).yaml", Self.manifest(keys).text)
            let result = try await run(
                Built.burrow,
                [
                    "simulate", path, "--replicas", "2", "--adapters", "4", "--rate", "40",
                    "--requests", "60", "--lengths", "uniform:8-64/4-8",
                ], in: folder)
            #expect(result.status == 0, "\(result.errors)")
            // What the simulation itself took differs.
            replies.append(
                result.output.split(separator: "\n")
                    .filter { !$0.contains(" simulated in ") && !$0.contains(".yaml") }
                    .joined(separator: "\n"))
        }
        #expect(replies[0].contains("60 completed"))
        #expect(replies[0] == replies[1])
    }

    @Test func aHostServesAndOutlivesItsPolicies() async throws {
        // The budget is large, as other tests keep the processors busy.
        let server = try await BurrowProcess.start(
            Self.manifest(", isolation: process", plugins: ["budget: 1s"]))
        let question = try #require(try SampleModel.evaluation(of: "roman").first)
        let body = SampleModel.chat(question.task, question.prompt)
        let before = try WireConnection(port: server.port).post("/v1/chat/completions", body)
        let client = Client(server)
        #expect(try await client.metric("burrow:policy_strikes_total") == 0)
        let children = Self.children(of: server)
        #expect(children.count == Self.types.count)
        for child in children { kill(child, SIGKILL) }
        let after = try WireConnection(port: server.port).post("/v1/chat/completions", body)
        #expect(
            try after.json["choices"][0]["message"]["content"].text
                == before.json["choices"][0]["message"]["content"].text)
        #expect(try await client.metric("burrow:policy_strikes_total") > 0)
        try await server.stop()
    }

    /// The sample in C, built as its README says, in a simulation and in a host.
    @Test func aPolicyInCDispatches() async throws {
        let folder = try TestFolder()
        let made = try await run(
            "/usr/bin/env",
            ["make", "-C", "\(Built.repository)/Samples/CPolicy", "OUT=\(folder.path)"])
        #expect(made.status == 0, "\(made.errors)")
        for keys in ["", ", isolation: process"] {
            let instances = "{name: two, type: two-choices-dispatch\(keys)}"
            let manifest = ServedManifest(
                replicas: ["memory: 256MiB", "count: 2"],
                plugins: ["budget: 1s", "instances: [\(instances)]"], pipeline: ["dispatch: two"]
            ).text.replacing("[\(Built.folder)]", with: "[\(Built.folder), \(folder.path)]")
            let path = try folder.write("manifest.yaml", manifest)
            let simulated = try await run(
                Built.burrow,
                ["simulate", path, "--replicas", "4", "--rate", "40", "--requests", "50"],
                in: folder)
            #expect(simulated.output.contains("50 completed"), "\(simulated.errors)")
            let server = try await BurrowProcess.start(path: path)
            let client = Client(server)
            let body = SampleModel.chat("roman", "Write 47 as a Roman numeral.")
            let reply = try await client.post("/v1/chat/completions", body)
            #expect(reply.status == 200)
            #expect(try await client.metric("burrow:policy_strikes_total") == 0)
            try await server.stop()
        }
    }

    private static func children(of server: BurrowProcess) -> [pid_t] {
        let path = "/proc/\(server.processIdentifier)/task/\(server.processIdentifier)/children"
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        return text.split(separator: " ").compactMap { pid_t($0) }
    }
}
