// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Traces of a running host, recorded and replayed as a user does it.
struct TraceHostTests {
    private static func manifest() -> ServedManifest {
        var manifest = ServedManifest()
        manifest.plugins = [
            "budget: 1s",
            "instances: [{name: switch, type: dlora-batching}, {name: credits, type: credit-fairness}]",
        ]
        manifest.pipeline = ["batching: switch", "fairness: credits"]
        return manifest
    }

    private func load(_ server: BurrowProcess) async throws {
        let port = server.port
        let models = (0..<24).map { ["roman", "roman", "french", "sample"][$0 % 4] }
        let statuses = try await allAtOnce(models) { model in
            let body = SampleModel.chat(
                model, "Write 47 as a Roman numeral.", ["max_tokens": 24, "ignore_eos": true])
            return try WireConnection(port: port).post("/v1/chat/completions", body).status
        }
        #expect(statuses.allSatisfy { $0 == 200 })
    }

    @Test func aTraceUnderLoadIsReplayedWithoutADifference() async throws {
        let folder = try TestFolder()
        let server = try await BurrowProcess.start(Self.manifest())
        try await load(server)
        let listener = try await TraceListener.start(server, ["--decisions", "24"])
        try await load(server)
        let recorded = try await listener.end()
        #expect(recorded.status == 0, "\(recorded.errors)")
        #expect(recorded.errors.contains("24 decisions are recorded"))
        try await server.stop()
        let trace = try folder.write("trace.jsonl", recorded.output)
        let replayed = try await run(
            Built.burrow, ["trace", "replay", trace, "--decision", "7"], in: folder)
        #expect(replayed.status == 0, "\(replayed.errors)\(replayed.output)")
        #expect(replayed.output.contains("to 24 decisions are the same"), "\(replayed.output)")
        for word in [
            "decision  7,", "fairness  credits:", "batching  switch:", "replayed  the same",
        ] {
            #expect(replayed.output.contains(word), "\(word): \(replayed.output)")
        }
        try await checkOtherPolicies(trace, in: folder)
        try await checkIsolatedPolicies(trace, in: folder)
    }

    /// Policies that begin afresh answer alike, wherever they run.
    private func checkIsolatedPolicies(_ trace: String, in folder: TestFolder) async throws {
        var replies: [String] = []
        for keys in ["", ", isolation: process"] {
            var manifest = Self.manifest()
            manifest.plugins = manifest.plugins.map { $0.replacing("}", with: "\(keys)}") }
            let reply = try await run(
                Built.burrow,
                [
                    "trace", "replay", trace, "--json", "--manifest",
                    try folder.write("fresh.yaml", manifest.text),
                ], in: folder)
            #expect(reply.errors == "")
            replies.append(reply.output)
        }
        #expect(replies[0] == replies[1])
    }

    private func checkOtherPolicies(_ trace: String, in folder: TestFolder) async throws {
        var manifest = ServedManifest()
        manifest.pipeline = ["batching: merged-only"]
        let other = try await run(
            Built.burrow,
            [
                "trace", "replay", trace, "--json", "--manifest",
                try folder.write("other.yaml", manifest.text),
            ], in: folder)
        #expect(other.status == 1)
        let json = try JSON(parsing: other.output)
        #expect((json["differences"].integer ?? 0) > 0)
        #expect(json["firstDifference"]["decision"].integer != nil)
        let damaged = try String(contentsOfFile: trace, encoding: .utf8)
            .replacing("\"now\":", with: "\"nwo\":")
        let refused = try await run(
            Built.burrow, ["trace", "replay", try folder.write("bad.jsonl", damaged)], in: folder)
        #expect(refused.status == 1)
        #expect(refused.errors.contains(": now must be an integer"), "\(refused.errors)")
    }

    @Test func oneListenerForAReplicaAndWhatItMayAskFor() async throws {
        let folder = try TestFolder()
        let server = try await BurrowProcess.start(ServedManifest())
        let listener = try await TraceListener.start(server, ["--seconds", "600"])
        let status = ["status", "--socket", server.adminSocket]
        let second = try await run(Built.burrow, status + ["--trace"], in: folder)
        #expect(second.status == 1)
        #expect(second.errors.contains("already"), "\(second.errors)")
        let wrong = try await run(
            Built.burrow, status + ["--trace", "--replica", "3"], in: folder)
        #expect(wrong.errors.contains("replica is a number from 0 to 0"), "\(wrong.errors)")
        let shown = try await run(Built.burrow, status, in: folder)
        #expect(shown.output.contains("its decisions are recorded"), "\(shown.output)")
        server.signal(SIGTERM)
        let ended = try await listener.end()
        #expect(ended.status == 0)
        #expect(ended.errors.contains("the host ends"), "\(ended.errors)")
        #expect(try await server.end().status == 0)
    }
}
