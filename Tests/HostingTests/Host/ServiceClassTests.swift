// SPDX-License-Identifier: Apache-2.0

import Testing

/// Two tenants, and an adapter of which too much is promised.
private enum Promises {
    static let keys = Result {
        let folder = try TestFolder()
        return (folder, try folder.write("keys.txt", "alice: alice-key\nbob: bobs-own-key\n"))
    }

    static let manifest = ServedManifest(
        server: ["apiKeys: {file: \((try? keys.get())?.1 ?? "")}"],
        adapters: [
            "{name: french, path: \(Built.samples)/adapters/french}",
            "{name: roman, path: \(Built.samples)/adapters/roman, serviceClass: instant}",
        ],
        plugins: [
            "budget: 1s",
            "instances: [{name: due, type: deadline-fairness, "
                + "parameters: {abort: true, slack: 0ms}}]",
        ],
        pipeline: ["fairness: due"],
        spec: [
            "serviceClasses: [{name: instant, timeToFirstToken: 1ms}, "
                + "{name: patient, timeToFirstToken: 10m}]",
            "tenants: [{name: alice, weight: 2, serviceClass: patient}]",
        ])
}

/// Requests of a class that cannot be kept to end at once and are told so; others are served.
@Suite(.serialized, .serving(Promises.manifest))
struct ServiceClassTests {
    private let path = "/v1/chat/completions"
    private static let alice = ["Authorization: Bearer alice-key"]
    private static let bob = ["Authorization: Bearer bobs-own-key"]

    private func ask(
        _ model: String, as tenant: [String], _ more: [String: JSON] = [:]
    ) async throws -> WireReply {
        let body = SampleModel.chat(model, "Write 47 as a Roman numeral.", more)
        return try await Client.ofSuite.post(path, body, headers: tenant)
    }

    /// The refusal of a request that cannot be in time.
    ///
    /// The policy ends nothing while the fit's mean error makes a token in time possible, as it may on
    /// a busy machine after few steps, and there the streams may be over before the request comes: such
    /// a request is served, and another one is sent beside streams of its own.
    private func refusal(
        of model: String, as tenant: [String], _ more: [String: JSON] = [:]
    ) async throws -> WireReply {
        var reply = try await ask(model, as: tenant, more)
        for _ in 0..<20 where reply.status == 200 {
            let stream = try await load()
            reply = try await ask(model, as: tenant, more)
            stream.leave()
        }
        return reply
    }

    /// Streams that decode until the test is done; one token of each has come, so that costs have
    /// been measured.
    private func load() async throws -> EventStream {
        let port = try Client.ofSuite.port
        let stream = try await onThread { [path] in
            try EventStream(
                WireConnection(port: port), path, SampleModel.longChat("french", choices: 8),
                headers: Self.bob)
        }
        try await stream.skip(8 + 8)
        return stream
    }

    private func aborted(_ labels: [String: String]) async throws -> Double {
        try await Client.ofSuite.metric("burrow:requests_aborted_total", labels)
    }

    @Test func whatCannotBeInTimeIsRefusedAndOthersAreServed() async throws {
        let stream = try await load()
        let before = try await aborted(["adapter": "roman"])
        let refused = try await refusal(of: "roman", as: Self.bob)
        #expect(refused.status == 503)
        #expect(try refused.json["error"]["type"] == "DeadlineUnreachableError")
        #expect(try refused.json["error"]["code"] == "deadline_unreachable")
        let seconds = refused.head["retry-after"].flatMap { Int($0) }
        #expect(try #require(seconds) >= 1)
        #expect(refused.message.contains("the target is 0.001 s, the request has waited "))
        #expect(refused.message.contains(" and its first token was predicted after "))
        let answer = try await ask("french", as: Self.bob)
        #expect(answer.status == 200, "nothing is promised to it")
        #expect(try await aborted(["adapter": "roman", "engine": "0"]) == before + 1)
        let ended = try await Client.ofSuite.metric(
            "vllm:request_success_total", ["finished_reason": "abort"])
        #expect(ended >= 1)
        stream.leave()
    }

    /// The request's own class comes first, then that of its key, then that of its adapter.
    @Test func theRequestThenTheTenantThenTheAdapterSaysWhatIsPromised() async throws {
        let stream = try await load()
        #expect(try await ask("roman", as: Self.bob, ["service_class": "patient"]).status == 200)
        let answer = try await ask("roman", as: Self.alice)
        #expect(try answer.json["choices"][0]["message"]["content"] == "XLVII")
        let instant = try await refusal(
            of: "roman", as: Self.alice, ["service_class": "instant"])
        #expect(instant.status == 503)
        let other = try await refusal(of: "french", as: Self.bob, ["service_class": "instant"])
        #expect(other.status == 503)
        stream.leave()
    }

    @Test func allChoicesOfARequestEndTogether() async throws {
        let stream = try await load()
        let refused = try await refusal(
            of: "roman", as: Self.bob, ["n": 3, "temperature": 1])
        #expect(refused.status == 503)
        stream.leave()
        try await eventually("nothing is left") {
            let running = try await Client.ofSuite.metric("vllm:num_requests_running")
            return try await Client.ofSuite.metric("vllm:num_requests_waiting") + running == 0
        }
        #expect(try await Client.ofSuite.metric("burrow:kv_pages_used") == 0)
    }

    @Test func aStreamIsToldInTheStream() async throws {
        let load = try await load()
        let port = try Client.ofSuite.port
        let events = try await onThread { [path] in
            let body = SampleModel.chat("roman", "Write 47 as a Roman numeral.")
            var events: [JSON] = []
            for _ in 0..<20 where events.last?["error"]["code"].text == nil {
                let connection = try WireConnection(port: port)
                events = try EventStream(connection, path, body, headers: Self.bob).all()
            }
            return events
        }
        #expect(events.last?["error"]["code"] == "deadline_unreachable")
        load.leave()
    }

    @Test func anUnknownClassIsRefusedWithThoseThereAre() async throws {
        let refused = try await ask("roman", as: Self.alice, ["service_class": "pateint"])
        #expect(refused.status == 400)
        #expect(try refused.json["error"]["param"] == "service_class")
        #expect(refused.message.contains("did you mean `patient`"))
        #expect(refused.message.hasSuffix("known: `instant`, `patient`."))
    }
}
