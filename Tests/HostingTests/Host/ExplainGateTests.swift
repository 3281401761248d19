// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// `burrow explain-gate`, which runs a mixture without a server.
struct ExplainGateTests {
    private func explain(_ arguments: String...) async throws -> (CommandResult, TestFolder) {
        let folder = try TestFolder()
        let manifest = try folder.write("manifest.yaml", ServedManifest.mixtures.text)
        let result = try await run(
            Built.burrow, ["explain-gate", manifest] + arguments, in: folder)
        return (result, folder)
    }

    @Test func everyTokenOfPromptAndAnswerHasItsWeights() async throws {
        let (result, _) = try await explain(
            "Comment dit-on 48 ?", "--mixture", "everything", "--chat", "--json", "--max-tokens",
            "12")
        #expect(result.status == 0, "\(result.errors)")
        let json = try JSON(parsing: result.output)
        #expect(json["experts"].list.compactMap(\.text) == SampleModel.adapters)
        #expect(json["depths"].list.count == 1, "this gate gives one set for all blocks")
        let depth = json["depths"][0]
        #expect(depth["name"] == "all blocks" && depth["reading"] == "tokens")
        #expect(abs((depth["entropy"].number ?? 0) - 1) < 1e-6)
        #expect(depth["weights"].list.count == json["tokens"].list.count)
        for weights in depth["weights"].list {
            #expect(weights.list.compactMap(\.number) == Array(repeating: 1 / 8, count: 8))
        }
        // The answer is what a server gives.
        let server = try await BurrowProcess.start(.mixtures)
        let reply = try await Client(server).post(
            "/v1/chat/completions",
            SampleModel.chat(
                "everything", "Comment dit-on 48 ?",
                ["max_tokens": 12, "return_token_ids": true])
        ).json
        let prompt = json["tokens"].list.filter { $0["isPrompt"] == true }.map { $0["id"] }
        let answer = json["tokens"].list.filter { $0["isPrompt"] == false }.map { $0["id"] }
        #expect(prompt == reply["prompt_token_ids"].list)
        // The last token of an answer is drawn and never computed.
        #expect(answer == reply["choices"][0]["token_ids"].list.dropLast())
        try await server.stop()
    }

    @Test func itIsShownAsTablesAndAsADrawing() async throws {
        let (result, folder) = try await explain(
            "abc", "--mixture", "pair", "--max-tokens", "4", "--svg", "gate.svg")
        #expect(result.status == 0, "\(result.errors)")
        for part in ["EXPERT", "french", "DEPTH", "all blocks", "ENTROPY", "TOKEN", "0.500"] {
            #expect(result.output.contains(part), "\(part) in \(result.output)")
        }
        let svg = try String(contentsOfFile: "\(folder.path)/gate.svg", encoding: .utf8)
        #expect(svg.hasPrefix("<svg") && svg.contains("english: 0.5"))
    }

    @Test func whatIsNotThereIsSaid() async throws {
        let (result, _) = try await explain("abc", "--mixture", "pears")
        #expect(result.status == 78)
        #expect(result.errors.contains("no mixture 'pears'; known: everything, pair"))
    }
}
