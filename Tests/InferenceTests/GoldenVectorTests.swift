// SPDX-License-Identifier: Apache-2.0

import Foundation
import ModelLoading
import Testing

@testable import Inference

/// Against ids and probabilities of transformers and PEFT in f32.
struct GoldenVectorTests {
    private struct Golden: Decodable {
        struct Step: Decodable {
            let ids: [Int32]
            let logprobs: [Double]
        }
        let prompt: [Int32]
        let greedy: [Int32]
        let steps: [Step]
    }

    private struct Sample: Decodable {
        let prompt: [Int32]
        let greedy: [Int32]
        let steps: [Golden.Step]

        var golden: Golden { Golden(prompt: prompt, greedy: greedy, steps: steps) }

        private enum CodingKeys: String, CodingKey {
            case prompt = "prompt_ids"
            case greedy = "greedy_ids"
            case steps = "top3"
        }
    }

    /// The expectations of the base and each adapter, as one list with what they act on.
    private func requests(
        _ goldens: [String: [Golden]], adapters: URL, model: PackedModel
    ) throws -> [(name: String, golden: Golden, request: TestRequest)] {
        try goldens.sorted { $0.key < $1.key }.flatMap { name, list in
            let uses =
                name == "base"
                ? [] : [AdapterUse(try Fixtures.adapter(name, in: adapters, for: model))]
            return list.map { golden in
                (
                    name, golden,
                    TestRequest(
                        prompt: golden.prompt, adapters: uses, count: golden.greedy.count)
                )
            }
        }
    }

    private func check(
        _ golden: Golden, _ generation: Generation, tolerance: Double, _ name: String
    ) {
        #expect(generation.tokens == golden.greedy, "\(name), prompt of \(golden.prompt.count)")
        guard generation.tokens == golden.greedy else { return }
        var worst = 0.0
        for (step, expected) in golden.steps.enumerated() {
            for (token, logprob) in zip(expected.ids, expected.logprobs) {
                let own = generation.logProbability(step: step, token: token)
                worst = max(worst, abs(own - logprob))
            }
        }
        #expect(worst < tolerance, "\(name), prompt of \(golden.prompt.count)")
    }

    @Test(
        arguments: ["llama-tied-bf16", "qwen2-bias-tied"], WeightType.allCases)
    func allAdaptersInOneBatchGiveTheExpectedTokens(family: String, type: WeightType) throws {
        let folder = Fixtures.goldens.appending(path: family)
        let model = try Fixtures.model(folder.appending(path: "base"), type)
        let goldens = try Fixtures.decode(
            [String: [Golden]].self, at: folder.appending(path: "expected.json"))
        let cases = try requests(
            goldens, adapters: folder.appending(path: "adapters"), model: model)
        let driver = GreedyDriver(executor: try GreedyDriver.executor(model))
        let results = try driver.run(cases.map(\.request))
        // Weights that are stored in bf16 are exact in both float types.
        let exact = type == .f32 || (type == .bf16 && family == "llama-tied-bf16")
        for (item, result) in zip(cases, results) where exact {
            check(item.golden, result, tolerance: 1e-3, item.name)
        }
        // Rounding weights changes the numbers, so only the first token's probabilities are
        // compared, roughly: these models are random, and small changes grow in them.
        for (item, result) in zip(cases, results) where !exact {
            #expect(firstDifference(item.golden, result) < 0.5, "\(item.name)")
        }
    }

    @Test func theSampleAndItsEightAdaptersGiveTheExpectedTokens() throws {
        for (item, result) in try sampleResults(.bf16) {
            check(item.golden, result, tolerance: 1e-3, item.name)
        }
    }

    @Test func int8WeightsKeepNearlyAllAnswersOfTheSample() throws {
        let results = try sampleResults(.int8)
        for (item, result) in results {
            #expect(firstDifference(item.golden, result) < 0.1, "\(item.name)")
        }
        let same = results.count { $0.1.tokens == $0.0.golden.greedy }
        #expect(same * 10 >= results.count * 9, "\(same) of \(results.count)")
    }

    private func sampleResults(
        _ type: WeightType
    ) throws -> [((name: String, golden: Golden, request: TestRequest), Generation)] {
        let model = try Fixtures.model(Fixtures.samples.appending(path: "model"), type)
        let samples = try Fixtures.decode(
            [String: [Sample]].self, at: Fixtures.samples.appending(path: "reference.json"))
        let cases = try requests(
            samples.mapValues { $0.prefix(8).map(\.golden) },
            adapters: Fixtures.samples.appending(path: "adapters"), model: model)
        let driver = GreedyDriver(
            executor: try GreedyDriver.executor(model, sequences: 128))
        return Array(zip(cases, try driver.run(cases.map(\.request))))
    }

    /// How far the likeliest first token's log probability is from the expected one.
    private func firstDifference(_ golden: Golden, _ generation: Generation) -> Double {
        let own = generation.logProbability(step: 0, token: golden.steps[0].ids[0])
        return abs(own - golden.steps[0].logprobs[0])
    }
}
