// SPDX-License-Identifier: Apache-2.0

import Foundation
import Inference
import ModelLoading
import PolicyKit

/// What a mixture costs beside the same adapters served each by itself.
struct MixtureCost: Codable {
    var name: String
    var rows: Int
    /// Milliseconds of the fastest step: of the base, of the adapters in turn, of the mixture.
    var base: Double
    var adapters: Double
    var mixture: Double
    /// Milliseconds of the first half of the adapters, with the gate, in the fastest steps.
    var adapterParts: Double
    var mixtureParts: Double

    /// Percent that the mixture takes longer than the adapters.
    var overhead: Double { 100 * (mixture / adapters - 1) }

    static let experts = 8

    /// Decodes and prompts, all in turn, `rounds` times over.
    static func measure(_ bench: MixtureBench, rounds: Int) throws -> [MixtureCost] {
        let cases = [("decode", 1, 1), ("decode", 8, 1), ("prefill", 1, 256), ("prefill", 8, 32)]
        let kinds: [MixtureBench.Kind] = [.base, .adapters, .mixture]
        var best = [StepTimes?](repeating: nil, count: cases.count * kinds.count)
        for round in 0..<rounds {
            // Prompts take long and vary little.
            for (index, (_, batch, tokens)) in cases.enumerated()
            where tokens == 1 || round % 16 == 0 {
                for (place, kind) in kinds.enumerated() {
                    let step = bench.step(kind, batch: batch, tokens: tokens)
                    for _ in 0..<(tokens > 1 ? 1 : 6) {
                        let times = try bench.executor.run(step).times
                        let slot = index * kinds.count + place
                        if let fastest = best[slot], fastest.total <= times.total { continue }
                        best[slot] = times
                    }
                }
            }
        }
        return cases.enumerated().map { index, one in
            let own = best[(index * kinds.count)...].prefix(3).map { $0 ?? StepTimes() }
            return MixtureCost(
                name: one.0, rows: one.1 * one.2, base: own[0].total.seconds * 1e3,
                adapters: own[1].total.seconds * 1e3, mixture: own[2].total.seconds * 1e3,
                adapterParts: own[1].adapters.seconds * 1e3,
                mixtureParts: own[2].adapters.seconds * 1e3)
        }
    }

    static func table(_ costs: [MixtureCost]) -> String {
        let head = "| step | rows | base ms | 8 adapters ms | mixture of 8 ms | more | ranks ms |\n"
        let rows = costs.map { cost in
            func text(_ value: Double) -> String { "\((value * 100).rounded() / 100)" }
            return "| \(cost.name) | \(cost.rows) | \(text(cost.base)) | \(text(cost.adapters)) "
                + "| \(text(cost.mixture)) | \(text(cost.overhead)) % "
                + "| \(text(cost.adapterParts)), \(text(cost.mixtureParts)) |"
        }
        return head + "|---|---|---|---|---|---|---|\n" + rows.joined(separator: "\n")
    }
}

/// A model with eight adapters, and the mixture of the same eight.
struct MixtureBench {
    enum Kind {
        case base, adapters, mixture
    }

    let executor: Executor
    private let adapters: [PackedAdapter]
    private let mixture: PackedAdapter

    init(
        weights: ModelWeights, type: WeightType, keyValueType: KeyValueType, threads: Int, rank: Int
    ) throws {
        let model = try PackedModel(weights, type: type, threads: threads)
        let experts = (0..<MixtureCost.experts).map { index in
            AdapterWeights.synthetic(
                name: "synthetic-\(index)", rank: rank, seed: UInt64(index),
                for: weights.configuration)
        }
        adapters = try experts.map { try PackedAdapter($0, for: model) }
        mixture = try PackedAdapter(
            mixture: "mixture", experts: experts, gate: LinearGate(weights.configuration),
            for: model)
        var configuration = ExecutorConfiguration(
            pageCount: 256, maximumTokens: 512, maximumSequences: MixtureCost.experts,
            contextLength: min(1024, weights.configuration.contextLength), threads: threads)
        configuration.keyValueType = keyValueType
        executor = try Executor(model: model, configuration: configuration)
    }

    /// Decodes behind 64 tokens, or computes prompts.
    func step(_ kind: Kind, batch: Int, tokens: Int) -> ExecutorStep {
        let position = tokens == 1 ? 64 : 0
        let pages = ExecutorConfiguration.pages(for: position + tokens)
        let vocabulary = executor.model.configuration.vocabularySize
        let chunks = (0..<batch).map { index in
            let uses: [AdapterUse] =
                switch kind {
                case .base: []
                case .adapters: [AdapterUse(adapters[index])]
                case .mixture: [AdapterUse(mixture)]
                }
            return SequenceChunk(
                tokens: (0..<tokens).map {
                    Int32((index * 7919 + $0 * 104_729) % vocabulary)
                },
                position: position, pages: (0..<pages).map { Int32(index * pages + $0) },
                adapters: uses,
                gating: kind == .mixture ? ChunkGating(promptTokens: max(tokens, 64)) : nil)
        }
        return ExecutorStep(chunks: chunks)
    }
}

/// A softmax over linear functions of the normed residual stream, at each block.
private final class LinearGate: Gate {
    let traits: GateTraits
    /// `[layer][column]`, all experts side by side.
    private let coefficients: [[SIMD8<Float>]]

    init(_ model: ModelConfiguration) {
        traits = GateTraits(
            points: (0..<model.layerCount).map { GatePoint(.blockInput, layer: $0) })
        var random = SystemRandomNumberGenerator()
        coefficients = (0..<model.layerCount).map { _ in
            (0..<model.hiddenSize).map { _ in .random(in: -0.1...0.1, using: &random) }
        }
    }

    func weigh(
        at point: Int, features: Span<Float>, rows: Span<GateRow>,
        states: inout MutableSpan<Float>, weights: inout MutableSpan<Float>
    ) {
        let own = coefficients[point]
        for row in rows.indices {
            let start = row * own.count
            var sums = (SIMD8<Float>.zero, SIMD8<Float>.zero)
            var squares: (Float, Float) = (0, 0)
            var column = 0
            while column + 1 < own.count {
                let (a, b) = (features[start + column], features[start + column + 1])
                // Not fused: without the instruction that is a call for each number.
                sums.0 += own[column] * a
                sums.1 += own[column + 1] * b
                squares.0 += a * a
                squares.1 += b * b
                column += 2
            }
            let mean = (squares.0 + squares.1) / Float(own.count)
            let logits = (sums.0 + sums.1) / (mean + 1e-6).squareRoot()
            store(softmax(logits), row, &weights)
        }
    }

    private func softmax(_ logits: SIMD8<Float>) -> SIMD8<Float> {
        var powers = SIMD8<Float>.zero
        let most = logits.max()
        for expert in powers.indices { powers[expert] = expf(logits[expert] - most) }
        return powers / powers.sum()
    }

    private func store(_ values: SIMD8<Float>, _ row: Int, _ weights: inout MutableSpan<Float>) {
        for expert in values.indices { weights[row * values.scalarCount + expert] = values[expert] }
    }
}
