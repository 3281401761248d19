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

/// The shares of the experts over the last examples, some 256 of them.
struct ShareAverage {
    /// A share of nothing has no logarithm.
    static let least = 1e-6
    private static let examples = 256.0

    /// The same for all at first.
    var shares: [Double]
    /// What one batch counts.
    private let weight: Double

    init(experts: Int, batch: Int) {
        shares = [Double](repeating: 1 / Double(max(1, experts)), count: experts)
        weight = min(1, Double(batch) / Self.examples)
    }

    /// Adds a batch.
    mutating func add(_ batch: [Double]) -> [Double] {
        shares = zip(shares, batch).map { $0 + weight * ($1 - $0) }
        return shares
    }
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
    ///
    /// The balance is that of `average`, to which the batch is added: an expert that happens to be
    /// of no use to one small batch is none that should be used more.
    func gradients(
        _ sequences: [TrainingSequence], _ average: inout ShareAverage
    ) -> (loss: BatchLoss, gradients: [Matrix<Scalar>]) {
        let passes = run(sequences)
        let loss = loss(of: passes)
        if !loss.shares.isEmpty { addBalance(to: passes, loss.shares, average.add(loss.shares)) }
        let scale = Scalar(1 / Double(max(1, loss.head.targets)))
        team.parallel(passes.count) { index, _ in passes[index].runBack(lossScale: scale) }
        let sum = network.gradients()
        for pass in passes {
            for (total, part) in zip(sum, pass.gradients) { total.add(part) }
        }
        return (loss, sum)
    }

    /// Chooses the coordinates that the gate is trained in, by these sequences.
    ///
    /// With `byToken` each token counts once, however often it occurs: frequent ones then do not
    /// narrow what rare ones have.
    func calibrate(on sequences: [TrainingSequence], epsilon: Double, byToken: Bool = false) {
        guard let gate = network.gate else { return }
        var occurrences: [Int32: Int]?
        if byToken {
            let batch = TokenBatch(sequences)
            let tokens = batch.spans.flatMap { batch.tokens[gate.calibrating($0)] }
            occurrences = Dictionary(tokens.map { ($0, 1) }, uniquingKeysWith: +)
        }
        var calibration = GateNetwork<Scalar>.Calibration(gate, occurrences: occurrences)
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
        loss.shares = masses.map { max($0 / total, ShareAverage.least) }
        let count = Double(masses.count)
        loss.balance = loss.shares.reduce(0) {
            $0 - Double.logarithm($1 * count)
        }
        return loss
    }

    /// The balance by each weight: with shares q = m/M of the sum M of all weights and their
    /// averages p, the derivative of -Σ log p is (Σ q/p - 1/p) / M for a whole batch's worth.
    private func addBalance(
        to passes: [SequencePass<Scalar>], _ shares: [Double], _ averages: [Double]
    ) {
        guard alpha > 0 else { return }
        let total = masses(passes, experts: shares.count).reduce(0, +)
        let sum = zip(shares, averages).reduce(0) { $0 + $1.0 / $1.1 }
        let coefficients = averages.map { Scalar(alpha * (sum - 1 / $0) / total) }
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
