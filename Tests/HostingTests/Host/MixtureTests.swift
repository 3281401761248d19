// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

extension ServedManifest {
    /// The sample model with mixtures of its adapters, weighed alike.
    static let mixtures = ServedManifest(
        spec: [
            "mixtures:",
            "  - {name: everything, experts: [\(SampleModel.adapters.joined(separator: ", "))]}",
            "  - {name: pair, experts: [french, english], weight: 2}",
        ])
}

/// Mixtures through the whole host.
@Suite(.serialized, .serving(.mixtures))
struct MixtureTests {
    /// A request whose reply holds every bit that the sampler saw.
    private static func body(
        _ model: String, _ prompt: [Int], mask: [String]? = nil, _ more: [String: JSON] = [:]
    ) -> JSON {
        var body: [String: JSON] = [
            "model": .text(model), "temperature": 0, "max_tokens": 24, "ignore_eos": true,
            "return_token_ids": true, "logprobs": 5,
            "prompt": .list(prompt.map { .number(Double($0)) }),
        ]
        if let mask { body["mixture"] = .object(["mask": .list(mask.map(JSON.text))]) }
        return .object(body.merging(more) { $1 })
    }

    private static func prompts() throws -> [[Int]] {
        try SampleModel.references().filter { $0.model != "sample" }.prefix(12).map(\.promptIDs)
    }

    /// The first choice of a reply.
    private func answer(_ body: JSON) async throws -> JSON {
        let reply = try await Client.ofSuite.post("/v1/completions", body)
        #expect(reply.status == 200, "\(reply.text)")
        return try reply.json["choices"][0]
    }

    @Test(arguments: [
        (["french", "english"], 1, "2 adapters and 1 mixture"),
        (["french"], 0, "1 adapter"), (["french", "english"], 2, "2 adapters and 2 mixtures"),
    ])
    func itSaysAtTheStartHowManyThereAre(
        adapters: [String], mixtures: Int, words: String
    ) async throws {
        let names = adapters.joined(separator: ", ")
        let server = try await BurrowProcess.start(
            ServedManifest(
                adapters: adapters.map {
                    "{name: \($0), path: \(Built.samples)/adapters/\($0)}"
                },
                spec: mixtures == 0
                    ? []
                    : ["mixtures:"]
                        + (0..<mixtures).map { "  - {name: mixture-\($0), experts: [\(names)]}" }))
        let link = mixtures == 0 ? " and" : ","
        #expect(server.greeting.hasPrefix("serving sample\(link) \(words) at http://"))
        // A signal right after that line ends it as any other does.
        try await server.stop()
    }

    @Test func aMixtureAnswersUnderItsName() async throws {
        let client = try Client.ofSuite
        let reply = try await client.post(
            "/v1/chat/completions",
            SampleModel.chat("pair", "How do you say quarante-huit in English?"))
        #expect(reply.status == 200, "\(reply.text)")
        #expect(try reply.json["model"] == "pair")
        #expect(try reply.json["choices"][0]["gate"] == .null, "nobody asked")
        let card = try await client.get("/v1/models/pair").json
        #expect(card["parent"] == "sample")
        #expect(card["root"] == "mixture:uniform(french,english)")
        let listed = try await client.get("/v1/lora_adapters").json["data"].list
        #expect(Set(listed.compactMap { $0["name"].text }) == Set(SampleModel.adapters))
    }

    @Test func theExpertThatIsLeftAnswersAsIfItWereAlone() async throws {
        for (index, expert) in SampleModel.adapters.enumerated() {
            let prompt = try Self.prompts()[index]
            let others = SampleModel.adapters.filter { $0 != expert }
            let alone = try await answer(Self.body(expert, prompt))
            let kept = try await answer(Self.body("everything", prompt, mask: others))
            #expect(kept == alone, "\(expert)")
            #expect(kept["token_ids"].integers.count == 24)
        }
    }

    @Test func withoutAnyExpertTheBaseAnswers() async throws {
        let prompt = try Self.prompts()[0]
        let base = try await answer(Self.body("sample", prompt))
        let masked = Self.body("everything", prompt, mask: SampleModel.adapters)
        #expect(try await answer(masked) == base)
        let reply = try await Client.ofSuite.post("/v1/completions", masked).json
        #expect(reply["model"] == "everything")
        #expect(try await answer(Self.body("everything", prompt)) != base)
    }

