// SPDX-License-Identifier: Apache-2.0

import Testing

/// Policies of plugins change who runs when, and never what comes out.
struct PolicyTests {
    private struct Outcome: Sendable {
        var tokens: [[Int]]
        var merges: Double
        var mergedSteps: Double
        var strikes: Double
    }

    /// A manifest of the repository, in which no policy loses its place to a busy machine.
    private func manifest(_ name: String) throws -> (folder: TestFolder, path: String) {
        let folder = try TestFolder()
        try folder.link("Samples", to: Built.samples)
        var text = try Built.text("Manifests/\(name)")
        if text.contains("\n  plugins:\n") {
            text.replace("\n  plugins:\n", with: "\n  plugins:\n    budget: 1s\n")
        } else {
            text += "  plugins: {budget: 1s}\n"
        }
        return (folder, try folder.write("Manifests/\(name)", text))
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

    @Test func mergedWeightsGiveTheTokensOfUnmergedOnes() async throws {
        let unmerged = try await serve(BurrowProcess.start(ServedManifest(dtype: "f32")))
        let (folder, path) = try manifest("merged-only.yaml")
        let merged = try await serve(BurrowProcess.start(path: path))
        withExtendedLifetime(folder) {}
        #expect(unmerged.merges == 0 && unmerged.mergedSteps == 0)
        #expect(merged.merges >= 2, "each adapter was merged")
        #expect(merged.mergedSteps >= 1)
        #expect(merged.strikes == 0)
        #expect(unmerged.tokens.allSatisfy { !$0.isEmpty })
        #expect(merged.tokens == unmerged.tokens)
    }

    @Test func iterationBatchingGivesTheTokensOfTheDefault() async throws {
        let (folder, path) = try manifest("orca.yaml")
        let orca = try await serve(BurrowProcess.start(path: path))
        withExtendedLifetime(folder) {}
        let answers = try SampleModel.evaluation(of: "roman").prefix(24)
        #expect(orca.merges == 0 && orca.strikes == 0)
        #expect(orca.tokens.count == 2 * answers.count)
        let server = try await BurrowProcess.start(ServedManifest(dtype: "bf16"))
        for (index, question) in answers.enumerated() {
            let body = SampleModel.chat(
                question.task, question.prompt, ["return_token_ids": true])
            let reply = try await Client(server).post("/v1/chat/completions", body)
            #expect(try reply.json["choices"][0]["token_ids"].integers == orca.tokens[2 * index])
        }
        try await server.stop()
    }
}
