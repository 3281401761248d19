// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Policies of plugins change who runs when, and never what comes out.
struct PolicyTests {
    private struct Outcome: Sendable {
        var tokens: [[Int]]
        var merges: Double
        var mergedSteps: Double
        var strikes: Double
    }

    private static let systems: [String] =
        ((try? FileManager.default.contentsOfDirectory(
            atPath: "\(Built.repository)/Manifests/systems")) ?? [])
        .filter { $0.hasSuffix(".yaml") }.sorted()

    /// Systems that run merged whenever they can.
    private static let merging: Set<String> = ["merged-only.yaml", "vllm-merged-per-adapter.yaml"]

    /// A system's manifest with f32 weights, as merged bf16 weights are rounded once more, and in
    /// which no policy loses its place to a busy machine.
    private func manifest(_ name: String) throws -> (folder: TestFolder, path: String) {
        let folder = try TestFolder()
        try folder.link("Samples", to: Built.samples)
        var text = try Built.text("Manifests/systems/\(name)")
        #expect(text.contains("dtype: bf16"))
        text.replace("dtype: bf16", with: "dtype: f32")
        text.replace("mergedMemory: 64MiB", with: "mergedMemory: 128MiB")
        if text.contains("\n  plugins:\n") {
            text.replace("\n  plugins:\n", with: "\n  plugins:\n    budget: 1s\n")
        } else {
            text += "  plugins: {budget: 1s}\n"
        }
        return (folder, try folder.write("Manifests/systems/\(name)", text))
    }

    /// 48 questions for two adapters, in turns and all at once.
    private func serve(_ server: BurrowProcess) async throws -> Outcome {
        let roman = try SampleModel.evaluation(of: "roman").prefix(24)
        let french = try SampleModel.evaluation(of: "french").prefix(24)
        let port = server.port
        let questions = zip(roman, french).flatMap { [$0, $1] }
        let tokens = try await allAtOnce(questions) { question in
            let body = SampleModel.chat(
                question.task, question.prompt, ["return_token_ids": true])
            let reply = try WireConnection(port: port).post("/v1/chat/completions", body)
            return try reply.json["choices"][0]["token_ids"].integers
        }
        let client = Client(server)
        let outcome = Outcome(
            tokens: tokens, merges: try await client.metric("burrow:merge_seconds_count"),
            mergedSteps: try await client.metric("burrow:mode_switches_total", ["to": "merged"]),
            strikes: try await client.metric("burrow:policy_strikes_total"))
        try await server.stop()
        return outcome
    }

    @Test func everySystemGivesTheTokensOfTheDefault() async throws {
        let unmerged = try await serve(BurrowProcess.start(ServedManifest(dtype: "f32")))
        #expect(unmerged.merges == 0 && unmerged.mergedSteps == 0)
        #expect(unmerged.tokens.allSatisfy { !$0.isEmpty })
        #expect(Self.systems.count >= 10)
        for name in Self.systems {
            let (folder, path) = try manifest(name)
            let outcome = try await serve(BurrowProcess.start(path: path))
            withExtendedLifetime(folder) {}
            #expect(outcome.tokens == unmerged.tokens, "\(name)")
            #expect(outcome.strikes == 0, "\(name)")
            if Self.merging.contains(name) {
                #expect(outcome.merges >= 2, "\(name): each adapter was merged")
                #expect(outcome.mergedSteps >= 1, "\(name)")
            }
        }
    }
}
