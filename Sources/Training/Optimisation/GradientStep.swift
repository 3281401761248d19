// SPDX-License-Identifier: Apache-2.0

internal import Inference
internal import MoLE

/// The loss over a batch, in its parts.
struct BatchLoss {
    var head = HeadOutcome()
    /// `-Σ log q - N log N`: 0 where all experts get the same share of the weights, over all points,
    /// matrices and tokens.
    var balance = 0.0
    /// The share of each expert in the weights that experts get.
    var shares: [Double] = []

    /// In nats for each target.
    var meanLoss: Double { head.loss / Double(max(1, head.targets)) }
}

/// Computes losses and their derivatives, parts of a batch on several threads.
///
/// A batch is always cut into the same parts, which are added up in their order: how many threads
/// there are does not change a bit of the result.
struct GradientStep<Scalar: TrainingScalar> {
    /// More would make products of few rows, which are slow.
    private static var partCount: Int { 4 }

    let network: Network<Scalar>
    /// What the balance counts beside the loss.
    let alpha: Double
    let team: ThreadTeam

    /// The loss, without derivatives.
    func evaluate(_ sequences: [TrainingSequence]) -> BatchLoss { loss(of: run(sequences)) }

    /// The loss, and the derivatives of `meanLoss + alpha * balance` by the parameters.
    func gradients(
        _ sequences: [TrainingSequence]
    ) -> (loss: BatchLoss, gradients: [Matrix<Scalar>]) {
        let passes = run(sequences)
        let loss = loss(of: passes)
        addBalance(to: passes, loss)
        let scale = Scalar(1 / Double(max(1, loss.head.targets)))
        team.parallel(passes.count) { index, _ in passes[index].runBack(lossScale: scale) }
        let sum = network.gradients()
        for pass in passes {
            for (total, part) in zip(sum, pass.gradients) { total.add(part) }
        }
        return (loss, sum)
    }

    /// Chooses the coordinates that the gate is trained in, by these sequences.
    func calibrate(on sequences: [TrainingSequence], epsilon: Double) {
        guard let gate = network.gate else { return }
        var calibration = GateNetwork<Scalar>.Calibration(gate)
        // A few at once, so that memory stays what a step takes.
        for start in stride(from: 0, to: sequences.count, by: 16) {
            let part = Array(sequences[start..<min(sequences.count, start + 16)])
            for pass in run(part) { gate.note(pass, in: &calibration) }
        }
        gate.calibrate(by: calibration, epsilon: epsilon)
    }

    private func run(_ sequences: [TrainingSequence]) -> [SequencePass<Scalar>] {
        let parts = min(Self.partCount, sequences.count)
        let passes = (0..<parts).map { part in
            let range = part * sequences.count / parts..<(part + 1) * sequences.count / parts
            return SequencePass(network, TokenBatch(sequences[range]))
        }
        team.parallel(parts) { index, _ in passes[index].run() }
        return passes
    }

    /// The sum of all weights of each expert.
    private func masses(_ passes: [SequencePass<Scalar>], experts: Int) -> [Double] {
        var masses = [Double](repeating: 0, count: experts)
        for pass in passes {
            for point in pass.points where point.isTrained { point.addWeights(to: &masses) }
        }
        return masses
    }

    private func loss(of passes: [SequencePass<Scalar>]) -> BatchLoss {
        var loss = BatchLoss()
        loss.head = passes.reduce(HeadOutcome()) { $0 + $1.outcome }
        guard let gate = network.gate else { return loss }
        let masses = masses(passes, experts: gate.configuration.experts.count)
        let total = masses.reduce(0, +)
        guard total > 0 else { return loss }
        loss.shares = masses.map { $0 / total }
        let count = Double(masses.count)
        loss.balance = loss.shares.reduce(0) {
            $0 - Double.logarithm($1 * count)
        }
        return loss
    }

    /// The balance by each weight: with q = m/M for masses m of the sum M, the derivative of
    /// -Σ log q is N/M - 1/m.
    private func addBalance(to passes: [SequencePass<Scalar>], _ loss: BatchLoss) {
        guard alpha > 0, !loss.shares.isEmpty else { return }
        let total = masses(passes, experts: loss.shares.count).reduce(0, +)
        let count = Double(loss.shares.count)
        let coefficients = loss.shares.map { Scalar(alpha * (count - 1 / $0) / total) }
        for pass in passes {
            for point in pass.points where point.isTrained { point.addGradient(coefficients) }
        }
    }
}

extension PointTape {
    func addWeights(to masses: inout [Double]) {
        for unit in units {
            for row in 0..<unit.weights.rows {
                let weights = unit.weights.row(row)
                for expert in masses.indices { masses[expert] += Double(weights[expert]) }
            }
        }
    }

    /// Adds the same derivative by the weights to all rows.
    func addGradient(_ coefficients: [Scalar]) {
        for unit in units {
            for row in 0..<unit.gradient.rows {
                let gradient = unit.gradient.row(row)
                for expert in coefficients.indices { gradient[expert] += coefficients[expert] }
            }
        }
    }
}
