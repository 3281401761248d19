// SPDX-License-Identifier: Apache-2.0

internal import ModelLoading

/// The nearest low-rank product of a matrix that has no thin factors.
enum DenseTruncation {
    /// Up to this smaller side all singular values are computed.
    static let wholeSide = 1024
    /// Columns that are drawn beyond the rank, and how often they are multiplied by the matrix and
    /// its transpose: Halko, Martinsson and Tropp, "Finding structure with randomness" (2011),
    /// algorithm 4.4.
    private static let spareColumns = 16
    private static let powerIterations = 4

    /// The product of at most `rank` ranks; on large matrices nearly the nearest, by a seeded
    /// random start.
    static func truncate(
        _ matrix: Matrix, to rank: Int, seed: UInt64
    ) throws(CompositionError) -> LowRankProduct {
        let side = min(matrix.rows, matrix.columns)
        let width = rank + spareColumns
        guard side > wholeSide, 4 * width < side else {
            return LowRankProduct.balanced(
                try LinearAlgebra.singularValues(matrix), rank: rank)
        }
        let basis = try range(of: matrix, width: width, seed: seed)
        let core = LinearAlgebra.product(basis, matrix, transposingA: true)
        let balanced = LowRankProduct.balanced(
            try LinearAlgebra.singularValues(core), rank: rank)
        return LowRankProduct(
            left: LinearAlgebra.product(basis, balanced.left), right: balanced.right)
    }

    /// Orthonormal columns that nearly span what the matrix's largest singular values act on.
    static func range(
        of matrix: Matrix, width: Int, seed: UInt64
    ) throws(CompositionError) -> Matrix {
        var random = SplitMix64(seed: seed)
        let start = Matrix(
            rows: matrix.columns, columns: width,
            values: (0..<matrix.columns * width).map { _ in random.normal() })
        var basis = try LinearAlgebra.orthonormal(LinearAlgebra.product(matrix, start)).q
        for _ in 0..<powerIterations {
            let back = try LinearAlgebra.orthonormal(
                LinearAlgebra.product(matrix, basis, transposingA: true)
            ).q
            basis = try LinearAlgebra.orthonormal(LinearAlgebra.product(matrix, back)).q
        }
        return basis
    }
}
