// SPDX-License-Identifier: Apache-2.0

/// A matrix as the product of a tall and a wide one, so that nothing of its full size is computed.
struct LowRankProduct: Sendable, Equatable {
    /// `[outputSize, depth]`
    var left: Matrix
    /// `[depth, inputSize]`
    var right: Matrix

    var depth: Int { left.columns }

    var dense: Matrix { LinearAlgebra.product(left, right) }

    /// The sum of products of the same shape: side by side, hence exact.
    static func sum(_ parts: [LowRankProduct]) -> LowRankProduct {
        LowRankProduct(
            left: .stackedColumns(parts.map(\.left)), right: .stackedRows(parts.map(\.right)))
    }

    func scaled(by factor: Double) -> LowRankProduct {
        LowRankProduct(left: left, right: right.scaled(by: factor))
    }

    /// The Frobenius norm, by the triangular factors alone.
    func norm() throws(CompositionError) -> Double {
        let (_, core) = try bases()
        return core.norm
    }

    /// The norm of the difference to another product of the same shape.
    func distance(to other: LowRankProduct) throws(CompositionError) -> Double {
        try Self.sum([self, other.scaled(by: -1)]).norm()
    }

    /// Singular values that are nothing but the rounding of double precision count as zero.
    private static let negligible = 1e-13

    /// The nearest product of at most `rank` ranks, and of no more than there are, with the
    /// singular values shared out evenly: `B = U * sqrt(S)`, `A = sqrt(S) * V'`.
    func truncated(to rank: Int) throws(CompositionError) -> LowRankProduct {
        let (bases, core) = try bases()
        let singular = try LinearAlgebra.singularValues(core)
        let balanced = Self.balanced(singular, rank: rank)
        return LowRankProduct(
            left: LinearAlgebra.product(bases.left, balanced.left),
            right: LinearAlgebra.product(balanced.right, bases.right, transposingB: true))
    }

    /// The leading part of a decomposition as balanced factors; at least one rank.
    static func balanced(_ singular: LinearAlgebra.SingularValues, rank: Int) -> LowRankProduct {
        let floor = (singular.values.first ?? 0) * negligible
        let there = singular.values.prefix { $0 > floor }.count
        let kept = min(singular.values.count, max(1, min(rank, there)))
        let roots = singular.values.prefix(kept).map { $0.squareRoot() }
        return LowRankProduct(
            left: singular.left.firstColumns(kept).columnsScaled(by: roots),
            right: singular.right.firstRows(kept).rowsScaled(by: roots))
    }

    /// Orthonormal columns around a small core: `left * core * transposed(right)` is the product.
    private func bases() throws(CompositionError) -> ((left: Matrix, right: Matrix), Matrix) {
        let (leftBasis, leftCore) = try LinearAlgebra.orthonormal(left)
        let (rightBasis, rightCore) = try LinearAlgebra.orthonormal(right.transposed)
        return (
            (leftBasis, rightBasis),
            LinearAlgebra.product(leftCore, rightCore, transposingB: true)
        )
    }
}
