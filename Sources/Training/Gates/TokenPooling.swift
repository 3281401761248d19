// SPDX-License-Identifier: Apache-2.0

internal import MoLE

/// Sums over the tokens of a sequence, divided by how many, the root of that, or a norm of them all,
/// and their derivatives.
struct TokenPooling<Scalar: TrainingScalar> {
    private let isOverPrompt: Bool
    private let endsWithPrompt: Bool
    private let divisor: MoLEConfiguration.PoolDivisor

    init(_ configuration: MoLEConfiguration) {
        isOverPrompt = configuration.pooling == .prompt
        endsWithPrompt = isOverPrompt || configuration.poolSpan == .prompt
        divisor = configuration.poolDivisor
    }

    /// Whether sums are divided by the root of the sum of their tokens' squares.
    var usesNorm: Bool { divisor == .norm }

    private func summed(_ span: TokenBatch.Span) -> Int {
        endsWithPrompt ? span.promptTokens : span.rows.count
    }

    /// What the sum at each row of a span is multiplied by.
    private func factors(_ span: TokenBatch.Span, _ squares: [Scalar]) -> [Scalar] {
        let summed = summed(span)
        var total: Scalar = 0
        let factors = span.rows.enumerated().map { index, row -> Scalar in
            let count = Scalar(min(index + 1, summed))
            switch divisor {
            case .count: return 1 / count
            case .rootCount: return 1 / count.squareRoot()
            case .norm:
                if index < summed { total += squares[row] }
                return 1 / total.squareRoot()
            }
        }
        return isOverPrompt ? factors.map { _ in factors[summed - 1] } : factors
    }

    /// Replaces what was projected of each token by what is pooled there; `squares` are those of the
    /// tokens, for the divisor that needs them.
    func apply(to projected: Matrix<Scalar>, _ squares: [Scalar], _ batch: TokenBatch) {
        let columns = projected.columns
        for span in batch.spans {
            let (summed, factors) = (summed(span), factors(span, squares))
            var sum = [Scalar](repeating: 0, count: columns)
            for (index, row) in span.rows.enumerated() {
                let values = projected.row(row)
                if index < summed { for column in 0..<columns { sum[column] += values[column] } }
                for column in 0..<columns { values[column] = sum[column] * factors[index] }
            }
            guard isOverPrompt else { continue }
            for (index, row) in span.rows.prefix(summed).enumerated() {
                let values = projected.row(row)
                for column in 0..<columns { values[column] = sum[column] * factors[index] }
            }
        }
    }

    /// Replaces the derivative by what is pooled by that by what was projected.
    func propagate(_ gradient: Matrix<Scalar>, _ squares: [Scalar], _ batch: TokenBatch) {
        let columns = gradient.columns
        for span in batch.spans {
            let (summed, factors) = (summed(span), factors(span, squares))
            var sum = [Scalar](repeating: 0, count: columns)
            for (index, row) in span.rows.enumerated().reversed() {
                let values = gradient.row(row)
                let isPooled: Scalar = index < summed ? 1 : 0
                for column in 0..<columns {
                    sum[column] += values[column] * factors[index]
                    values[column] = sum[column] * isPooled
                }
            }
            guard isOverPrompt else { continue }
            for row in span.rows.prefix(summed) {
                let values = gradient.row(row)
                for column in 0..<columns { values[column] = sum[column] }
            }
        }
    }

    /// Adds the derivatives by the squares, given that by what is pooled, before it is replaced.
    func propagateToSquares(
        _ gradient: Matrix<Scalar>, _ pooled: Matrix<Scalar>, _ squares: [Scalar],
        _ batch: TokenBatch, into bySquares: UnsafeMutablePointer<Scalar>
    ) {
        for span in batch.spans {
            let (summed, factors) = (summed(span), factors(span, squares))
            var sum: Scalar = 0
            for (index, row) in span.rows.enumerated().reversed() {
                let (by, values) = (gradient.row(row), pooled.row(row))
                var dot: Scalar = 0
                for column in 0..<pooled.columns { dot += by[column] * values[column] }
                // Of s / √S by S: -s / (2 S √S).
                sum -= dot * factors[index] * factors[index] / 2
                if index < summed, !isOverPrompt { bySquares[row] += sum }
            }
            guard isOverPrompt else { continue }
            for row in span.rows.prefix(summed) { bySquares[row] += sum }
        }
    }
}
