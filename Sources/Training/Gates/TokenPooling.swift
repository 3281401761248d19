// SPDX-License-Identifier: Apache-2.0

internal import MoLE

/// Sums over the tokens of a sequence, divided by how many or the root of that, and their
/// derivatives.
struct TokenPooling<Scalar: TrainingScalar> {
    private let isOverPrompt: Bool
    private let endsWithPrompt: Bool
    private let usesRoot: Bool

    init(_ configuration: MoLEConfiguration) {
        isOverPrompt = configuration.pooling == .prompt
        endsWithPrompt = isOverPrompt || configuration.poolSpan == .prompt
        usesRoot = configuration.poolDivisor == .rootCount
    }

    private func factor(_ count: Int) -> Scalar {
        usesRoot ? 1 / Scalar(count).squareRoot() : 1 / Scalar(count)
    }

    /// Replaces what was projected of each token by what is pooled there.
    func apply(to projected: Matrix<Scalar>, _ batch: TokenBatch) {
        let columns = projected.columns
        for span in batch.spans {
            var sum = [Scalar](repeating: 0, count: columns)
            let summed = endsWithPrompt ? span.promptTokens : span.rows.count
            for (index, row) in span.rows.prefix(summed).enumerated() {
                let values = projected.row(row)
                for column in 0..<columns { sum[column] += values[column] }
                guard !isOverPrompt else { continue }
                let factor = self.factor(index + 1)
                for column in 0..<columns { values[column] = sum[column] * factor }
            }
            // The rows that are not in the pool have what it came to.
            let factor = self.factor(summed)
            for row in isOverPrompt ? span.rows : span.rows.dropFirst(summed) {
                let values = projected.row(row)
                for column in 0..<columns { values[column] = sum[column] * factor }
            }
        }
    }

    /// Replaces the derivative by what is pooled by that by what was projected.
    func propagate(_ gradient: Matrix<Scalar>, _ batch: TokenBatch) {
        let columns = gradient.columns
        for span in batch.spans {
            var sum = [Scalar](repeating: 0, count: columns)
            let summed = endsWithPrompt ? span.promptTokens : span.rows.count
            for (index, row) in span.rows.enumerated().reversed() {
                let values = gradient.row(row)
                let factor = isOverPrompt ? 1 : self.factor(min(index + 1, summed))
                let isPooled: Scalar = index < summed ? 1 : 0
                for column in 0..<columns {
                    sum[column] += values[column] * factor
                    values[column] = sum[column] * isPooled
                }
            }
            guard isOverPrompt else { continue }
            let factor = self.factor(span.promptTokens)
            for (index, row) in span.rows.enumerated() {
                let values = gradient.row(row)
                let share = index < span.promptTokens ? factor : 0
                for column in 0..<columns { values[column] = sum[column] * share }
            }
        }
    }
}
