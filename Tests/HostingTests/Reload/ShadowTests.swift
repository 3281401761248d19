// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Policies that decide beside the live ones.
struct ShadowTests {
    private static func manifest(_ pipeline: [String]) -> ServedManifest {
        var manifest = ServedManifest()
        manifest.plugins = ["budget: 1s"]
        manifest.pipeline = pipeline
        return manifest
    }

    private func answers(_ server: BurrowProcess, _ models: [String]) async throws -> [[Int]] {
        let port = server.port
        return try await allAtOnce(models) { model in
            let body = SampleModel.chat(
                model, "Write 47 as a Roman numeral.", ["return_token_ids": true])
            let reply = try WireConnection(port: port).post("/v1/chat/completions", body)
            return try reply.json["choices"][0]["token_ids"].integers
        }
    }

    private static let models = ["roman", "french", "roman", "roman", "date", "roman"]

    @Test func aCandidateIsComparedAndChangesNothing() async throws {
        var manifest = Self.manifest([])
        manifest.replicas = ["count: 2", "threads: 1", "memory: 128MiB"]
        let server = try await BurrowProcess.start(manifest)
        let admin = AdminSocketClient(server)
        let before = try await answers(server, Self.models)
        var candidate = manifest
        candidate.pipeline = ["batching: merged-only", "dispatch: round-robin"]
        let started = try await admin.ask("PUT", "/admin/shadow", body: candidate.text)
        #expect(started.status == 200)
        #expect(try started.json["kinds"].list.count == 2)
        #expect(try await answers(server, Self.models) == before)
        let report = try await admin.latestShadow { report in
            report["kinds"].list.allSatisfy { ($0["answers"].integer ?? 0) > 0 }
        }
        let batching = report["kinds"][0]
        #expect(batching["kind"] == "batching" && batching["live"] == "fcfs-unmerged")
        #expect((batching["differences"].integer ?? 0) > 0, "\(report)")
        let example = batching["examples"][0]
        #expect(example["live"].text?.hasPrefix("unmerged [") == true, "\(report)")
        #expect(example["candidate"].text?.hasPrefix("merged on ") == true, "\(report)")
        #expect(report["kinds"][1]["candidate"] == "round-robin", "\(report)")
        let status = try await admin.ask("GET", "/admin/status").json
        #expect(status["policies"][0]["type"] == "fcfs-unmerged" && status["generation"] == 1)
        #expect(try await Client(server).metric("burrow:merge_seconds_count") == 0)
        let again = try await admin.ask("PUT", "/admin/shadow", body: candidate.text)
        #expect(again.status == 409)
        let promoted = try await admin.ask("POST", "/admin/shadow/promote")
        #expect(try promoted.json["outcome"] == "live")
        #expect(try await admin.ask("GET", "/admin/shadow").status == 404)
        let after = try await admin.ask("GET", "/admin/status").json
        #expect(after["policies"][0]["type"] == "merged-only" && after["generation"] == 2)
        server.signal(SIGTERM)
        #expect(try await server.end().status == 0)
    }

    @Test func aCandidateThatDecidesAlikeDiffersInNothing() async throws {
        var candidate = Self.manifest(["batching: twin"])
        candidate.plugins.append("instances: [{name: twin, type: fcfs-unmerged}]")
        let server = try await BurrowProcess.start(Self.manifest([]))
        let admin = AdminSocketClient(server)
        #expect(try await admin.ask("PUT", "/admin/shadow", body: candidate.text).status == 200)
        _ = try await answers(server, Self.models)
        let report = try await admin.latestShadow { ($0["kinds"][0]["answers"].integer ?? 0) > 3 }
        #expect(report["kinds"][0]["differences"] == 0, "\(report)")
        let stopped = try await admin.ask("DELETE", "/admin/shadow")
        #expect(stopped.status == 200)
        #expect(try await admin.ask("DELETE", "/admin/shadow").status == 404)
        try await server.stop()
    }

    @Test func whatDecidesNothingElseIsRefused() async throws {
        let server = try await BurrowProcess.start(Self.manifest([]))
        let admin = AdminSocketClient(server)
        var limits = Self.manifest([])
        limits.limits = ["queue: 5"]
        for (text, status) in [
            (limits.text, 409), (Self.manifest([]).text, 409), ("nonsense: [", 422),
            (Self.manifest(["batching: none-such"]).text, 422),
        ] {
            #expect(try await admin.ask("PUT", "/admin/shadow", body: text).status == status)
        }
        #expect(try await admin.ask("POST", "/admin/shadow/promote").status == 404)
        server.signal(SIGTERM)
        #expect(try await server.end().status == 0)
    }
}

extension AdminSocketClient {
    /// Waits until the report of a shadow is as `isWanted` says.
    fileprivate func latestShadow(where isWanted: @Sendable (JSON) -> Bool) async throws -> JSON {
        var report = JSON.null
        try await eventually("the report of a shadow") {
            report = try await ask("GET", "/admin/shadow").json
            return isWanted(report)
        }
        return report
    }
}
