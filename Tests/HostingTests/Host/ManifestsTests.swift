// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// The manifests that the repository offers.
struct ManifestsTests {
    private static let all: [String] =
        (FileManager.default.enumerator(atPath: "\(Built.repository)/Manifests")?
        .compactMap { $0 as? String } ?? [])
        .filter { $0.hasSuffix(".yaml") && !$0.hasSuffix(".test.yaml") }.sorted()

    @Test func thereAreManifests() {
        #expect(Self.all.count >= 13)
    }

    /// By an adapter and each mixture, as chat where the model has a template and as token ids where not.
    @Test(arguments: all)
    func everyManifestStartsAndAnswers(_ name: String) async throws {
        let server = try await BurrowProcess.start(path: "\(Built.repository)/Manifests/\(name)")
        let client = Client(server)
        let models = try await client.get("/v1/models").json["data"].list
        let names = models.map { $0["id"] }
        for mixture in models where mixture["root"].text?.hasPrefix("mixture:") == true {
            let question = SampleModel.chat(mixture["id"].text ?? "", "Comment dit-on 48 ?")
            #expect(try await client.post("/v1/chat/completions", question).status == 200)
        }
        let model = try #require(names.contains("shout") ? "shout" : names.last)
        #expect(models.count > 1)
        let tokens = try await client.post(
            "/v1/completions",
            [
                "model": model, "prompt": [1, 2, 3], "max_tokens": 2, "temperature": 0,
                "ignore_eos": true, "return_token_ids": true,
            ])
        #expect(tokens.status == 200, "\(tokens.text)")
        #expect(try tokens.json["choices"][0]["token_ids"].list.count == 2)
        let chat = try await client.post(
            "/v1/chat/completions",
            SampleModel.chat(model.text ?? "", "Put this in capitals: sun moon star"))
        if models[0]["root"].text?.hasPrefix("synthetic:") == true {
            #expect(chat.status == 400)
            #expect(chat.message.contains("send prompts as token ids"))
        } else {
            #expect(try chat.json["choices"][0]["message"]["content"] == "SUN MOON STAR")
        }
        try await server.stop()
    }
}
