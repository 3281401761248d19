// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Inference
package import MoLE
package import ModelLoading

/// Training from files to files, in f32: of the gate of a mixture, or of an adapter.
package final class TrainingSession {
    private let run: TrainingRun<Float>
    /// What must be the same for a checkpoint to be continued.
    private let identity: String

    /// Trains the gate of a mixture whose experts, in the order of the configuration's, stay as they
    /// are; how many threads compute does not change the result.
    ///
    /// - Throws: `invalidSettings` and `notLoaded`.
    package init(
        gate configuration: MoLEConfiguration, of experts: [AdapterWeights],
        over model: ModelWeights, on examples: TrainingExamples, _ settings: TrainingSettings,
        threads: Int
    ) throws(TrainingError) {
        try settings.check()
        try Self.check(configuration, experts, model)
        let frozen = FrozenModel<Float>(model)
        let stack: ExpertStack<Float>
        do {
            stack = try ExpertStack(experts, for: model.configuration)
        } catch {
            throw TrainingError(error)
        }
        let gate = GateNetwork(
            configuration, experts: stack, for: model.configuration, seed: settings.seed)
        run = TrainingRun(
            Network(frozen, experts: stack, gate: gate), settings, train: examples.train,
            dev: examples.dev, team: try Self.team(threads))
        identity =
            "gate \(configuration.identity) on \(examples.identity), \(settings.identity)"
    }

    /// Trains a new adapter.
    ///
    /// - Throws: `invalidSettings`.
    package init(
        adapter shape: AdapterShape, over model: ModelWeights, on examples: TrainingExamples,
        _ settings: TrainingSettings, threads: Int
    ) throws(TrainingError) {
        try settings.check()
        try shape.check()
        let stack =
            shape.newStack(for: model.configuration, seed: settings.seed) as ExpertStack<Float>
        run = TrainingRun(
            Network(FrozenModel<Float>(model), training: stack), settings, train: examples.train,
            dev: examples.dev, team: try Self.team(threads))
        identity = "adapter \(shape.identity) on \(examples.identity), \(settings.identity)"
    }

    private static func team(_ threads: Int) throws(TrainingError) -> ThreadTeam {
        do {
            return try ThreadTeam(members: threads)
        } catch {
            throw TrainingError(.invalidSettings, error.description)
        }
    }

    private static func check(
        _ configuration: MoLEConfiguration, _ experts: [AdapterWeights], _ model: ModelWeights
    ) throws(TrainingError) {
        if let contradiction = configuration.contradiction {
            throw TrainingError(.invalidSettings, contradiction)
        }
        let names = configuration.experts.map(\.name)
        guard names == experts.map(\.name) else {
            throw TrainingError(
                .invalidSettings,
                "the gate is for \(names.joined(separator: ", ")), not for "
                    + experts.map(\.name).joined(separator: ", "))
        }
        guard configuration.layer < model.configuration.layerCount else {
            throw TrainingError(
                .invalidSettings,
                "the gate reads at layer \(configuration.layer), the model has "
                    + "\(model.configuration.layerCount)")
        }
        // The token's own term would read its features divided, and the pool the same undivided.
        guard configuration.poolDivisor != .norm || configuration.pooling != .both else {
            throw TrainingError(
                .invalidSettings,
                "gates with the pooling 'both' and the divisor 'norm' are evaluated but not trained; "
                    + "leave one of them out")
        }
    }

    // MARK: - Running

    /// Trainable numbers.
    package var parameterCount: Int {
        run.network.parameters.reduce(0) { $0 + $1.matrix.rows * $1.matrix.columns }
    }

    /// The steps done.
    package var step: Int { run.optimiser.step }

    /// Goes on from a checkpoint of the same run.
    ///
    /// - Throws: `unreadable` and `wrongCheckpoint`.
    package func resume(from path: String) throws(TrainingError) {
        try Checkpoint.restore(run, of: identity, from: path)
    }

    /// Trains to the end, or until `report`, which is called after each step, says false; the state
    /// is kept at the path of `checkpoint` every so many steps.
    ///
    /// - Throws: `diverged` and `unwritable`.
    package func train(
        checkpoint: (path: String, every: Int)? = nil, report: (TrainingReport) -> Bool
    ) throws(TrainingError) {
        while !run.isOver {
            let state = try run.advance()
            if let checkpoint, state.step % checkpoint.every == 0 {
                try Checkpoint.write(run, of: identity, to: checkpoint.path)
            }
            guard report(state) else { return }
        }
    }

    // MARK: - Results

    /// The best that was found on the data that was not trained on, and after which step.
    package var best: (evaluation: Evaluation, step: Int)? {
        run.progress.best.map { ($0, run.progress.bestStep) }
    }

    /// The best parameters, under the names that files have for them.
    package var bestTensors: [NamedTensor] {
        zip(run.network.parameters, run.bestForFiles).map { parameter, matrix in
            NamedTensor(parameter.name, parameter.shape, matrix.values)
        }
    }

    /// How the best parameters do on other examples.
    package func evaluateBest(_ sequences: [TrainingSequence]) -> Evaluation {
        run.restoreBest()
        return run.evaluate(sequences)
    }
}

/// What is learnt from, and what shows how well.
package struct TrainingExamples: Sendable {
    package let train: [TrainingSequence]
    package let dev: [TrainingSequence]

    /// Both must hold something.
    package init(train: [TrainingSequence], dev: [TrainingSequence]) {
        precondition(!train.isEmpty && !dev.isEmpty, "nothing to learn from")
        self.train = train
        self.dev = dev
    }

    /// Tells sets of examples apart: a checkpoint goes on with the same ones only.
    var identity: String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for sequence in train + dev {
            for word in [Int32(clamping: sequence.promptTokens)] + sequence.tokens {
                hash = (hash ^ UInt64(UInt32(bitPattern: word))) &* 0x100_0000_01B3
            }
        }
        return "\(train.count) and \(dev.count) examples \(String(hash, radix: 16))"
    }
}

extension MoLEConfiguration {
    /// All of it but the notes.
    fileprivate var identity: String {
        var bare = self
        bare.training = [:]
        return bare.jsonText.filter { !$0.isWhitespace }
    }
}
