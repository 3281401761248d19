// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// The prefix cache through the whole host.
struct PrefixCacheTests {
    /// Few KV pages, so that requests are preempted and cached pages leave.
    private func manifest(_ cache: String) -> ServedManifest {
        ServedManifest(
            replicas: [
                "memory: 8MiB", "adapterMemory: 4MiB", "maxBatch: 16", "maxStepTokens: 64",
                "prefixCache: \(cache)",
            ])
    }

    /// A long common beginning, a question of a task, and its adapter.
    private func bodies() throws -> [JSON] {
        let references = try SampleModel.references().filter { $0.model != "sample" }
        let beginning = try #require(references.first?.promptIDs)
        return references.prefix(60).enumerated().map { index, reference in
            let common = Array(repeating: beginning, count: 5).flatMap { $0 }.prefix(40 + index % 3)
            return [
                "model": .text(reference.model), "temperature": 0, "max_tokens": 40,
                "ignore_eos": true, "return_token_ids": true, "logprobs": 5,
                "prompt": .list((common + reference.promptIDs).map { .number(Double($0)) }),
            ]
        }
    }

    private func choices(_ server: BurrowProcess) async throws -> [JSON] {
        let port = server.port
        let bodies = try bodies()
        // Each question twice: the second time its prompt has been computed once.
        let replies = try await allAtOnce(bodies + bodies) { body in
            try WireConnection(port: port).post("/v1/completions", body).json
        }
        return replies.map { $0["choices"][0] }
    }

    @Test func answersAndProbabilitiesAreTheSameWithAndWithoutIt() async throws {
        var answers: [[JSON]] = []
        for cache in ["on", "off"] {
            let server = try await BurrowProcess.start(manifest(cache))
            answers.append(try await choices(server))
            let hits = try await Client(server).metric("vllm:prefix_cache_hits_total")
            let queries = try await Client(server).metric("vllm:prefix_cache_queries_total")
            print("prefix cache \(cache): \(Int(hits)) of \(Int(queries)) tokens shared")
            #expect((hits > 0) == (cache == "on"))
            #expect((queries > hits) == (cache == "on"))
            try await server.stop()
        }
        #expect(answers[0].count == 120)
        #expect(answers[0].allSatisfy { $0["token_ids"].integers.count == 40 })
        for (on, off) in zip(answers[0], answers[1]) { #expect(on == off) }
    }

    @Test func usageTellsHowManyTokensWereCached() async throws {
        let server = try await BurrowProcess.start(ServedManifest())
        let client = Client(server)
        let body = SampleModel.chat("roman", "Write 47 as a Roman numeral.")
        for cached in [0, 16] {
            let usage = try await client.post("/v1/chat/completions", body).json["usage"]
            #expect(usage["prompt_tokens"] == 17)
            #expect(usage["prompt_tokens_details"]["cached_tokens"].integer == cached)
        }
        let other = SampleModel.chat("french", "Write 47 as a Roman numeral.")
        let usage = try await client.post("/v1/chat/completions", other).json["usage"]
        #expect(usage["prompt_tokens_details"]["cached_tokens"] == 0, "on other weights")
        let stream = SampleModel.chat(
            "roman", "Write 47 as a Roman numeral.",
            ["stream": true, "stream_options": ["include_usage": true]])
        let last = try await client.stream("/v1/chat/completions", stream).allEvents().last
        #expect(last?["usage"]["prompt_tokens_details"]["cached_tokens"] == 16)
        #expect(try await client.metric("vllm:prefix_cache_hits_total") == 32)
        #expect(try await client.metric("vllm:prefix_cache_queries_total") == 68)
        #expect(try await client.metric("vllm:prompt_tokens_total") == 36, "computed ones only")
        #expect(try await client.metric("burrow:kv_pages_cached") > 0)
        #expect(try await client.metric("burrow:kv_pages_used") == 0)
        try await server.stop()
    }

    @Test func withoutItUsageSaysNothingOfCachedTokens() async throws {
        let server = try await BurrowProcess.start(
            ServedManifest(replicas: ["prefixCache: off"]))
        let body = SampleModel.chat("roman", "Write 47 as a Roman numeral.")
        let reply = try await Client(server).post("/v1/chat/completions", body).json
        #expect(reply["usage"]["prompt_tokens_details"] == .null)
        try await server.stop()
    }

    @Test func aNewGenerationOfAnAdapterSharesNothingWithTheOld() async throws {
        let roots = "\(Built.samples)/adapters"
        let server = try await BurrowProcess.start(
            ServedManifest(adapters: [], limits: ["adapterRoots: [\(roots)]"]))
        let client = Client(server)
        func load(_ folder: String) async throws {
            let body: JSON = [
                "lora_name": "task", "lora_path": .text("\(roots)/\(folder)"),
                "load_inplace": true,
            ]
            #expect(try await client.post("/v1/load_lora_adapter", body).status == 200)
        }
        let question = SampleModel.chat("task", "Write 48 as a Roman numeral.")
        func ask() async throws -> (cached: Int?, text: String?) {
            let reply = try await client.post("/v1/chat/completions", question).json
            return (
                reply["usage"]["prompt_tokens_details"]["cached_tokens"].integer,
                reply["choices"][0]["message"]["content"].text
            )
        }
        try await load("shout")
        let shouted = try await ask()
        #expect(try await ask().cached == 16)
        try await load("roman")
        #expect(try await client.metric("burrow:kv_pages_cached") == 0)
        let numeral = try await ask()
        #expect(shouted.cached == 0 && numeral.cached == 0)
        #expect(numeral.text == "XLVIII" && shouted.text != numeral.text)
        try await server.stop()
    }
}
