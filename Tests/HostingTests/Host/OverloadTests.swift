// SPDX-License-Identifier: Apache-2.0

import Testing

/// Clients that leave, stall, or come in too great numbers.
@Suite(
    .serialized,
    .serving(
        ServedManifest(
            replicas: ["memory: 256MiB", "maxBatch: 64"],
            limits: ["queue: 64", "writeBuffer: 16KiB"])))
struct OverloadTests {
    private let path = "/v1/chat/completions"

    private func clientsLeft(_ client: Client) async throws -> Double {
        try await client.metric("burrow:http_clients_left_total", ["route": path])
    }

    private func aborted(_ client: Client) async throws -> Double {
        try await client.metric("vllm:request_success_total", ["finished_reason": "abort"])
    }

    /// Waits until the batch is full.
    private func allRun(_ client: Client) async throws {
        try await eventually("64 choices run") {
            try await client.metric("vllm:num_requests_running") == 64
        }
    }

    private func answers(_ client: Client) async throws {
        let question = SampleModel.chat("roman", "Write 47 as a Roman numeral.")
        let reply = try await client.post(path, question)
        #expect(try reply.json["choices"][0]["message"]["content"] == "XLVII")
    }

    @Test func aClientThatLeavesMidStreamIsCancelled() async throws {
        let client = try Client.ofSuite
        let (left, aborted) = try await (clientsLeft(client), aborted(client))
        let stream = try await client.stream(path, SampleModel.longChat("roman", choices: 64))
        try await allRun(client)
        try await stream.skip(64 + 20)
        stream.leave()
        try await eventually("nothing runs") {
            try await client.metric("vllm:num_requests_running") == 0
        }
        #expect(try await clientsLeft(client) == left + 1)
        #expect(try await self.aborted(client) == aborted + 1)
        #expect(try await client.metric("burrow:kv_pages_used") == 0)
    }

    @Test func aClientThatLeavesWhileItWaitsForItsReplyIsCancelled() async throws {
        let client = try Client.ofSuite
        let left = try await clientsLeft(client)
        let connection = try await onThread { [path, client] in
            let connection = try WireConnection(port: client.port)
            let body = try SampleModel.longChat("roman", choices: 64).bytes
            try connection.request("POST", path, body: body)
            return connection
        }
        try await allRun(client)
        connection.leave()
        try await eventually("nothing runs") {
            try await client.metric("vllm:num_requests_running") == 0
        }
        #expect(try await clientsLeft(client) == left + 1)
    }

    /// Some megabytes for a client that reads none of them: more than the system keeps.
    @Test func aClientThatStopsReadingIsCutOffAndOthersGoOn() async throws {
        let client = try Client.ofSuite
        let left = try await clientsLeft(client)
        let stalled = try await client.stream(
            path,
            SampleModel.longChat("roman", choices: 30, ["logprobs": true, "top_logprobs": 20]),
            receiveBuffer: 4096)
        #expect(stalled.head.status == 200)
        try await eventually("the client is cut off") {
            try await answers(client)
            return try await clientsLeft(client) == left + 1
        }
        #expect(try await client.metric("vllm:num_requests_running") == 0)
        let got = try await onThread { try stalled.rest() }
        #expect(!got.contains("[DONE]"))
        try await answers(client)
    }

    @Test func aFullQueueRefusesAndSaysWhenToTryAgain() async throws {
        let client = try Client.ofSuite
        // Where others take the processors the queue may move on before the question comes.
        var refused = try await askAFullQueue(client)
        for _ in 0..<5 where refused.status == 200 { refused = try await askAFullQueue(client) }
        #expect(refused.status == 503)
        #expect(try refused.json["error"]["type"] == "ServiceUnavailableError")
        #expect(refused.message.contains("limits.queue"))
        let seconds = refused.head["retry-after"].flatMap { Int($0) }
        #expect(try #require(seconds) >= 1)
        try await answers(client)
    }

    /// Asks while 64 requests run and 64 wait, which are given up afterwards.
    private func askAFullQueue(_ client: Client) async throws -> WireReply {
        let running = try await client.stream(path, SampleModel.longChat("roman", choices: 64))
        #expect(running.head.status == 200)
        try await allRun(client)
        let rejections = try await client.metric("vllm:admission_rejections_total")
        let waiting = try await client.stream(path, SampleModel.longChat("french", choices: 64))
        try await eventually("the queue is full") {
            try await client.metric("vllm:num_requests_waiting") == 64
        }
        let reply = try await client.post(path, SampleModel.chat("add", "What is 1 + 1?"))
        let refusals = try await client.metric("vllm:admission_rejections_total") - rejections
        #expect(refusals == (reply.status == 503 ? 1 : 0))
        running.leave()
        waiting.leave()
        try await eventually("the queue is empty") { try await isIdle(client) }
        return reply
    }

    /// It would never fit, so the client is not told to try again; and nothing of it stays behind.
    @Test func moreChoicesThanTheQueueHoldsAreRefusedWhole() async throws {
        let client = try Client.ofSuite
        let refused = try await client.post(path, SampleModel.longChat("roman", choices: 65))
        #expect(refused.status == 400)
        #expect(refused.message.contains("limits.queue"))
        #expect(try await isIdle(client))
        #expect(try await client.metric("burrow:kv_pages_used") == 0)
        try await answers(client)
    }

    private func isIdle(_ client: Client) async throws -> Bool {
        let running = try await client.metric("vllm:num_requests_running")
        return try await client.metric("vllm:num_requests_waiting") + running == 0
    }
}
