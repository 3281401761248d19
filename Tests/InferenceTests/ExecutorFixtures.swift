// SPDX-License-Identifier: Apache-2.0

import Foundation
import ModelLoading
import TestSupport

@testable import Inference

/// The repository's folder of golden vectors and of samples.
enum Fixtures {
    static let goldens = URL(filePath: Repository.path(of: "Tests/Goldens"))
    static let samples = URL(filePath: Repository.path(of: "Samples"))

    static func decode<T: Decodable>(_ type: T.Type, at url: URL) throws -> T {
        try JSONDecoder().decode(type, from: Data(contentsOf: url))
    }

    static func model(_ url: URL, _ type: WeightType) throws -> PackedModel {
        try PackedModel(ModelWeights.open(folder: url.path), type: type, threads: 2)
    }

    static func adapter(_ name: String, in folder: URL, for model: PackedModel) throws
        -> PackedAdapter
    {
        let path = folder.appending(path: name).path
        return try PackedAdapter(
            AdapterWeights.open(folder: path, name: name, for: model.configuration), for: model)
    }
}

/// The tokens and probabilities that one request got.
struct Generation {
    var tokens: [Int32] = []
    var logits: [[Float]] = []

    /// The natural logarithm of the probability of `token` at a step.
    func logProbability(step: Int, token: Int32) -> Double {
        let row = logits[step]
        let most = Double(row.max() ?? 0)
        let sum = row.reduce(0.0) { $0 + exp(Double($1) - most) }
        return Double(row[Int(token)]) - most - log(sum)
    }
}

/// A request of a test.
struct TestRequest {
    var prompt: [Int32]
    var adapters: [AdapterUse] = []
    var count: Int
    var endToken: Int32?
    /// The experts left out of a mixture; nil for all that is no mixture.
    var mask: UInt64?
}

extension TestRequest {
    var gating: ChunkGating? {
        mask.map { ChunkGating(promptTokens: prompt.count, masked: $0) }
    }
}

/// Drives an executor greedily, all requests in one batch, with scattered pages.
struct GreedyDriver {
    let executor: Executor
    /// Prompt tokens per request and step.
    var chunk = 1 << 20
    var weights = StepWeights.base

    static func executor(
        _ model: PackedModel, sequences: Int = 64, tokens: Int = 4096, threads: Int = 2,
        kernels: TestedKernels? = nil, pages: Int = 1024, gateStateFloats: Int = 0,
        scalingPass: Bool = false
    ) throws -> Executor {
        var configuration = ExecutorConfiguration(
            pageCount: pages, maximumTokens: tokens, maximumSequences: sequences,
            contextLength: min(512, model.configuration.contextLength), threads: threads)
        configuration.gateStateFloats = gateStateFloats
        configuration.keepsScalingPass = scalingPass
        return try kernels?.executor(model, configuration)
            ?? Executor(model: model, configuration: configuration)
    }

    private struct Active {
        let index: Int
        var pending: [Int32]
        var position = 0
        let pages: [Int32]
    }

    /// Runs until each request has its tokens; pages are drawn at random with `seed`.
    func run(_ requests: [TestRequest], seed: UInt64 = 1) throws -> [Generation] {
        var random = SeededRandom(seed: seed)
        var free = (0..<Int32(executor.configuration.pageCount)).shuffled(using: &random)
        var results = requests.map { _ in Generation() }
        var active = requests.enumerated().map { index, request in
            let count = ExecutorConfiguration.pages(for: request.prompt.count + request.count)
            let pages = Array(free.suffix(count))
            free.removeLast(count)
            return Active(index: index, pending: request.prompt, pages: pages)
        }
        while !active.isEmpty {
            let chunks = active.map { state in
                SequenceChunk(
                    tokens: Array(state.pending.prefix(chunk)), position: state.position,
                    pages: state.pages, adapters: requests[state.index].adapters,
                    logitRows: state.pending.count <= chunk ? 1 : 0,
                    gating: requests[state.index].gating)
            }
            let output = try executor.run(ExecutorStep(weights: weights, chunks: chunks))
            for (slot, rows) in output.rows.enumerated() {
                let used = chunks[slot].tokens.count
                active[slot].position += used
                active[slot].pending.removeFirst(used)
                guard let row = rows.first else { continue }
                let logits = output.logits.withRow(row) { Array($0) }
                let token = Int32(logits.indices.max { logits[$0] < logits[$1] } ?? 0)
                results[active[slot].index].tokens.append(token)
                results[active[slot].index].logits.append(logits)
                active[slot].pending = [token]
            }
            active.removeAll { state in
                let got = results[state.index].tokens
                let request = requests[state.index]
                return got.count == request.count
                    || (got.last != nil && got.last == request.endToken)
            }
        }
        return results
    }
}

/// Small models of awkward sizes, with random weights.
enum AwkwardModel {
    /// Nothing is a multiple of a vector or a panel; `down` is summed in several slices.
    static let configuration = ModelConfiguration(
        family: .llama, hiddenSize: 90, intermediateSize: 1037, layerCount: 2, headCount: 6,
        kvHeadCount: 2, headSize: 22, vocabularySize: 203, contextLength: 1024,
        tiedEmbeddings: true)

    static func packed(_ type: WeightType, seed: UInt64 = 7) throws -> PackedModel {
        let weights = try ModelWeights.synthetic(configuration, name: "awkward", seed: seed)
        return try PackedModel(weights, type: type, threads: 2)
    }

    static func adapter(rank: Int, for model: PackedModel) throws -> PackedAdapter {
        try PackedAdapter(
            AdapterWeights.synthetic(
                name: "rank-\(rank)", rank: rank, seed: UInt64(rank), for: model.configuration),
            for: model)
    }

    static func prompt(_ count: Int, seed: UInt64) -> [Int32] {
        var random = SeededRandom(seed: seed)
        return (0..<count).map { _ in Int32.random(in: 0..<203, using: &random) }
    }
}
