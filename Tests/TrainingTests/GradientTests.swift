// SPDX-License-Identifier: Apache-2.0

import Inference
import MoLE
import ModelLoading
import Testing

@testable import Training

/// Derivatives against central differences, in double precision over a small model.
struct GradientTests {
    /// Relative to the size of the gradient of the whole parameter; the differences themselves are
    /// good to some 1e-9.
    private static let tolerance = 1e-6

    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var model = TinyTraining.model()
        var gate = TinyTraining.gate()

        init(
            _ name: String, _ model: ModelConfiguration = TinyTraining.model(),
            _ change: (inout MoLEConfiguration) -> Void = { _ in }
        ) {
            testDescription = name
            self.model = model
            gate = TinyTraining.gate(change)
        }
    }

    static let gates: [Case] = [
        Case("token by block") { $0.pooling = .token },
        Case("causal by block") { $0.pooling = .causal },
        Case("causal to the prompt's end") { ($0.pooling, $0.poolSpan) = (.causal, .prompt) },
        Case("both by block, divided by the count") { $0.poolDivisor = .count },
        Case("prompt by block") { $0.pooling = .prompt },
        Case("prompt by network, hidden") {
            ($0.pooling, $0.granularity, $0.hidden) = (.prompt, .network, 7)
        },
        Case("both by network at the second block") { ($0.granularity, $0.layer) = (.network, 1) },
        Case("both by block at once") { $0.granularity = .blocksAtOnce },
        Case("none by block, with a null expert") {
            ($0.pooling, $0.hasNullExpert) = (.none, true)
        },
        Case("both by layer, hidden") { ($0.granularity, $0.hidden) = (.layer, 5) },
        Case("causal by matrix") { ($0.granularity, $0.pooling) = (.matrix, .causal) },
        Case("both by matrix, of ranks") { ($0.granularity, $0.reading) = (.matrix, .shrunk) },
        Case("both by block, of ranks, bare") {
            ($0.reading, $0.normalisation) = (.shrunk, .none)
        },
        Case("prompt by block, of ranks, by the norm of the outputs: Eq. 9") {
            ($0.reading, $0.pooling, $0.normalisation) = (.shrunk, .prompt, .outputs)
            $0.poolDivisor = .norm
        },
        Case("causal by matrix, of ranks, by the norm of the outputs, hidden") {
            ($0.reading, $0.pooling, $0.normalisation) = (.shrunk, .causal, .outputs)
            ($0.granularity, $0.poolDivisor, $0.hidden) = (.matrix, .norm, 5)
        },
        Case("both by layer, of ranks, each token by the norm of its outputs") {
            ($0.reading, $0.granularity, $0.normalisation) = (.shrunk, .layer, .outputs)
        },
        Case("causal to the prompt's end, by the norm of them all") {
            ($0.pooling, $0.poolSpan, $0.poolDivisor) = (.causal, .prompt, .norm)
        },
        Case("causal, bare, by the norm of them all") {
            ($0.pooling, $0.normalisation, $0.poolDivisor) = (.causal, .none, .norm)
        },
        Case("prompt by layer, of ranks, hidden, with a null expert") {
            ($0.granularity, $0.reading, $0.pooling) = (.layer, .shrunk, .prompt)
            ($0.hidden, $0.hasNullExpert) = (4, true)
        },
    ]

    /// What is not followed back to the embeddings: these have another way to the gate.
    static let scalingPasses: [Case] = [
        Case("token by network, of a pass of the base, hidden, bare") {
            ($0.reading, $0.pooling, $0.granularity) = (.finalHidden, .token, .network)
            ($0.normalisation, $0.hidden) = (.none, 6)
        },
        Case("both by block at once, of a pass of the base") {
            ($0.reading, $0.granularity) = (.finalHidden, .blocksAtOnce)
        },
    ]

    static let models: [Case] = [
        Case("with biases", TinyTraining.model(biases: [.q, .k, .v, .o, .down])),
        Case("with norms of heads", TinyTraining.model(headNorms: true)),
        Case(
            "with stretched rotations, tied",
            TinyTraining.model(
                tied: true,
                scaling: .llama3(
                    factor: 4, lowFrequencyFactor: 1, highFrequencyFactor: 4,
                    originalContextLength: 12))),
    ]

    @Test(arguments: gates + models + scalingPasses)
    func everyParameterOfAGate(_ trial: Case) throws {
        let model: FrozenModel<Double> = try TinyTraining.frozen(trial.model, seed: 1)
        let experts: ExpertStack<Double> = TinyTraining.experts(trial.model, seed: 2)
        let gate = GateNetwork(trial.gate, experts: experts, for: trial.model, seed: 3)
        // Away from the beginning, where much is zero.
        var random = SplitMix64(seed: 4)
        for parameter in gate.parameters { random.fill(parameter.matrix, within: 0.4) }
        let step = GradientStep(
            network: Network(model, experts: experts, gate: gate), alpha: 0.7,
            team: try TinyTraining.team())
        step.calibrate(on: TinyTraining.sequences(7, seed: 10), epsilon: 1e-2)
        try check(step, TinyTraining.sequences(5, seed: 5))
    }

    @Test(arguments: models)
    func everyParameterOfAnAdapter(_ trial: Case) throws {
        let model: FrozenModel<Double> = try TinyTraining.frozen(trial.model, seed: 1)
        let shape = AdapterShape(rank: 3, alpha: 4.5, targets: [.q, .v, .o, .gate, .down])
        let experts: ExpertStack<Double> = shape.newStack(for: trial.model, seed: 6)
        let network = Network(model, training: experts)
        var random = SplitMix64(seed: 7)
        for parameter in network.parameters { random.fill(parameter.matrix, within: 0.4) }
        let step = GradientStep(network: network, alpha: 0, team: try TinyTraining.team())
        try check(step, TinyTraining.sequences(5, seed: 8))
    }

    /// The way back through everything: blocks, attention, norms, experts and gate.
    @Test(arguments: gates + models)
    func theEmbeddings(_ trial: Case) throws {
        var configuration = trial.model
        configuration.tiedEmbeddings = false
        let model: FrozenModel<Double> = try TinyTraining.frozen(configuration, seed: 11)
        let experts: ExpertStack<Double> = TinyTraining.experts(configuration, seed: 12)
        let gate = GateNetwork(trial.gate, experts: experts, for: configuration, seed: 13)
        var random = SplitMix64(seed: 14)
        for parameter in gate.parameters { random.fill(parameter.matrix, within: 0.4) }
        let network = Network(model, experts: experts, gate: gate)
        let batch = TokenBatch(TinyTraining.sequences(3, seed: 15))
        func loss() -> Double {
            let pass = SequencePass(network, batch)
            pass.run()
            return pass.outcome.loss
        }
        let pass = SequencePass(network, batch)
        pass.run()
        let rows = pass.runBack(lossScale: 1)
        let largest = rows.values.map(abs).max() ?? 0
        #expect(largest > 1e-3)
        for token in Set(batch.tokens) {
            for column in [0, 5, 12] {
                let difference = Self.difference(model.embedding, Int(token), column, of: loss)
                var sum = 0.0
                for (row, other) in batch.tokens.enumerated() where other == token {
                    sum += rows[row, column]
                }
                #expect(
                    abs(sum - difference) < Self.tolerance * largest,
                    "token \(token), column \(column): \(sum) instead of \(difference)")
            }
        }
    }

    private func check(_ step: GradientStep<Double>, _ sequences: [TrainingSequence]) throws {
        func loss() -> Double {
            let loss = step.evaluate(sequences)
            return loss.meanLoss + step.alpha * loss.balance
        }
        // One batch is all there is, so that its shares are the averages.
        var average = ShareAverage(experts: 3, batch: 256)
        let (value, gradients) = step.gradients(sequences, &average)
        #expect(abs(value.meanLoss + step.alpha * value.balance - loss()) < 1e-12)
        var random = SplitMix64(seed: 9)
        for (parameter, gradient) in zip(step.network.parameters, gradients) {
            let largest = gradient.values.map(abs).max() ?? 0
            #expect(largest > 1e-7, "\(parameter.name) has no influence")
            for _ in 0..<4 {
                let row = Int(random.next() % UInt64(gradient.rows))
                let column = Int(random.next() % UInt64(gradient.columns))
                let difference = Self.difference(parameter.matrix, row, column, of: loss)
                #expect(
                    abs(gradient[row, column] - difference) < Self.tolerance * (largest + 1e-3),
                    "\(parameter.name) [\(row), \(column)]: \(gradient[row, column]) instead of \(difference)"
                )
            }
        }
    }

    private static func difference(
        _ matrix: Matrix<Double>, _ row: Int, _ column: Int, of loss: () -> Double
    ) -> Double {
        let (value, width) = (matrix[row, column], 1e-5)
        matrix[row, column] = value + width
        let above = loss()
        matrix[row, column] = value - width
        let below = loss()
        matrix[row, column] = value
        return (above - below) / (2 * width)
    }
}