    @Test func aMaskOfNobodyChangesNothing() async throws {
        let prompt = try Self.prompts()[1]
        let whole = try await answer(Self.body("everything", prompt))
        #expect(try await answer(Self.body("everything", prompt, mask: [])) == whole)
        #expect(try await answer(Self.body("everything", prompt, mask: ["pig"])) != whole)
    }

    static let refusals: [(model: String, mixture: JSON, message: String)] = [
        (
            "everything", ["mask": ["romann"]],
            "mixture.mask: there is no expert `romann` (did you mean `roman`?); experts: `add`, "
        ),
        ("pair", ["mask": ["roman"]], "there is no expert `roman`; experts: `french`, `english`."),
        ("pair", ["mask": "french"], "must be an array"),
        ("roman", ["mask": []], "the model `roman` is no mixture"),
        ("sample", ["gate": true], "the model `sample` is no mixture"),
    ]

    @Test(arguments: refusals)
    func whatDoesNotFitTheMixtureIsRefused(
        _ refusal: (model: String, mixture: JSON, message: String)
    ) async throws {
        let reply = try await Client.ofSuite.post(
            "/v1/completions",
            Self.body(refusal.model, [1, 2, 3], ["mixture": refusal.mixture]))
        #expect(reply.status == 400)
        #expect(reply.message.contains(refusal.message), "\(reply.message)")
        #expect(try reply.json["error"]["param"].text?.hasPrefix("mixture") == true)
    }

    /// Mixtures with several masks, adapters and the base in the same steps.
    @Test func inOneBatchEverybodyAnswersAsAlone() async throws {
        let masks: [[String]?] = [nil, ["french"], ["roman", "date"], ["add"]]
        var bodies: [JSON] = []
        for (index, prompt) in try Self.prompts().enumerated() {
            for model in ["everything", "pair", "sample", SampleModel.adapters[index % 8]] {
                let mask = model == "everything" ? masks[index % masks.count] : nil
                bodies.append(Self.body(model, prompt, mask: mask))
            }
        }
        let port = try Client.ofSuite.port
        let asked = bodies
        let alone = try await onThread {
            try asked.map { try WireConnection(port: port).post("/v1/completions", $0).json }
        }
        let together = try await allAtOnce(asked) {
            try WireConnection(port: port).post("/v1/completions", $0).json
        }
        #expect(together.count == 48)
        for (index, pair) in zip(alone, together).enumerated() {
            #expect(pair.0["choices"] == pair.1["choices"], "request \(index)")
        }
    }

    @Test func theReplySaysWhatEachExpertHasCounted() async throws {
        func gate(_ mask: [String], _ choices: Int = 1) async throws -> [JSON] {
            let mixture: JSON = ["gate": true, "mask": .list(mask.map(JSON.text))]
            let body = Self.body(
                "everything", [1, 2, 3], ["mixture": mixture, "n": .number(Double(choices))])
            let reply = try await Client.ofSuite.post("/v1/completions", body).json
            return reply["choices"].list.map { $0["gate"] }
        }
        let whole = try await gate([], 2)
        #expect(whole.count == 2)
        for gate in whole {
            #expect(Set(gate.members.keys) == Set(SampleModel.adapters))
            for weight in gate.members.values {
                #expect(abs((weight.number ?? 0) - 1 / 8) < 1e-6)
            }
        }
        let masked = try await gate(["pig"])[0]
        #expect(masked["pig"] == 0)
        #expect(abs((masked["roman"].number ?? 0) - 1 / 7) < 1e-6)
        let kept = try await gate(SampleModel.adapters.filter { $0 != "date" })[0]
        #expect(kept["date"] == 1 && kept["roman"] == 0)
    }

    @Test func aStreamSaysItInTheChunkThatEndsAChoice() async throws {
        let body = SampleModel.chat(
            "pair", "Comment dit-on 48 ?", ["mixture": ["gate": true], "max_tokens": 5])
        let events = try await Client.ofSuite.stream("/v1/chat/completions", body).allEvents()
        let choices = events.map { $0["choices"][0] }
        let told = choices.filter { $0["gate"] != .null }
        #expect(told.count == 1)
        #expect(told.first?["finish_reason"].text != nil)
        #expect(told.first?["gate"] == ["french": 0.5, "english": 0.5])
    }

