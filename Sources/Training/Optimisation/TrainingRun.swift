// SPDX-License-Identifier: Apache-2.0

internal import Inference
internal import MoLE

/// Training from its first step to its last: parameters, optimiser, and the best found so far.
final class TrainingRun<Scalar: TrainingScalar> {
    /// What a checkpoint holds beside matrices.
    struct Progress: Equatable {
        var best: Evaluation?
        var bestStep = 0
        /// Looks without a better loss.
        var waited = 0
        var isOver = false
    }

    let network: Network<Scalar>
    let settings: TrainingSettings
    let train: [TrainingSequence]
    let dev: [TrainingSequence]
    var optimiser: AdamW<Scalar>
    var progress = Progress()
    var average: ShareAverage
    /// The parameters at `bestStep`; those of the beginning at first.
    let best: [Matrix<Scalar>]
    private let gradientStep: GradientStep<Scalar>
    private let rate: LearningRate
    private var order: BatchOrder

    init(
        _ network: Network<Scalar>, _ settings: TrainingSettings, train: [TrainingSequence],
        dev: [TrainingSequence], team: ThreadTeam
    ) {
        self.network = network
        self.settings = settings
        self.train = train
        self.dev = dev
        optimiser = AdamW(
            AdamWSettings(weightDecay: settings.weightDecay), for: network.parameters)
        best = network.parameters.map { $0.matrix.copied() }
        average = ShareAverage(
            experts: network.gate?.configuration.experts.count ?? 0, batch: settings.batch)
        gradientStep = GradientStep(network: network, alpha: settings.alpha, team: team)
        rate = LearningRate(
            most: settings.learningRate, warmUp: settings.warmUp, steps: settings.steps)
        order = BatchOrder(count: train.count, seed: settings.seed)
        if settings.whitening > 0, network.gate != nil {
            gradientStep.calibrate(
                on: Array(train.prefix(Self.calibrationCount)), epsilon: settings.whitening,
                byToken: settings.whitensByToken)
        }
    }

    /// Examples that the coordinates of a gate are chosen by.
    private static var calibrationCount: Int { 512 }

    var isOver: Bool { progress.isOver || optimiser.step >= settings.steps }

    /// Does the next step, and looks at the other data where that is due.
    ///
    /// - Throws: `diverged`.
    func advance() throws(TrainingError) -> TrainingReport {
        let step = optimiser.step
        let batch = order.batch(step: step, size: settings.batch).map { train[$0] }
        let (loss, gradients) = gradientStep.gradients(batch, &average)
        let norm = optimiser.update(
            network.parameters, gradients, learningRate: rate.rate(step: step))
        guard norm.isFinite, loss.meanLoss.isFinite else {
            throw TrainingError(
                .diverged,
                "the loss is infinite at step \(step + 1): use a lower learning rate")
        }
        var report = TrainingReport(
            step: step + 1, steps: settings.steps, loss: loss.meanLoss, balance: loss.balance,
            gradientNorm: norm, tokens: batch.reduce(0) { $0 + $1.tokens.count - 1 })
        if (step + 1) % settings.evaluateEvery == 0 || step + 1 == settings.steps {
            report.evaluation = look()
        }
        report.best = progress.best
        return report
    }

    private func look() -> Evaluation {
        let found = evaluate(dev)
        guard found.loss < progress.best?.loss ?? .infinity else {
            progress.waited += 1
            if settings.patience > 0, progress.waited >= settings.patience {
                progress.isOver = true
            }
            return found
        }
        progress.best = found
        progress.bestStep = optimiser.step
        progress.waited = 0
        for (best, parameter) in zip(best, network.parameters) { best.copy(parameter.matrix) }
        return found
    }

    /// Looks at examples with the parameters as they stand.
    func evaluate(_ sequences: [TrainingSequence]) -> Evaluation {
        var sum = HeadOutcome()
        // As many at once as there are in a few steps, so that memory stays what it is.
        let size = max(4, 4 * settings.batch)
        for start in stride(from: 0, to: sequences.count, by: size) {
            let part = Array(sequences[start..<min(sequences.count, start + size)])
            sum = sum + gradientStep.evaluate(part).head
        }
        return Evaluation(
            loss: sum.loss / Double(max(1, sum.targets)),
            exact: Double(sum.rightSequences) / Double(max(1, sum.sequences)))
    }

    /// What files hold of the best parameters.
    var bestForFiles: [Matrix<Scalar>] { network.gate?.folded(best) ?? best }

    /// Puts the best parameters into the network.
    func restoreBest() {
        for (best, parameter) in zip(best, network.parameters) { parameter.matrix.copy(best) }
    }
}
