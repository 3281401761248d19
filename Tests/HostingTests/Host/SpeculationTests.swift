// SPDX-License-Identifier: Apache-2.0

import Testing

/// Guessing tokens ahead changes how long an answer takes, and nothing else.
@Suite(
    .serialized,
    .serving(ServedManifest(dtype: "bf16", replicas: ["memory: 256MiB", "maxBatch: 24"])))
struct SpeculationTests {
    private static let path = "/v1/chat/completions"

    /// Two for the base and each adapter; every third with penalties, every fourth with few tokens.
    private static func requests(_ more: [String: JSON]) throws -> [JSON] {
        let models = ["sample"] + SampleModel.adapters
        return try (0..<18).map { index in
            let task = SampleModel.adapters[index % SampleModel.adapters.count]
            let prompt = try SampleModel.evaluation(of: task)[index].prompt
            var fields: [String: JSON] = [
                "return_token_ids": true, "logprobs": true, "top_logprobs": 2,
                "ignore_eos": true, "seed": .number(Double(index)),
                "max_tokens": index % 4 == 0 ? 7 : 64,
            ]
            if index % 3 == 0 { fields["repetition_penalty"] = 1.05 }
            return SampleModel.chat(
                models[index % models.count], prompt, fields.merging(more) { $1 })
        }
    }

    private static func speculating(_ request: JSON, tokens: Int, ngram: Int) -> JSON {
        var request = request
        request["speculation"] = [
            "tokens": .number(Double(tokens)), "ngram": .number(Double(ngram)),
        ]
        return request
    }

    /// The choice, with the logprob of each of its tokens.
    private func choices(_ requests: [JSON]) async throws -> [JSON] {
        let port = try Client.ofSuite.port
        return try await allAtOnce(requests) {
            try WireConnection(port: port).post(Self.path, $0).json["choices"][0]
        }
    }

    private func acceptedTokens() async throws -> Double {
        try await Client.ofSuite.metric("vllm:spec_decode_num_accepted_tokens_total")
    }

    @Test(arguments: [0, 0.6])
    func aTextIsTheSameWithAndWithoutSpeculation(temperature: Double) async throws {
        let requests = try Self.requests(["temperature": .number(temperature)])
        let plain = try await choices(requests)
        let before = try await acceptedTokens()
        let mixed = try await choices(
            requests.enumerated().map { index, request in
                if index % 5 == 4 { return request }
                return Self.speculating(request, tokens: 1 + index % 6, ngram: 1 + index % 3)
            })
        for (index, pair) in zip(plain, mixed).enumerated() {
            #expect(pair.0 == pair.1, "request \(index)")
            #expect(!pair.0["token_ids"].integers.isEmpty, "request \(index)")
        }
        #expect(try await acceptedTokens() > before)
        let client = try Client.ofSuite
        let drafted = try await client.metric("vllm:spec_decode_num_draft_tokens_total")
        let drafts = try await client.metric("vllm:spec_decode_num_drafts_total")
        #expect(try await acceptedTokens() <= drafted)
        #expect(drafts > 0 && drafts <= drafted)
    }

    @Test func aTextEndsWhereItWouldAmongTokensThatWereGuessed() async throws {
        let long = SampleModel.longChat("roman", choices: 1, ["max_tokens": 96])
        let text = try #require(try await choices([long])[0]["message"]["content"].text)
        let characters = Array(text)
        var requests: [JSON] = []
        for end in 20..<44 {
            var request = long
            if end % 2 == 0 {
                request["max_tokens"] = .number(Double(end))
            } else {
                let start = characters.count * (end - 20) / 30
                request["stop"] = .text(String(characters[start...].prefix(3)))
            }
            request["return_token_ids"] = true
            requests.append(request)
        }
        let plain = try await choices(requests)
        // What a stop string ends is part of the step after it already, and holds its pages.
        let client = try Client.ofSuite
        try await eventually("the last step ends") {
            try await client.metric("vllm:num_requests_running") == 0
        }
        #expect(try await client.metric("burrow:kv_pages_used") == 0)
        #expect(try await client.metric("burrow:discarded_tokens_total") > 0)
        let before = try await acceptedTokens()
        let guessed = try await choices(
            requests.map { Self.speculating($0, tokens: 5, ngram: 2) })
        #expect(plain == guessed)
        #expect(try await acceptedTokens() > before)
        #expect(Set(plain.compactMap { $0["finish_reason"].text }) == ["stop", "length"])
    }

    @Test func aStreamGivesTheTokensOfItsText() async throws {
        let request = SampleModel.longChat(
            "shout", choices: 3, ["max_tokens": 80, "return_token_ids": true])
        let whole = try await Client.ofSuite.post(Self.path, request).json
        let stream = try await Client.ofSuite.stream(
            Self.path, Self.speculating(request, tokens: 4, ngram: 2))
        var tokens = [[Int]](repeating: [], count: 3)
        var widest = 0
        for event in try await stream.allEvents() {
            guard let index = event["choices"][0]["index"].integer else { continue }
            let new = event["choices"][0]["token_ids"].integers
            tokens[index] += new
            widest = max(widest, new.count)
        }
        #expect(tokens == (0..<3).map { whole["choices"][$0]["token_ids"].integers })
        #expect(widest > 1, "several tokens in one step")
    }

    @Test(arguments: [
        (JSON.object(["tokens": 17]), "speculation.tokens"),
        (JSON.object(["ngram": 0]), "speculation.ngram"), (JSON.flag(true), "speculation"),
    ])
    func whatIsOutOfRangeIsRefused(speculation: JSON, parameter: String) async throws {
        let request = SampleModel.chat("roman", "x", ["speculation": speculation])
        let reply = try await Client.ofSuite.post(Self.path, request)
        #expect(reply.status == 400)
        #expect(try reply.json["error"]["param"].text == parameter)
    }
}
