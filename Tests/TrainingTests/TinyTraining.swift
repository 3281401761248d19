// SPDX-License-Identifier: Apache-2.0

import Inference
import MoLE
import ModelLoading
import PolicyKit

@testable import Training

/// A model, experts and examples that are small, with sizes that are multiples of nothing.
enum TinyTraining {
    static func model(
        layers: Int = 2, biases: Set<LinearKind> = [], headNorms: Bool = false,
        tied: Bool = false, scaling: RopeConfiguration.Scaling = .none
    ) -> ModelConfiguration {
        ModelConfiguration(
            family: .llama, hiddenSize: 13, intermediateSize: 19, layerCount: layers, headCount: 4,
            kvHeadCount: 2, headSize: 6, vocabularySize: 23, contextLength: 40,
            rope: RopeConfiguration(theta: 100, scaling: scaling), tiedEmbeddings: tied,
            linearBiases: biases, queryKeyNorm: headNorms)
    }

    /// A frozen model whose weights are large enough to bend everything.
    static func frozen<Scalar: TrainingScalar>(
        _ configuration: ModelConfiguration, seed: UInt64
    ) throws -> FrozenModel<Scalar> {
        let model = FrozenModel<Scalar>(
            try ModelWeights.synthetic(configuration, name: "tiny", seed: seed))
        var random = SplitMix64(seed: seed)
        random.fill(model.embedding, within: 1)
        if !configuration.tiedEmbeddings { random.fill(model.outputHead, within: 0.6) }
        for block in model.blocks {
            for matrix in block.linears { random.fill(matrix, within: 0.5) }
            for bias in block.biases.compactMap({ $0 }) { random.fill(bias, within: 0.3) }
            let norms = [block.inputNorm, block.outputNorm, block.queryNorm, block.keyNorm]
            for weight in norms.compactMap({ $0?.weight }) {
                for column in 0..<weight.columns {
                    weight[0, column] = Scalar(0.7 + 0.6 * random.uniform())
                }
            }
        }
        return model
    }

    /// Experts of ranks 3, 1 and 2; the second acts on queries and down alone.
    static func experts<Scalar: TrainingScalar>(
        _ model: ModelConfiguration, seed: UInt64
    ) -> ExpertStack<Scalar> {
        var random = SplitMix64(seed: seed)
        let sites = (0..<model.layerCount).flatMap { _ in
            LinearKind.allCases.map { linear -> ExpertSite<Scalar>? in
                let second = linear == .q || linear == .down ? 1 : 0
                let ranks = [0..<3, 3..<3 + second, 3 + second..<5 + second]
                let all = 5 + second
                let down = Matrix<Scalar>(all, model.inputSize(of: linear))
                let up = Matrix<Scalar>(model.outputSize(of: linear), all)
                random.fill(down, within: 0.5)
                random.fill(up, within: 0.4)
                return ExpertSite(
                    down: down, up: up, ranks: ranks, expertScales: [0.5, 2, 1.25])
            }
        }
        return ExpertStack(count: 3, sites: sites)
    }

    static func gate(
        _ change: (inout MoLEConfiguration) -> Void = { _ in }
    ) -> MoLEConfiguration {
        var configuration = MoLEConfiguration(
            experts: ["one", "two", "three"].map { .init(name: $0, sha256: $0, rank: 3) })
        change(&configuration)
        return configuration
    }

    /// Prompts and answers of different lengths.
    static func sequences(_ count: Int, seed: UInt64, vocabulary: Int = 23) -> [TrainingSequence] {
        var random = SplitMix64(seed: seed)
        return (0..<count).map { _ in
            let prompt = 1 + Int(random.next() % 6)
            let answer = 1 + Int(random.next() % 4)
            return TrainingSequence(
                tokens: (0..<prompt + answer).map { _ in
                    Int32(random.next() % UInt64(vocabulary))
                }, promptTokens: prompt)
        }
    }

    static func team() throws -> ThreadTeam { try ThreadTeam(members: 2) }
}
