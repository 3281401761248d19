// SPDX-License-Identifier: Apache-2.0

import Testing

/// The base and the eight adapters in one batch, against transformers and PEFT.
///
/// The reference has f32 arithmetic on bf16 weights, which is what dtype f32 computes.
@Suite(.serving(ServedManifest(dtype: "f32", replicas: ["memory: 512MiB", "maxBatch: 216"])))
struct ReferenceTests {
    @Test func completionsOfTokenIDsGiveTheReferenceTokens() async throws {
        let references = try SampleModel.references()
        #expect(references.count == 24 * 9)
        let port = try Client.ofSuite.port
        let replies = try await allAtOnce(references) { reference in
            let body: JSON = [
                "model": .text(reference.model), "temperature": 0, "max_tokens": 64,
                "prompt": .list(reference.promptIDs.map { .number(Double($0)) }),
                "return_token_ids": true, "logprobs": 3,
            ]
            return try WireConnection(port: port).post("/v1/completions", body).json
        }
        try await expectMixedBatches()
        for (reference, reply) in zip(references, replies) {
            let choice = reply["choices"][0]
            let name: Comment = "\(reference.model): \(reference.prompt)"
            #expect(choice["prompt_token_ids"].integers == reference.promptIDs, name)
            #expect(choice["token_ids"].integers == reference.greedyIDs, name)
            #expect(choice["text"].text == reference.text, name)
            #expect(choice["finish_reason"] == "stop", name)
            #expect(reply["usage"]["completion_tokens"].integer == reference.greedyIDs.count)
            expectLogprobs(of: choice["logprobs"], reference, name)
        }
    }

    @Test func chatsGiveTheReferenceTokens() async throws {
        let references = try SampleModel.references()
        let port = try Client.ofSuite.port
        let replies = try await allAtOnce(references) { reference in
            let body = SampleModel.chat(
                reference.model, reference.prompt,
                ["return_token_ids": true, "logprobs": true, "top_logprobs": 3])
            return try WireConnection(port: port).post("/v1/chat/completions", body).json
        }
        for (reference, reply) in zip(references, replies) {
            let choice = reply["choices"][0]
            let name: Comment = "\(reference.model): \(reference.prompt)"
            #expect(reply["prompt_token_ids"].integers == reference.promptIDs, name)
            #expect(choice["token_ids"].integers == reference.greedyIDs, name)
            #expect(choice["message"]["content"].text == reference.text, name)
            let steps = choice["logprobs"]["content"].list
            #expect(steps.count == reference.top.count, name)
            for (step, top) in zip(steps, reference.top) {
                let found = step["top_logprobs"].list.compactMap { $0["logprob"].number }
                expectClose(found, top.map(\.logprob), name)
            }
        }
    }

    /// They ran side by side: a step computed many tokens, of more requests than any one model has.
    private func expectMixedBatches() async throws {
        let client = try Client.ofSuite
        let steps = try await client.metric("vllm:iteration_tokens_total_count")
        let tokens = try await client.metric("vllm:generation_tokens_total")
        #expect(tokens > 24 * steps, "\(tokens) tokens in \(steps) steps")
    }

    /// The lists of a completion name tokens by their text, and equal texts appear once.
    private func expectLogprobs(
        of lists: JSON, _ reference: SampleModel.Reference, _ name: Comment
    ) {
        let drawn = lists["token_logprobs"].list.compactMap(\.number)
        expectClose(drawn, reference.top.compactMap { $0.first?.logprob }, name)
        for (step, top) in zip(lists["top_logprobs"].list, reference.top) {
            let found = step.members.values.compactMap(\.number).sorted(by: >)
            guard found.count == top.count else { continue }
            expectClose(found, top.map(\.logprob), name)
        }
    }

    private func expectClose(_ found: [Double], _ expected: [Double], _ name: Comment) {
        #expect(found.count == expected.count, name)
        for (found, expected) in zip(found, expected) where !(abs(found - expected) <= 1e-3) {
            Issue.record("\(name): logprob \(found) is not within 0.001 of \(expected)")
        }
    }
}
