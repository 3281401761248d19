// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import COpenBLAS
import Glibc

/// The linear algebra library.
package enum BLAS {
    /// The name of the kernels in use; the first access chooses them, for one thread per call.
    ///
    /// Releases older than a processor fall back to SSE3 kernels on it, which reach a fifth of
    /// its speed; so the choice is made here, by what the processor can do, unless
    /// `OPENBLAS_CORETYPE` is set already. The host asks for it once at its start, since the
    /// choice changes the environment.
    package static let core: String = {
        let fitting: String? =
            switch InstructionSet.available[0] {
            case .avx512vnni, .avx512: "SkylakeX"
            case .avx2: "Haswell"
            case .portable: nil
            }
        if let fitting, getenv("OPENBLAS_CORETYPE") == nil {
            setenv("OPENBLAS_CORETYPE", fitting, 1)
            _ = shim_blas_choose_again()
        }
        openblas_set_num_threads(1)
        return openblas_get_corename().map { String(cString: $0) } ?? "unknown"
    }()

    /// The sizes of a product.
    struct Shape {
        let rows: Int
        let columns: Int
        let depth: Int
    }

    /// c[rows, columns] = a[rows, depth] * b[depth, columns], all row-major without gaps.
    static func multiply(
        _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, into c: UnsafeMutablePointer<Float>,
        _ shape: Shape
    ) {
        _ = core
        let (m, n, k) = (Int32(shape.rows), Int32(shape.columns), Int32(shape.depth))
        cblas_sgemm(
            CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, a, k, b, n, 0, c, n)
    }

    /// Billions of operations per second of one thread multiplying square f32 matrices: the best
    /// of `repetitions`, by the thread's own processor time.
    package static func measureGigaflops(
        size: Int = 512, repetitions: Int = 5
    ) throws(InferenceError) -> Double {
        guard (1...16_384).contains(size) else {
            throw InferenceError(.invalidConfiguration, "size \(size): use 1 to 16384")
        }
        let bytes = try checkedProduct([size, size, 4, 3], for: "the measurement")
        let memory = try AlignedMemory(byteCount: bytes, for: "the measurement")
        let values = memory.base.assumingMemoryBound(to: Float.self)
        for index in 0..<2 * size * size { values[index] = Float(index % 7) }
        var best = Double.infinity
        for _ in 0..<max(1, repetitions) {
            let start = kernel_thread_seconds()
            multiply(
                values, values + size * size, into: values + 2 * size * size,
                Shape(rows: size, columns: size, depth: size))
            best = min(best, kernel_thread_seconds() - start)
        }
        return 2e-9 * Double(size) * Double(size) * Double(size) / best
    }
}
