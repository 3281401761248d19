// SPDX-License-Identifier: Apache-2.0

/// What came of the targets of a batch.
struct HeadOutcome {
    /// The sum of the losses in nats.
    var loss = 0.0
    var targets = 0
    var rightTargets = 0
    var sequences = 0
    /// Sequences whose every target is the likeliest token: what greedy decoding would answer
    /// exactly, since it goes on from right tokens only.
    var rightSequences = 0

    static func + (left: HeadOutcome, right: HeadOutcome) -> HeadOutcome {
        HeadOutcome(
            loss: left.loss + right.loss, targets: left.targets + right.targets,
            rightTargets: left.rightTargets + right.rightTargets,
            sequences: left.sequences + right.sequences,
            rightSequences: left.rightSequences + right.rightSequences)
    }
}

/// The output head over the rows that have a target, and their losses.
struct HeadTape<Scalar: TrainingScalar> {
    private let hidden: Matrix<Scalar>
    private let factors: [Scalar]
    /// `[targets, vocabularySize]`
    private let probabilities: Matrix<Scalar>
    let outcome: HeadOutcome

    init(_ model: FrozenModel<Scalar>, _ residual: Matrix<Scalar>, _ batch: TokenBatch) {
        let hidden = Matrix<Scalar>(batch.targets.count, residual.columns)
        for (index, target) in batch.targets.enumerated() {
            hidden.row(index).update(from: residual.row(target.row), count: residual.columns)
        }
        let normed = Matrix<Scalar>(hidden.rows, hidden.columns)
        factors = model.finalNorm.apply(hidden, into: normed)
        let logits = Matrix<Scalar>(hidden.rows, model.outputHead.rows)
        logits.set(normed, times: model.outputHead.transposed)
        self.hidden = hidden
        outcome = Self.evaluate(logits, batch)
        probabilities = logits
    }

    /// Turns logits into probabilities on the way.
    private static func evaluate(_ logits: Matrix<Scalar>, _ batch: TokenBatch) -> HeadOutcome {
        var outcome = HeadOutcome()
        outcome.targets = logits.rows
        outcome.sequences = batch.spans.count
        var isRight: [Bool] = []
        for (index, target) in batch.targets.enumerated() {
            let row = logits.row(index)
            let logit = row[Int(target.token)]
            var most = row[0]
            var best = 0
            for token in 1..<logits.columns where row[token] > most {
                most = row[token]
                best = token
            }
            var sum = 0.0
            for token in 0..<logits.columns {
                row[token] = Scalar.exponential(row[token] - most)
                sum += Double(row[token])
            }
            for token in 0..<logits.columns { row[token] /= Scalar(sum) }
            outcome.loss += Double.logarithm(sum) - Double(logit - most)
            isRight.append(best == Int(target.token))
        }
        outcome.rightTargets = isRight.count { $0 }
        var next = 0
        for span in batch.spans {
            let count = span.rows.count - span.promptTokens + 1
            if isRight[next..<next + count].allSatisfy({ $0 }) { outcome.rightSequences += 1 }
            next += count
        }
        return outcome
    }

    /// Adds the derivative of `scale` times the sum of the losses by the residual stream; may be
    /// called once.
    func propagate(
        _ model: FrozenModel<Scalar>, _ batch: TokenBatch, scale: Scalar,
        into gradient: Matrix<Scalar>
    ) {
        for (index, target) in batch.targets.enumerated() {
            probabilities[index, Int(target.token)] -= 1
        }
        let byNormed = Matrix<Scalar>(hidden.rows, hidden.columns)
        byNormed.set(probabilities, times: model.outputHead, scale: scale)
        let byHidden = Matrix<Scalar>(hidden.rows, hidden.columns)
        model.finalNorm.propagate(byNormed, input: hidden, factors: factors, into: byHidden)
        for (index, target) in batch.targets.enumerated() {
            gradient.part(rows: target.row..<target.row + 1).add(
                byHidden.part(rows: index..<index + 1))
        }
    }
}
