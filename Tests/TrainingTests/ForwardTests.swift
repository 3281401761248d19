// SPDX-License-Identifier: Apache-2.0

import Foundation
import Inference
import MoLE
import ModelLoading
import PolicyKit
import TestSupport
import Testing

@testable import Training

/// The way there, against transformers and against what serves.
struct ForwardTests {
    private struct Sample: Decodable {
        struct Top: Decodable {
            let ids: [Int32]
            let logprobs: [Double]
        }

        let prompt: [Int32]
        let greedy: [Int32]
        let top: [Top]

        enum CodingKeys: String, CodingKey {
            case prompt = "prompt_ids"
            case greedy = "greedy_ids"
            case top = "top3"
        }
    }

    /// `Samples/reference.json` was made by transformers and PEFT in f32 and holds five decimals.
    @Test(arguments: ["roman", "french", "pig"])
    func lossesAreThoseOfTransformers(_ adapter: String) throws {
        let all = try JSONDecoder().decode(
            [String: [Sample]].self, from: Data(try Repository.bytes("Samples/reference.json")))
        let weights = try ModelWeights.open(folder: Repository.path(of: "Samples/model"))
        let expert = try AdapterWeights.open(
            folder: Repository.path(of: "Samples/adapters/\(adapter)"), name: adapter,
            for: weights.configuration)
        let network = Network(
            FrozenModel<Float>(weights),
            training: try ExpertStack([expert], for: weights.configuration))
        for sample in try #require(all[adapter]).prefix(6) {
            let pass = SequencePass(
                network,
                TokenBatch([
                    TrainingSequence(
                        tokens: sample.prompt + sample.greedy,
                        promptTokens: sample.prompt.count)
                ]))
            pass.run()
            let expected = -sample.top.reduce(0.0) { $0 + $1.logprobs[0] }
            let tolerance = 1e-4 * Double(sample.greedy.count) + 1e-3 * expected
            #expect(abs(pass.outcome.loss - expected) < tolerance)
            #expect(pass.outcome.rightSequences == 1)
        }
    }

    static let gates: [MoLEConfiguration] =
        MoLEConfiguration.Pooling.allCases.flatMap { pooling in
            [0, 5].map { hidden in
                TinyTraining.gate {
                    ($0.pooling, $0.hidden, $0.hasNullExpert) = (pooling, hidden, hidden > 0)
                }
            }
        }.filter { $0.contradiction == nil }
        + [
            TinyTraining.gate { $0.topK = 2 },
            TinyTraining.gate { ($0.topK, $0.hasNullExpert) = (1, true) },
            TinyTraining.gate { $0.granularity = .blocksAtOnce },
            TinyTraining.gate {
                ($0.reading, $0.granularity) = (.finalHidden, .blocksAtOnce)
            },
            TinyTraining.gate {
                ($0.reading, $0.granularity) = (.finalHidden, .network)
                ($0.pooling, $0.normalisation) = (.token, .none)
            },
        ]

    /// Trained in other coordinates, folded back, and evaluated by the gate that serves.
    @Test(arguments: gates)
    func weightsAreThoseOfTheGateThatServes(_ configuration: MoLEConfiguration) throws {
        let shape = TinyTraining.model()
        let model: FrozenModel<Float> = try TinyTraining.frozen(shape, seed: 1)
        let experts: ExpertStack<Float> = TinyTraining.experts(shape, seed: 2)
        let gate = GateNetwork(configuration, experts: experts, for: shape, seed: 3)
        let network = Network(model, experts: experts, gate: gate)
        let step = GradientStep(network: network, alpha: 0, team: try TinyTraining.team())
        step.calibrate(
            on: TinyTraining.sequences(20, seed: 4), epsilon: 1e-2,
            byToken: configuration.hidden > 0)
        var random = SplitMix64(seed: 5)
        for parameter in gate.parameters { random.fill(parameter.matrix, within: 0.5) }
        let sequence = TrainingSequence(tokens: [3, 1, 4, 1, 5, 9, 2, 6, 5], promptTokens: 5)
        let pass = SequencePass(network, TokenBatch([sequence]))
        pass.run()
        let served = try Self.served(gate, experts, shape)
        let rows = (0..<8).map {
            GateRow(
                token: sequence.tokens[$0], position: Int32($0), promptTokens: 5,
                ordinal: Int32($0 + 1))
        }
        for (index, point) in pass.points.enumerated() {
            var states = [Float](repeating: 0, count: 8 * served.traits.stateFloats)
            let matrices = served.traits.points[index].matrices
            var weights = [Float](repeating: 0, count: 8 * matrices * 3)
            var stateSpan = states.mutableSpan
            var weightSpan = weights.mutableSpan
            try served.weigh(
                at: index, features: point.features.values.span, rows: rows.span,
                states: &stateSpan, weights: &weightSpan)
            for row in 0..<8 {
                for matrix in 0..<matrices {
                    let unit = point.units[matrix * point.units.count / matrices]
                    for expert in 0..<3 {
                        let other = weights[(row * matrices + matrix) * 3 + expert]
                        #expect(abs(unit.weights[row, expert] - other) < 2e-5)
                    }
                }
            }
        }
    }

    private struct NoSources: MixtureSources {
        func json(_ file: String) -> FileValue? { nil }
        func tensors(_ file: String) -> [String: GateTensor]? { nil }
        func tensors(_ file: String, ofExpert expert: Int) -> [String: GateTensor]? { nil }
        func factors(
            ofExpert expert: Int, at place: MatrixPlace
        ) -> (down: GateTensor, up: GateTensor, scale: Float)? { nil }
    }

    private static func served(
        _ gate: GateNetwork<Float>, _ experts: ExpertStack<Float>, _ shape: ModelConfiguration
    ) throws -> TrainedGate {
        let folded = gate.folded(gate.parameters.map(\.matrix))
        var tensors: [String: GateTensor] = [:]
        for (parameter, matrix) in zip(gate.parameters, folded) {
            tensors[parameter.name] = GateTensor(shape: parameter.shape, values: matrix.values)
        }
        return try TrainedGate(
            gate.configuration, MoLEParameters(tensors),
            for: experts.mixture(gate.configuration, over: shape), from: NoSources())
    }

    @Test func aGateThatIsNotTrainedGivesAllExpertsTheSame() throws {
        let shape = TinyTraining.model()
        let experts: ExpertStack<Double> = TinyTraining.experts(shape, seed: 2)
        let gate = GateNetwork(
            TinyTraining.gate { $0.hidden = 6 }, experts: experts, for: shape, seed: 3)
        let network = Network(
            try TinyTraining.frozen(shape, seed: 1), experts: experts, gate: gate)
        let step = GradientStep(network: network, alpha: 1, team: try TinyTraining.team())
        let loss = step.evaluate(TinyTraining.sequences(4, seed: 4))
        #expect(abs(loss.balance) < 1e-12)
        #expect(loss.shares.allSatisfy { abs($0 - 1 / 3.0) < 1e-12 })
    }

    /// Whatever comes later, weights and losses of the tokens before are the same bits.
    @Test(arguments: [MoLEConfiguration.Pooling.token, .causal, .both])
    func causalGatesDoNotSeeWhatComes(_ pooling: MoLEConfiguration.Pooling) throws {
        let shape = TinyTraining.model()
        let experts: ExpertStack<Float> = TinyTraining.experts(shape, seed: 2)
        let gate = GateNetwork(
            TinyTraining.gate { $0.pooling = pooling }, experts: experts, for: shape, seed: 3)
        var random = SplitMix64(seed: 5)
        for parameter in gate.parameters { random.fill(parameter.matrix, within: 0.5) }
        let network = Network(
            try TinyTraining.frozen(shape, seed: 1), experts: experts, gate: gate)
        let passes = [[3, 1, 4, 1, 5, 9, 2], [3, 1, 4, 1, 8, 7, 2] as [Int32]].map {
            let pass = SequencePass(
                network, TokenBatch([TrainingSequence(tokens: $0, promptTokens: 2)]))
            pass.run()
            return pass
        }
        for (left, right) in zip(passes[0].points, passes[1].points) {
            let (before, after) = (left.units[0].weights, right.units[0].weights)
            #expect(before.part(rows: 0..<4).values == after.part(rows: 0..<4).values)
            #expect(before.part(rows: 4..<5).values != after.part(rows: 4..<5).values)
        }
    }
}
