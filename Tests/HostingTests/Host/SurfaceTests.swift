// SPDX-License-Identifier: Apache-2.0

import Testing

/// The routes, and what the whole host refuses.
@Suite(.serving(ServedManifest(limits: ["requestBytes: 64KiB", "headerBytes: 4KiB"])))
struct SurfaceTests {
    /// What the server answers to raw bytes, and whether it closes then.
    private func answer(to text: String) async throws -> WireReply {
        try await answer(to: Array(text.utf8))
    }

    private func answer(to bytes: [UInt8]) async throws -> WireReply {
        let port = try Client.ofSuite.port
        return try await onThread {
            let connection = try WireConnection(port: port)
            try connection.send(bytes)
            return try connection.reply()
        }
    }

    @Test(arguments: [
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\r\n\r\n", 400),
        ("hello\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET /health HTTP/7.1\r\nHost: a\r\n\r\n", 505),
        (
            "POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                + "Transfer-Encoding: chunked\r\n\r\n{}", 400
        ),
        ("POST /tokenize HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        ("POST /tokenize HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", 413),
        (
            "POST /tokenize HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n",
            413
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "x", count: 5000), 431),
        ("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        ("DELETE /health HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    ])
    func whatIsNoRequestIsRefused(_ text: String, _ status: Int) async throws {
        let reply = try await answer(to: text)
        #expect(reply.status == status)
        #expect(try reply.json["error"]["code"].integer == status)
        #expect(!reply.message.isEmpty)
    }

    @Test(arguments: [
        ("{", "valid JSON"), ("", "valid JSON"), ("[]", "must be a JSON object"),
        (#"{"model": "sample", "model": "roman"}"#, "model"),
        (#"{"prompt": "x", "temperature": "hot"}"#, "temperature"),
        (#"{"prompt": "x", "max_tokens": 0}"#, "max_tokens"),
        (#"{"prompt": "x", "n": 100000}"#, "n"),
        (#"{"prompt": [1, 2, 512]}"#, "512 is not a token"),
        (#"{"prompt": []}"#, "prompt"),
        (#"{"model": "sample"}"#, "prompt"),
        (#"{"prompt": "x", "guided_regex": "a*"}"#, "guided_regex"),
    ])
    func bodiesThatAreWrongAreRefused(_ body: String, _ reason: String) async throws {
        let head = "POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: "
        let reply = try await answer(to: "\(head)\(body.utf8.count)\r\n\r\n\(body)")
        #expect(reply.status == 400)
        #expect(reply.message.contains(reason), "\(reply.message)")
    }

    @Test func textThatIsNotUTF8IsRefused() async throws {
        let body = Array(#"{"prompt": ""#.utf8) + [0xFF, 0xC0] + Array(#""}"#.utf8)
        let head = "POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.count)\r\n"
        let reply = try await answer(to: Array((head + "\r\n").utf8) + body)
        #expect(reply.status == 400)
        #expect(reply.message.contains("UTF-8"))
    }

    @Test func healthVersionAndMetricsAnswer() async throws {
        let client = try Client.ofSuite
        let health = try await client.get("/health")
        #expect(health.status == 200 && health.body.isEmpty)
        #expect(try await client.get("/version").json["version"].text?.isEmpty == false)
        let metrics = try await client.get("/metrics")
        #expect(metrics.head["content-type"]?.hasPrefix("text/plain") == true)
        let names = try Set(ExpositionCheck(metrics.body).samples.map(\.name))
        for name in [
            "vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc",
            "vllm:lora_requests_info", "vllm:cache_config_info",
        ] {
            #expect(names.contains(name))
        }
    }

    @Test func headIsAnsweredAsGetWithoutItsBody() async throws {
        let port = try Client.ofSuite.port
        try await onThread {
            let connection = try WireConnection(port: port)
            try connection.request("HEAD", "/v1/models")
            let head = try connection.reply(toHead: true)
            let get = try connection.get("/v1/models")
            guard head.status == 200, get.status == 200,
                head.head["content-length"] == get.head["content-length"]
            else { throw WireFault.malformed("HEAD \(head.head) and GET \(get.head)") }
        }
    }

    @Test func optionsSayWhatAPathTakes() async throws {
        let chat = try await answer(
            to: "OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(chat.status == 204)
        #expect(chat.head["allow"] == "POST, OPTIONS")
        let refused = try await answer(to: "GET /v1/completions HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(refused.status == 405)
        #expect(refused.head["allow"] == "POST, OPTIONS")
    }

    @Test func modelsAreListedAsVLLMListsThem() async throws {
        let list = try await Client.ofSuite.get("/v1/models").json
        let cards = list["data"].list
        #expect(list["object"] == "list")
        #expect(cards.compactMap(\.["id"].text) == ["sample"] + SampleModel.adapters)
        #expect(cards[0]["max_model_len"] == 512 && cards[0]["parent"] == nil)
        #expect(cards[1]["parent"] == "sample" && cards[1]["max_model_len"] == nil)
        #expect(cards[1]["root"] == .text("\(Built.samples)/adapters/add"))
    }

    @Test func promptsBeyondTheContextAreRefusedInVLLMsWords() async throws {
        let client = try Client.ofSuite
        let tokens = JSON.list(Array(repeating: 5, count: 600))
        let long = try await client.post(
            "/v1/completions", ["model": "roman", "prompt": tokens])
        #expect(long.status == 400)
        #expect(
            long.message.hasPrefix(
                "This model's maximum context length is 512 tokens. However, your prompt has 600"))
        let output = try await client.post(
            "/v1/completions", ["prompt": [1, 2, 3], "max_tokens": 510])
        #expect(output.status == 400)
        #expect(
            output.message.hasPrefix(
                "This model's maximum context length is 512 tokens. However, you requested 513 "
                    + "tokens (3 in the prompt, 510 in the completion)"))
        #expect(try output.json["error"]["type"] == "BadRequestError")
    }

    @Test func tokensGoThereAndBack() async throws {
        let client = try Client.ofSuite
        let text = "Comment dit-on 47 ? naïve 日本"
        let tokens = try await client.post("/tokenize", ["prompt": .text(text)]).json
        #expect(tokens["count"].integer == tokens["tokens"].list.count)
        #expect(tokens["max_model_len"] == 512)
        let back = try await client.post("/detokenize", ["tokens": tokens["tokens"]]).json
        #expect(back["prompt"] == .text(text))
        let chat = SampleModel.chat("sample", "Write 50 as a Roman numeral.")
        let rendered = try await client.post("/tokenize", chat).json
        let reference = try SampleModel.references().first {
            $0.prompt == "Write 50 as a Roman numeral."
        }
        #expect(rendered["tokens"].integers == reference?.promptIDs)
    }

    @Test func twoRequestsOnOneConnectionAreAnsweredInOrder() async throws {
        let port = try Client.ofSuite.port
        let replies = try await onThread {
            let connection = try WireConnection(port: port)
            let question = SampleModel.chat("roman", "Write 47 as a Roman numeral.")
            try connection.request("POST", "/v1/chat/completions", body: question.bytes)
            try connection.request("GET", "/version")
            return [try connection.reply(), try connection.reply()]
        }
        #expect(try replies[0].json["choices"][0]["message"]["content"] == "XLVII")
        #expect(try replies[1].json["version"].text != nil)
    }
}
