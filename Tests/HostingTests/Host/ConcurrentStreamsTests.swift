// SPDX-License-Identifier: Apache-2.0

import Testing

/// One test at a time: what a stream says alone is said by a server that does nothing else.
@Suite(
    .serialized,
    .serving(ServedManifest(dtype: "bf16", replicas: ["memory: 256MiB", "maxBatch: 64"])))
struct ConcurrentStreamsTests {
    /// What a stream has brought.
    private struct Answer: Sendable, Equatable {
        var tokens: [Int] = []
        var text = ""
        var finish: String?
    }

    /// Over the base and the eight adapters, each with a prompt of its own.
    private static func requests(_ more: @Sendable (Int) -> [String: JSON]) throws -> [JSON] {
        let models = ["sample"] + SampleModel.adapters
        let prompts = try SampleModel.adapters.map { try SampleModel.evaluation(of: $0) }
        return (0..<64).map { index in
            let prompt = prompts[index % prompts.count][index].prompt
            var fields = more(index)
            fields["return_token_ids"] = true
            fields["max_tokens"] = 48
            return SampleModel.chat(models[index % models.count], prompt, fields)
        }
    }

    private static func answer(_ body: JSON, port: Int) throws -> Answer {
        let stream = try EventStream(
            try WireConnection(port: port), "/v1/chat/completions", body)
        var answer = Answer()
        while let event = try stream.next() {
            let choice = event["choices"][0]
            answer.tokens += choice["token_ids"].integers
            answer.text += choice["delta"]["content"].text ?? ""
            answer.finish = choice["finish_reason"].text ?? answer.finish
        }
        return answer
    }

    private func compare(_ requests: [JSON]) async throws {
        let port = try Client.ofSuite.port
        let alone = try await onThread { try requests.map { try Self.answer($0, port: port) } }
        let together = try await allAtOnce(requests) { try Self.answer($0, port: port) }
        #expect(together.count == 64)
        for (index, pair) in zip(alone, together).enumerated() {
            #expect(pair.0 == pair.1, "stream \(index)")
            #expect(pair.0.finish != nil && !pair.0.tokens.isEmpty, "stream \(index)")
        }
        // All but the first step of a stream alone are planned while the one before runs.
        let client = try Client.ofSuite
        let steps = try await client.metric("burrow:step_seconds_count")
        #expect(try await client.metric("burrow:steps_ahead_total") > steps / 2)
    }

    @Test func greedyStreamsSayWhatTheySayAlone() async throws {
        try await compare(Self.requests { _ in [:] })
    }

    @Test func seededStreamsSayWhatTheySayAlone() async throws {
        try await compare(
            Self.requests { ["temperature": 1, "seed": .number(Double($0)), "ignore_eos": true] })
    }
}