    @Test func metricsSumWhatExpertsHaveCounted() async throws {
        let client = try Client.ofSuite
        let labels = ["mixture": "pair", "expert": "french"]
        let before = try await client.metric("burrow:gate_weight_count", labels)
        let sum = try await client.metric("burrow:gate_weight_sum", labels)
        _ = try await answer(Self.body("pair", [1, 2, 3], ["n": 3]))
        #expect(try await client.metric("burrow:gate_weight_count", labels) == before + 3)
        let added = try await client.metric("burrow:gate_weight_sum", labels) - sum
        #expect(abs(added - 1.5) < 1e-5)
        #expect(
            try await client.metric("burrow:adapter_generation_tokens_total", ["adapter": "pair"])
                >= 72)
    }

    @Test func pagesAreSharedUnderTheSameMaskOnly() async throws {
        let prompt = Array(100..<140)
        func cached(_ mask: [String]) async throws -> Int? {
            let body = Self.body("everything", prompt, mask: mask)
            let usage = try await Client.ofSuite.post("/v1/completions", body).json["usage"]
            return usage["prompt_tokens_details"]["cached_tokens"].integer
        }
        for mask in [[], ["roman"], ["date"], ["roman", "date"]] {
            #expect(try await cached(mask) == 0, "\(mask)")
            #expect(try await cached(mask.reversed()) == 32, "\(mask)")
        }
        // One expert is left: the pages are that adapter's.
        let others = SampleModel.adapters.filter { $0 != "shout" }
        #expect(try await cached(others) == 0)
        let usage = try await Client.ofSuite.post(
            "/v1/completions", Self.body("shout", prompt)
        ).json["usage"]
        #expect(usage["prompt_tokens_details"]["cached_tokens"] == 32)
    }

    @Test func statusShowsMixtures() async throws {
        let server = try #require(Serving.server)
        let result = try await run(Built.burrow, ["status", "--socket", server.adminSocket])
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.contains("MIXTURE"))
        #expect(result.output.contains("french, english"))
    }
}

/// Mixtures whose experts come and go over HTTP.
struct MixtureLifecycleTests {
    private static let names = ["french", "english", "roman"]

    private func start() async throws -> (BurrowProcess, Client) {
        let adapters = Self.names.map { "{name: \($0), path: \(Built.samples)/adapters/\($0)}" }
        let server = try await BurrowProcess.start(
            ServedManifest(
                adapters: adapters, limits: ["adapterRoots: [\(Built.samples)/adapters]"],
                spec: [
                    "mixtures:", "  - {name: pair, experts: [french, english]}",
                    "  - {name: turned, experts: [roman, english]}",
                ]))
        return (server, Client(server))
    }

    private func load(_ name: String, _ folder: String, _ client: Client) async throws -> WireReply
    {
        try await client.post(
            "/v1/load_lora_adapter",
            [
                "lora_name": .text(name), "lora_path": .text("\(Built.samples)/adapters/\(folder)"),
                "load_inplace": true,
            ])
    }

    private func unload(_ name: String, _ client: Client) async throws -> WireReply {
        try await client.post("/v1/unload_lora_adapter", ["lora_name": .text(name)])
    }

    private func ask(_ model: String, _ client: Client) async throws -> WireReply {
        try await client.post(
            "/v1/completions",
            [
                "model": .text(model), "prompt": [5, 6, 7, 8], "max_tokens": 12, "temperature": 0,
                "ignore_eos": true, "return_token_ids": true, "logprobs": 3,
            ])
    }

