// SPDX-License-Identifier: Apache-2.0

import Foundation
import Inference
import MoLE
import ModelLoading
import PolicyKit

/// What decoding costs with each kind of gate over the same eight experts, beside one adapter.
struct GateCost: Codable {
    var name: String
    /// Milliseconds of the fastest step.
    var milliseconds: Double

    private static let batch = 8

    /// Gates whose numbers are random: what they cost does not depend on them.
    private static let gates: [(String, @Sendable (inout MoLEConfiguration) -> Void)] = [
        ("mixture, static weights by block", { $0.pooling = .none }),
        ("mixture, A by block", { $0.pooling = .token }),
        ("mixture, B by block", { $0.pooling = .causal }),
        ("mixture, A+B by block", { $0.pooling = .both }),
        ("mixture, C by network", { ($0.pooling, $0.granularity) = (.prompt, .network) }),
        ("mixture, A by matrix", { ($0.pooling, $0.granularity) = (.token, .matrix) }),
        ("mixture, A of ranks by block", { ($0.pooling, $0.reading) = (.token, .shrunk) }),
        (
            "mixture, a scaling pass by token (X-LoRA)",
            {
                ($0.pooling, $0.reading) = (.token, .finalHidden)
                ($0.granularity, $0.normalisation) = (.blocksAtOnce, .none)
            }
        ),
    ]

    /// Decodes eight sequences in all ways in turn, `rounds` times over.
    static func measure(
        _ weights: ModelWeights, type: WeightType, threads: Int, rank: Int, rounds: Int
    ) throws -> [GateCost] {
        let model = try PackedModel(weights, type: type, threads: threads)
        let experts = (0..<MixtureCost.experts).map { index in
            AdapterWeights.synthetic(
                name: "synthetic-\(index)", rank: rank, seed: UInt64(index),
                for: weights.configuration)
        }
        let adapters = try experts.map { try PackedAdapter($0, for: model) }
        var ways: [(name: String, uses: [PackedAdapter], isMixture: Bool)] = [
            ("base", [], false),
            ("one adapter", Array(repeating: adapters[0], count: batch), false),
            ("eight adapters", adapters, false),
        ]
        var stateFloats = 0
        for (name, change) in gates {
            let gate = try gate(change, experts, weights.configuration)
            stateFloats = max(stateFloats, gate.traits.stateFloats * gate.traits.points.count)
            let mixture = try PackedAdapter(
                mixture: name, experts: experts, gate: gate, for: model)
            ways.append((name, Array(repeating: mixture, count: batch), true))
        }
        var configuration = ExecutorConfiguration(
            pageCount: 256, maximumTokens: 512, maximumSequences: batch,
            contextLength: min(1024, weights.configuration.contextLength), threads: threads)
        configuration.gateStateFloats = stateFloats
        configuration.keepsScalingPass = true
        let executor = try Executor(model: model, configuration: configuration)
        var best = ways.map { GateCost(name: $0.name, milliseconds: .infinity) }
        for _ in 0..<rounds {
            for (index, way) in ways.enumerated() {
                let step = step(way.uses, isMixture: way.isMixture, executor)
                for _ in 0..<6 {
                    let time = try executor.run(step).times.total.seconds * 1e3
                    best[index].milliseconds = min(best[index].milliseconds, time)
                }
            }
        }
        return best
    }

    private static func gate(
        _ change: (inout MoLEConfiguration) -> Void, _ experts: [AdapterWeights],
        _ model: ModelConfiguration
    ) throws -> TrainedGate {
        // Synthetic adapters act everywhere.
        let places = (0..<model.layerCount).flatMap { layer in
            ModelMatrix.allCases.map { MatrixPlace(layer: layer, matrix: $0) }
        }
        let mixture = MixtureDescription(
            name: "mixture", layers: model.layerCount, hiddenSize: model.hiddenSize,
            experts: experts.map { expert in
                MixtureExpert(
                    name: expert.name, digest: "",
                    ranks: Dictionary(
                        uniqueKeysWithValues: places.map { ($0, expert.maximumRank) }))
            })
        var configuration = MoLEConfiguration(
            experts: experts.map {
                MoLEConfiguration.Expert(name: $0.name, sha256: "", rank: $0.maximumRank)
            })
        change(&configuration)
        var parameters = MoLEParameters(zerosFor: configuration, in: mixture) { point in
            switch point.reading {
            case .input(.attentionOutput): model.headCount * model.headSize
            case .input(.feedForwardOutput): model.intermediateSize
            default: mixture.width(of: point) ?? 0
            }
        }
        for (name, tensor) in parameters.tensors {
            parameters.tensors[name] = GateTensor(
                shape: tensor.shape, values: tensor.values.map { _ in Float.random(in: -0.1...0.1) }
            )
        }
        return try TrainedGate(configuration, parameters, for: mixture, from: NoFiles())
    }

    /// One token of each sequence behind 64.
    private static func step(
        _ uses: [PackedAdapter], isMixture: Bool, _ executor: Executor
    ) -> ExecutorStep {
        let pages = ExecutorConfiguration.pages(for: 65)
        let vocabulary = executor.model.configuration.vocabularySize
        return ExecutorStep(
            chunks: (0..<batch).map { index in
                SequenceChunk(
                    tokens: [Int32(index * 7919 % vocabulary)], position: 64,
                    pages: (0..<pages).map { Int32(index * pages + $0) },
                    adapters: uses.isEmpty ? [] : [AdapterUse(uses[index])],
                    gating: isMixture ? ChunkGating(promptTokens: 64) : nil)
            })
    }

    /// In Markdown, each beside the single adapter and the eight.
    static func table(_ costs: [GateCost]) -> String {
        let (one, eight) = (costs[1].milliseconds, costs[2].milliseconds)
        let rows = costs.map { cost in
            let time = cost.milliseconds
            func more(than other: Double) -> String {
                let percent = Int((100 * (time / other - 1)).rounded())
                return "\(percent < 0 ? "" : "+")\(percent) %"
            }
            let tokens = Int((Double(batch) / time * 1e3).rounded())
            return "| \(cost.name) | \((time * 10).rounded() / 10) | \(tokens) "
                + "| \(more(than: one)) | \(more(than: eight)) |"
        }
        return "| decode, 8 sequences | ms | tokens/s | over one adapter | over eight |\n"
            + "|---|---|---|---|---|\n" + rows.joined(separator: "\n")
    }
}

/// These gates need no files, nor the experts' factors.
private struct NoFiles: MixtureSources {
    func json(_ file: String) -> FileValue? { nil }
    func tensors(_ file: String) -> [String: GateTensor]? { nil }
    func tensors(_ file: String, ofExpert expert: Int) -> [String: GateTensor]? { nil }
    func factors(
        ofExpert expert: Int, at place: MatrixPlace
    ) -> (down: GateTensor, up: GateTensor, scale: Float)? { nil }
}
