// SPDX-License-Identifier: Apache-2.0

internal import COpenBLAS
internal import Glibc

/// The precision of training: `Float` to train, `Double` to check gradients by differences.
protocol TrainingScalar: BinaryFloatingPoint, Sendable {
    static func exponential(_ value: Self) -> Self
    static func logarithm(_ value: Self) -> Self
    static func multiply(_ product: MatrixProduct<Self>)
}

/// `result = scale * left * right + kept * result`, with the strides of the rows as they lie in
/// memory; a transposed factor is stored the other way round.
struct MatrixProduct<Scalar> {
    struct Factor {
        let base: UnsafePointer<Scalar>
        let stride: Int
        let isTransposed: Bool

        var order: CBLAS_TRANSPOSE { isTransposed ? CblasTrans : CblasNoTrans }
    }

    let left: Factor
    let right: Factor
    let result: UnsafeMutablePointer<Scalar>
    let stride: Int
    let rows: Int
    let columns: Int
    let depth: Int
    let scale: Scalar
    let kept: Scalar
}

extension Float: TrainingScalar {
    static func exponential(_ value: Float) -> Float { expf(value) }
    static func logarithm(_ value: Float) -> Float { logf(value) }

    static func multiply(_ product: MatrixProduct<Float>) {
        cblas_sgemm(
            CblasRowMajor, product.left.order, product.right.order, Int32(product.rows),
            Int32(product.columns), Int32(product.depth), product.scale, product.left.base,
            Int32(product.left.stride), product.right.base, Int32(product.right.stride),
            product.kept, product.result, Int32(product.stride))
    }
}

extension Double: TrainingScalar {
    static func exponential(_ value: Double) -> Double { exp(value) }
    static func logarithm(_ value: Double) -> Double { log(value) }

    static func multiply(_ product: MatrixProduct<Double>) {
        cblas_dgemm(
            CblasRowMajor, product.left.order, product.right.order, Int32(product.rows),
            Int32(product.columns), Int32(product.depth), product.scale, product.left.base,
            Int32(product.left.stride), product.right.base, Int32(product.right.stride),
            product.kept, product.result, Int32(product.stride))
    }
}
