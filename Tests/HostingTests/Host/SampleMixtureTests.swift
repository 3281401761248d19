// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// The mixture of the eight sample adapters and its trained gate, as the quickstart serves them.
struct SampleMixtureTests {
    private static let manifest = "\(Built.repository)/Manifests/quickstart.yaml"

    private struct Case {
        let prompt: String
        let answer: String
    }

    /// Prompts that the gate was not trained on, of all tasks.
    private func cases(_ count: Int) throws -> [Case] {
        try Built.text("Samples/mixture/test.jsonl").split(separator: "\n").prefix(count).map {
            let line = try JSON(parsing: String($0))
            return Case(
                prompt: try #require(line["prompt"].text),
                answer: try #require(line["answer"].text))
        }
    }

    @Test func itAnswersPromptsOfAllTasksWithoutBeingToldTheTask() async throws {
        let server = try await BurrowProcess.start(path: Self.manifest)
        let cases = try cases(240)
        let client = Client(server)
        let right = try await withThrowingTaskGroup(of: Int.self) { group in
            for part in 0..<8 {
                let own = cases.indices.filter { $0 % 8 == part }.map { cases[$0] }
                group.addTask {
                    var right = 0
                    for item in own {
                        let reply = try await client.post(
                            "/v1/chat/completions",
                            SampleModel.chat("everything", item.prompt, ["max_tokens": 48])
                        ).json
                        let text = reply["choices"][0]["message"]["content"].text
                        if text == item.answer { right += 1 }
                    }
                    return right
                }
            }
            return try await group.reduce(0, +)
        }
        // 98.7 % of all 2,000; 216 of 240 is 90 %.
        #expect(right >= 216, "\(right) of \(cases.count)")
        try await server.stop()
    }

    /// The formula in double precision, in another language.
    @Test(.enabled(if: Built.clientPython != nil, "BURROW_CLIENTS names no environment"))
    func itsGateGivesWhatTheFormulaGives() async throws {
        let python = try #require(Built.clientPython)
        for item in try cases(4) {
            let shown = try await run(
                Built.burrow,
                [
                    "explain-gate", Self.manifest, item.prompt, "--mixture", "everything", "--chat",
                    "--json",
                ])
            #expect(shown.status == 0, "\(shown.errors)")
            let json = try JSON(parsing: shown.output)
            let prompt = json["tokens"].list.filter { $0["isPrompt"] == true }
            let tokens = prompt.compactMap { $0["id"].number }.map { String(Int($0)) }
            let expected = try await run(
                python,
                [
                    "\(Built.repository)/Tests/Clients/gate_reference.py",
                    "\(Built.samples)/model", "\(Built.samples)/gates/everything",
                ] + tokens)
            #expect(expected.status == 0, "\(expected.errors)")
            let weights = try JSON(parsing: expected.output).list.compactMap(\.number)
            #expect(weights.count == 8)
            // Prompt and answer alike: the weights are those of the prompt.
            for row in json["depths"][0]["weights"].list {
                for (found, weight) in zip(row.list.compactMap(\.number), weights) {
                    #expect(abs(found - weight) < 1e-6, "\(item.prompt): \(found), not \(weight)")
                }
            }
        }
    }
}