    @Test func aReplacedExpertMakesANewGenerationOfItsMixtures() async throws {
        let (server, client) = try await start()
        let before = try await ask("pair", client).json["choices"]
        let turned = try await ask("turned", client).json["choices"]
        #expect(before != turned)
        let long: JSON = [
            "model": "pair", "prompt": [5, 6, 7, 8], "max_tokens": 400, "temperature": 0,
            "ignore_eos": true, "return_token_ids": true,
        ]
        let whole = try await client.stream("/v1/completions", long).allEvents()
        let stream = try await client.stream("/v1/completions", long)
        try await stream.skip(10)
        #expect(try await load("french", "roman", client).status == 200)
        let rest = try await stream.allEvents()
        #expect(rest.count == whole.count - 10)
        #expect(
            rest.map { $0["choices"][0]["token_ids"] }
                == whole.dropFirst(10).map { $0["choices"][0]["token_ids"] },
            "it ends on what it began on")
        #expect(
            try await ask("pair", client).json["choices"] == turned,
            "french is roman now, so the experts are the same")
        #expect(try await ask("turned", client).json["choices"] == turned)
        try await server.stop()
    }

    @Test func withoutAnExpertAMixtureIsOutOfService() async throws {
        let (server, client) = try await start()
        let before = try await ask("pair", client).json["choices"]
        #expect(try await unload("french", client).status == 200)
        let gone = try await ask("pair", client)
        #expect(gone.status == 409)
        #expect(
            gone.message
                == "The mixture `pair` is out of service: its expert 'french' is not loaded.")
        #expect(try await ask("turned", client).status == 200, "it has other experts")
        #expect(try await client.get("/v1/models/pair").status == 404)
        let status = try await run(Built.burrow, ["status", "--socket", server.adminSocket])
        #expect(status.output.contains("out of service: its expert 'french' is not loaded"))
        #expect(try await load("french", "french", client).status == 200)
        #expect(try await ask("pair", client).json["choices"] == before)
        try await server.stop()
    }

    @Test func theNameOfAMixtureIsNoAdapters() async throws {
        let (server, client) = try await start()
        let taken = try await load("pair", "roman", client)
        #expect(taken.status == 400 && taken.message.contains("is taken by a mixture"))
        let kept = try await unload("pair", client)
        #expect(kept.status == 400 && kept.message.contains("'pair' is a mixture"))
        #expect(try await ask("pair", client).status == 200)
        try await server.stop()
    }

    /// So few pages that requests lose theirs and are computed again.
    @Test func preemptionChangesNothing() async throws {
        let mixtures = ["mixtures: [{name: three, experts: [french, english, roman]}]"]
        let prompts = try SampleModel.references().filter { $0.model != "sample" }.prefix(24)
        let bodies: [JSON] = prompts.enumerated().map { index, reference in
            let mask: JSON = index % 3 == 0 ? ["roman"] : []
            return [
                "model": "three", "temperature": 0, "max_tokens": 120, "ignore_eos": true,
                "return_token_ids": true, "logprobs": 3, "mixture": ["mask": mask],
                "prompt": .list(reference.promptIDs.map { .number(Double($0)) }),
            ]
        }
        var answers: [[JSON]] = []
        for memory in ["256MiB", "6MiB"] {
            let server = try await BurrowProcess.start(
                ServedManifest(
                    replicas: [
                        "memory: \(memory)", "adapterMemory: 3MiB", "maxBatch: 24",
                        "mergedMemory: 0B",
                    ], spec: mixtures))
            let port = server.port
            let replies = try await allAtOnce(bodies) {
                try WireConnection(port: port).post("/v1/completions", $0).json["choices"]
            }
            let preemptions = try await Client(server).metric("vllm:num_preemptions_total")
            #expect((preemptions > 0) == (memory == "6MiB"), "\(memory): \(preemptions)")
            answers.append(replies)
            try await server.stop()
        }
        #expect(answers[0] == answers[1])
        #expect(answers[0].allSatisfy { $0[0]["token_ids"].integers.count == 120 })
    }
}

/// What is wrong with the mixtures of a manifest is said before anything is served.
struct MixtureManifestTests {
    static let faults: [(mixture: String, message: String)] = [
        (
            "{name: all, experts: [roman, frensh]}",
            "error: spec.mixtures[0].experts[1]: no adapter is called 'frensh' (did you mean "
                + "'french'?)"
        ),
        (
            "{name: all, experts: [roman], gating: unifrom}",
            "error: spec.mixtures[0].gating: no instance and no gating policy is called 'unifrom' "
                + "(did you mean 'uniform'?)"
        ),
        (
            "{name: all, experts: [roman], gating: lru}",
            "error: spec.mixtures[0].gating: 'lru' answers 'residency', not 'gating'"
        ),
    ]

    @Test(arguments: faults)
    func validateReportsThem(_ fault: (mixture: String, message: String)) async throws {
        let folder = try TestFolder()
        let manifest = ServedManifest(spec: ["mixtures: [\(fault.mixture)]"])
        let path = try folder.write("manifest.yaml", manifest.text)
        let result = try await run(Built.burrow, ["validate", path], in: folder)
        #expect(result.status == 78)
        #expect(result.errors.contains(fault.message), "\(result.errors)")
    }
}
