// SPDX-License-Identifier: Apache-2.0

internal import MoLE
internal import ModelLoading
internal import PolicyKit

/// The squares of the norms by which a gate divides features, row by row, and their derivatives.
struct FeatureNorm<Scalar: TrainingScalar> {
    private enum Measure {
        /// The sum of the squares times a factor.
        case sum(Scalar)
        /// `xᵀ G x` with a symmetric `G`.
        case form(Matrix<Scalar>)
    }

    private let measure: Measure
    private let epsilon: Scalar
    /// Whether each token's features are divided by their own norm; otherwise a pool is divided.
    let isOfTokens: Bool

    /// What a configuration asks for at a point; nil where nothing is divided by a norm.
    init?(
        _ configuration: MoLEConfiguration, at point: GatePoint, width: Int,
        _ experts: ExpertStack<Scalar>
    ) {
        let isOfPool = configuration.poolDivisor == .norm && configuration.pooling.hasPoolTerm
        switch (configuration.normalisation, point.reading) {
        case (.none, _):
            guard isOfPool else { return nil }
            measure = .sum(1)
        case (.outputs, .shrunk(let group)):
            measure = .form(Self.outputs(group, point.layer, width: width, experts))
        default: measure = .sum(1 / Scalar(max(1, width)))
        }
        epsilon = Scalar(configuration.epsilon)
        isOfTokens = !isOfPool
    }

    /// For the ranks z of a group the G with which zᵀ G z is the squared length of all experts'
    /// outputs B z one behind the other (Eq. 9 of MoLE): BᵀB of each expert at each matrix.
    private static func outputs(
        _ group: MatrixGroup, _ layer: Int, width: Int, _ experts: ExpertStack<Scalar>
    ) -> Matrix<Scalar> {
        let form = Matrix<Scalar>(width, width)
        var start = 0
        for linear in group.linears {
            guard let site = experts[layer, linear] else { continue }
            for ranks in site.ranks where !ranks.isEmpty {
                let own = start + ranks.lowerBound..<start + ranks.upperBound
                let up = site.up.part(columns: ranks).copied()
                let products = Matrix<Scalar>(ranks.count, ranks.count)
                products.set(up.transposed, times: up)
                form.part(rows: own).part(columns: own).copy(products)
            }
            start += site.down.rows
        }
        return form
    }

    /// Of each row, with epsilon.
    func squares(of features: Matrix<Scalar>) -> [Scalar] {
        let products = formed(features)
        return (0..<features.rows).map { row in
            let (left, right) = (features.row(row), products.row(row))
            var sum: Scalar = 0
            for column in 0..<features.columns { sum += left[column] * right[column] }
            return max(0, sum) + epsilon
        }
    }

    /// Adds the derivative by the features to `target`, given those by the squares.
    func propagate(
        _ bySquares: [Scalar], _ features: Matrix<Scalar>, into target: Matrix<Scalar>
    ) {
        let products = formed(features)
        for row in 0..<features.rows {
            let (from, to) = (products.row(row), target.row(row))
            for column in 0..<features.columns { to[column] += 2 * bySquares[row] * from[column] }
        }
    }

    private func formed(_ features: Matrix<Scalar>) -> Matrix<Scalar> {
        switch measure {
        case .sum(let factor):
            let result = features.copied()
            result.scale(by: factor)
            return result
        case .form(let form):
            let result = Matrix<Scalar>(features.rows, features.columns)
            result.set(features, times: form)
            return result
        }
    }
}
