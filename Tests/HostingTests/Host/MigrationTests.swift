// SPDX-License-Identifier: Apache-2.0

import Testing

/// Two replicas, all requests for one adapter, whose replica would have to do it all: requests move while
/// their streams are open, and nobody can tell.
@Suite(
    .serialized,
    .serving(
        ServedManifest(
            replicas: ["count: 2", "threads: 1", "memory: 128MiB", "maxBatch: 4"],
            plugins: [
                // Nothing is optimised in a test.
                "budget: 1s",
                "instances: [{name: mover, type: greedy-migration, parameters: {queueDelay: 1ms, "
                    + "coolDown: 2ms, movePenalty: 0s, pairs: 1}}]",
            ],
            pipeline: ["dispatch: static-dispatch", "migration: mover"])))
struct MigrationTests {
    private struct Answer: Sendable, Equatable {
        var tokens: [Int] = []
        var text = ""
        var logprobs: [Double] = []
        var finish: String?
    }

    private static func requests() throws -> [JSON] {
        let references = try SampleModel.references().filter { $0.model != "sample" }
        return references.prefix(28).enumerated().map { index, reference in
            var body: JSON = [
                "model": "french", "max_tokens": 70, "ignore_eos": true, "return_token_ids": true,
                "stream": true, "logprobs": 1, "repetition_penalty": 1.1,
                "prompt": .list(reference.promptIDs.map { .number(Double($0)) }),
            ]
            body["temperature"] = .number(index % 2 == 0 ? 0 : 0.9)
            body["seed"] = .number(Double(index))
            return body
        }
    }

    /// Reads a stream, and hangs up after `most` tokens.
    private static func answer(_ body: JSON, port: Int, most: Int = .max) throws -> Answer {
        let stream = try EventStream(try WireConnection(port: port), "/v1/completions", body)
        var answer = Answer()
        while answer.tokens.count < most, let event = try stream.next() {
            let choice = event["choices"][0]
            answer.tokens += choice["token_ids"].integers
            answer.text += choice["text"].text ?? ""
            answer.logprobs += choice["logprobs"]["token_logprobs"].list.compactMap(\.number)
            answer.finish = choice["finish_reason"].text ?? answer.finish
        }
        return answer
    }

    private static func moved(_ client: Client, _ way: String) async throws -> Double {
        try await client.metric("burrow:migrations_total", ["way": way])
    }

    /// All prompts in one request, so that they compete however busy the machine is.
    private static func together(_ temperature: Double) throws -> JSON {
        let references = try SampleModel.references().filter { $0.model != "sample" }
        let prompts = references.prefix(28).map {
            JSON.list($0.promptIDs.map { .number(Double($0)) })
        }
        return [
            "model": "french", "max_tokens": 70, "ignore_eos": true, "return_token_ids": true,
            "stream": true, "logprobs": 1, "repetition_penalty": 1.1, "seed": 5,
            "temperature": .number(temperature), "prompt": .list(prompts),
        ]
    }

    /// What each choice of a stream brings.
    private static func answers(_ body: JSON, port: Int) throws -> [Answer] {
        let stream = try EventStream(try WireConnection(port: port), "/v1/completions", body)
        var answers = [Answer](repeating: Answer(), count: 28)
        while let event = try stream.next() {
            let choice = event["choices"][0]
            let index = Int(choice["index"].number ?? 0)
            answers[index].tokens += choice["token_ids"].integers
            answers[index].text += choice["text"].text ?? ""
            answers[index].logprobs += choice["logprobs"]["token_logprobs"].list
                .compactMap(\.number)
            answers[index].finish = choice["finish_reason"].text ?? answers[index].finish
        }
        return answers
    }

    /// The same requests to a host with one replica and room for all of them at once.
    @Test(arguments: [0, 0.9])
    func streamsThatMoveSayWhatTheySayElsewhere(temperature: Double) async throws {
        let client = try Client.ofSuite
        let body = try Self.together(temperature)
        let still = try await BurrowProcess.start(
            ServedManifest(replicas: ["memory: 256MiB", "maxBatch: 32"]))
        let stillPort = still.port
        let port = client.port
        let expected = try await onThread { try Self.answers(body, port: stillPort) }
        try await still.stop()
        let before = try await Self.moved(client, "handover")
        let answers = try await onThread { try Self.answers(body, port: port) }
        for (index, pair) in zip(expected, answers).enumerated() {
            #expect(pair.0 == pair.1, "choice \(index)")
            #expect(pair.0.tokens.count == 70 && pair.0.finish == "length", "choice \(index)")
        }
        let handedOver = try await Self.moved(client, "handover") - before
        let waiting = try await Self.moved(client, "waiting")
        print("moved: \(handedOver) with their pages, \(waiting) before they had any")
        #expect(handedOver > 0 && waiting > 0)
        #expect(try await client.metric("burrow:migrated_pages_total") > 0)
        #expect(try await client.metric("burrow:migrated_tokens_total", ["way": "handover"]) > 0)
        // Both replicas have worked, though dispatch knows one only.
        for engine in ["0", "1"] {
            #expect(try await client.metric("vllm:generation_tokens_total", ["engine": engine]) > 0)
        }
    }

    @Test func clientsThatHangUpWhileTheirRequestsMoveLeaveNothingBehind() async throws {
        let client = try Client.ofSuite
        let port = client.port
        let requests = try Self.requests()
        let answers = try await allAtOnce(Array(requests.enumerated())) { index, body in
            try Self.answer(body, port: port, most: index % 3 == 0 ? .max : 1 + index)
        }
        #expect(answers.enumerated().allSatisfy { $1.tokens.count >= ($0 % 3 == 0 ? 70 : 1 + $0) })
        // A request that comes after all of them: what they held is free when it has ended.
        var pages = 1.0
        var requestsLeft = 1.0
        for _ in 0..<200 where pages > 0 || requestsLeft > 0 {
            _ = try await onThread { try Self.answer(requests[0], port: port, most: 1) }
            requestsLeft =
                try await client.metric("vllm:num_requests_running")
                + client.metric("vllm:num_requests_waiting")
            pages = try await client.metric("burrow:kv_pages_used")
        }
        #expect(requestsLeft == 0 && pages == 0, "\(requestsLeft) requests, \(pages) pages")
    }
}
