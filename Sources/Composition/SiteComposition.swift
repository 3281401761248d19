// SPDX-License-Identifier: Apache-2.0

internal import ModelLoading

/// The composed factors of one linear layer, as they are written.
struct SiteComposition: Sendable {
    let site: AdapterSite
    let rank: Int
    /// `[rank, inputSize]`
    let a: [Float]
    /// `[outputSize, rank]`
    let b: [Float]
    /// The norm of the update that the method calls for.
    let targetNorm: Double
    /// How far what is written lies from it.
    let errorNorm: Double

    /// Rounds factors to `type` and measures what is lost.
    init(
        _ product: LowRankProduct, for target: SiteTarget, at site: AdapterSite,
        as type: SafetensorsWriter.ElementType
    ) throws(CompositionError) {
        self.site = site
        rank = product.depth
        a = Self.rounded(product.right, type)
        b = Self.rounded(product.left, type)
        let written = LowRankProduct(
            left: Matrix(rows: product.left.rows, columns: rank, floats: b),
            right: Matrix(rows: rank, columns: product.right.columns, floats: a))
        (targetNorm, errorNorm) = try target.measure(written)
    }

    /// Relative to the target; of a target that is zero, 0 if it was met and 1 if not.
    var relativeError: Double {
        targetNorm > 0 ? errorNorm / targetNorm : (errorNorm > 0 ? 1 : 0)
    }

    private static func rounded(
        _ matrix: Matrix, _ type: SafetensorsWriter.ElementType
    ) -> [Float] {
        switch type {
        case .f32: matrix.values.map(Float.init)
        case .bf16: matrix.values.map { roundedToBF16(Float($0)) }
        }
    }

    /// To the nearest, ties to even, as the writer does it.
    private static func roundedToBF16(_ value: Float) -> Float {
        guard value.isFinite else { return value }
        let pattern = value.bitPattern
        return Float(bitPattern: (pattern &+ 0x7FFF &+ (pattern >> 16 & 1)) & 0xFFFF_0000)
    }
}

/// The update that a method calls for at one site.
enum SiteTarget: Sendable {
    /// `keepsFactors` where they are used as they are if their ranks fit.
    case lowRank(LowRankProduct, keepsFactors: Bool)
    case dense(Matrix)

    /// Factors of at most `rank` ranks.
    func factors(rank: Int, seed: UInt64) throws(CompositionError) -> LowRankProduct {
        switch self {
        case .lowRank(let product, true) where product.depth <= rank: product
        case .lowRank(let product, _): try product.truncated(to: rank)
        case .dense(let matrix):
            try DenseTruncation.truncate(matrix, to: rank, seed: seed)
        }
    }

    /// The target's norm, and that of the difference of `product` to it.
    func measure(
        _ product: LowRankProduct
    ) throws(CompositionError) -> (target: Double, error: Double) {
        switch self {
        case .lowRank(let target, _):
            return (try target.norm(), try target.distance(to: product))
        case .dense(let target):
            var difference = product.dense
            difference.add(target, times: -1)
            return (target.norm, difference.norm)
        }
    }
}
