// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Mixtures whose gates look at what the model computes, and remember it.
struct TrainedMixtureTests {
    private static let experts = ["french", "english", "roman"]

    private static func manifest(
        _ gate: String, experts: [String] = experts, replicas: [String] = ["memory: 256MiB"]
    ) -> ServedManifest {
        ServedManifest(
            adapters: ["french", "english", "roman", "date"].map {
                "{name: \($0), path: \(Built.samples)/adapters/\($0)}"
            }, replicas: replicas, limits: ["adapterRoots: [\(Built.samples)/adapters]"],
            plugins: [
                "instances: [{name: gate, type: mole-gate, parameters: {gate: \(gate)}}]"
            ],
            spec: [
                "mixtures:",
                "  - {name: three, experts: [\(experts.joined(separator: ", "))], gating: gate}",
            ])
    }

    private static func body(_ prompt: [Int], _ mask: [String] = []) -> JSON {
        body([prompt], mask)
    }

    private static func body(_ prompts: [[Int]], _ mask: [String] = []) -> JSON {
        [
            "model": "three", "temperature": 0, "max_tokens": 60, "ignore_eos": true,
            "return_token_ids": true, "logprobs": 3,
            "mixture": ["mask": .list(mask.map(JSON.text)), "gate": true],
            "prompt": .list(prompts.map { .list($0.map { .number(Double($0)) }) }),
        ]
    }

    /// Prompts that begin alike and go on differently, some with a mask.
    ///
    /// Those of a body arrive together however busy the machine is, so that they compete for memory.
    private static func bodies() throws -> [JSON] {
        let references = try SampleModel.references().filter { $0.model != "sample" }.prefix(24)
        let beginning = Array(repeating: references.first?.promptIDs ?? [], count: 2)
        let prompts = references.map {
            Array(beginning.flatMap { $0 }.prefix(33)) + $0.promptIDs
        }
        return [body(Array(prompts.prefix(16))), body(Array(prompts.suffix(8)), ["roman"])]
    }

    /// With plenty of room for whole prompts, and with so little that prompts are cut up, shared and
    /// computed again.
    @Test(arguments: ["both", "causal", "prompt"])
    func neitherCutsNorSharedPagesNorPreemptionsChangeAnything(pooling: String) async throws {
        let folder = try TestFolder()
        let gate = try await RandomGate.write(for: Self.experts, pooling: pooling, in: folder)
        let bodies = try Self.bodies()
        let roomy = ["memory: 256MiB", "prefixCache: off", "maxBatch: 1"]
        let narrow = [
            "memory: \(pooling == "prompt" ? 5 : 6)MiB", "adapterMemory: 3MiB", "mergedMemory: 0B",
            "maxBatch: 24",
            "maxStepTokens: \(pooling == "prompt" ? 64 : 30)",
        ]
        var answers: [[JSON]] = []
        for replicas in [roomy, narrow] {
            let server = try await BurrowProcess.start(Self.manifest(gate, replicas: replicas))
            let port = server.port
            let replies = try await allAtOnce(bodies) {
                try WireConnection(port: port).post("/v1/completions", $0).json
            }
            let client = Client(server)
            let isNarrow = replicas == narrow
            let preemptions = try await client.metric("vllm:num_preemptions_total")
            let hits = try await client.metric("vllm:prefix_cache_hits_total")
            #expect((preemptions > 0) == isNarrow)
            #expect((hits > 0) == (isNarrow && pooling != "prompt"))
            answers.append(
                replies.flatMap { $0["choices"].list }.map { reply in
                    var choice = reply
                    // What was shared is not weighed again, what was lost is weighed twice.
                    choice["gate"] = .null
                    return choice
                })
            let gates = replies.flatMap { $0["choices"].list }.map { $0["gate"].members.values }
            for weights in gates {
                let sum = weights.reduce(0) { $0 + ($1.number ?? 0) }
                #expect(abs(sum - 1) < 1e-4, "\(weights)")
            }
            try await server.stop()
        }
        #expect(answers.allSatisfy { $0.count == 24 })
        #expect(answers[0].allSatisfy { $0["token_ids"].integers.count == 60 })
        for (index, pair) in zip(answers[0], answers[1]).enumerated() {
            #expect(pair.0 == pair.1, "request \(index)")
        }
    }

    @Test func aPromptThatNoIterationHoldsIsRefused() async throws {
        let folder = try TestFolder()
        let gate = try await RandomGate.write(for: Self.experts, pooling: "prompt", in: folder)
        let server = try await BurrowProcess.start(
            Self.manifest(gate, replicas: ["memory: 64MiB", "maxStepTokens: 16"]))
        let client = Client(server)
        #expect(
            try await client.post("/v1/completions", Self.body(Array(100..<116))).status == 200)
        let long = try await client.post("/v1/completions", Self.body(Array(100..<117)))
        #expect(long.status == 400)
        #expect(long.message.contains("The prompt has 17 tokens"), "\(long.message)")
        #expect(long.message.contains("at most 16"))
        let masked = Self.body(Array(100..<117), ["english", "roman"])
        #expect(
            try await client.post("/v1/completions", masked).status == 200,
            "one expert is an adapter, whose prompts may be cut")
        try await server.stop()
    }

    @Test func aGateForOtherExpertsIsRefusedWhereItIsNamed() async throws {
        let folder = try TestFolder()
        let gate = try await RandomGate.write(for: Self.experts, pooling: "both", in: folder)
        let manifest = Self.manifest(gate, experts: Self.experts.reversed())
        let path = try folder.write("manifest.yaml", manifest.text)
        let result = try await run(
            Built.burrow, ["serve", path, "--listen", "127.0.0.1:0"], in: folder)
        #expect(result.status == 78)
        let line = try #require(
            manifest.text.split(separator: "\n").firstIndex { $0.contains("name: three") })
        #expect(
            result.errors.contains("manifest.yaml:\(line + 1):"), "\(line): \(result.errors)")
        #expect(result.errors.contains("error: spec.mixtures[0].gating: "))
        #expect(result.errors.contains("french, english, roman"))
    }

    @Test func anExpertWithOtherWeightsTakesTheMixtureOutOfService() async throws {
        let folder = try TestFolder()
        let gate = try await RandomGate.write(for: Self.experts, pooling: "both", in: folder)
        let server = try await BurrowProcess.start(Self.manifest(gate))
        let client = Client(server)
        func load(_ path: String) async throws {
            let loaded = try await client.post(
                "/v1/load_lora_adapter",
                [
                    "lora_name": "french", "load_inplace": true,
                    "lora_path": .text("\(Built.samples)/adapters/\(path)"),
                ])
            #expect(loaded.status == 200, "\(loaded.text)")
        }
        let before = try await client.post("/v1/completions", Self.body([1, 2, 3])).json["choices"]
        try await load("date")
        let gone = try await client.post("/v1/completions", Self.body([1, 2, 3]))
        #expect(gone.status == 409)
        #expect(gone.message.contains("other weights of the expert 'french'"), "\(gone.message)")
        try await load("french")
        let after = try await client.post("/v1/completions", Self.body([1, 2, 3])).json["choices"]
        #expect(after == before)
        try await server.stop()
    }

    @Test func everyBlockIsADepthOfItsOwn() async throws {
        let folder = try TestFolder()
        let gate = try await RandomGate.write(for: Self.experts, pooling: "both", in: folder)
        let path = try folder.write("manifest.yaml", Self.manifest(gate).text)
        let result = try await run(
            Built.burrow, ["explain-gate", path, "abc", "--mixture", "three", "--json"], in: folder)
        #expect(result.status == 0, "\(result.errors)")
        let depths = try JSON(parsing: result.output)["depths"].list
        #expect(depths.map { $0["name"] } == ["block 0", "block 1", "block 2", "block 3"])
        for depth in depths {
            #expect(depth["entropy"].number.map { (0.01...0.999).contains($0) } == true)
            for weights in depth["weights"].list {
                let sum = weights.list.reduce(0) { $0 + ($1.number ?? 0) }
                #expect(abs(sum - 1) < 1e-5)
            }
        }
    }

    /// Policies that merge leave mixtures alone, and have no strike for it.
    @Test(arguments: ["merged-only", "mixed-mode-batching", "lookahead-batching"])
    func policiesThatMergeServeMixtures(batching: String) async throws {
        let folder = try TestFolder()
        let gate = try await RandomGate.write(for: Self.experts, pooling: "both", in: folder)
        var manifest = Self.manifest(gate)
        manifest.plugins.append("budget: 1s")
        manifest.pipeline = ["batching: \(batching)"]
        let server = try await BurrowProcess.start(manifest)
        let port = server.port
        let models = (0..<24).map { ["three", "three", "french", "sample"][$0 % 4] }
        let statuses = try await allAtOnce(models) { model in
            let body = SampleModel.chat(
                model, "Comment dit-on 48 ?", ["ignore_eos": true, "max_tokens": 40])
            return try WireConnection(port: port).post("/v1/chat/completions", body).status
        }
        #expect(statuses.allSatisfy { $0 == 200 })
        #expect(try await Client(server).metric("burrow:policy_strikes_total") == 0)
        try await server.stop()
    }
}
