// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import COpenBLAS
import Glibc

/// The linear algebra library.
package enum BLAS {
    /// Makes it use one thread per call and the kernels that fit the processor; returns their name.
    ///
    /// Call it once, before anything else uses the library. Releases older than a processor fall
    /// back to SSE3 kernels on it, which reach a fifth of its speed; so the choice is made here,
    /// by what the processor can do, unless `OPENBLAS_CORETYPE` is set already.
    @discardableResult
    package static func configure() -> String {
        let fitting: String? =
            switch InstructionSet.available[0] {
            case .avx512: "SkylakeX"
            case .avx2: "Haswell"
            case .portable: nil
            }
        if let fitting, getenv("OPENBLAS_CORETYPE") == nil {
            setenv("OPENBLAS_CORETYPE", fitting, 1)
            _ = shim_blas_choose_again()
        }
        openblas_set_num_threads(1)
        return openblas_get_corename().map { String(cString: $0) } ?? "unknown"
    }

    /// Billions of operations per second of one thread multiplying square f32 matrices: the best
    /// of `repetitions`, by the thread's own processor time.
    package static func measureGigaflops(
        size: Int = 512, repetitions: Int = 5
    ) throws(InferenceError) -> Double {
        let bytes = try checkedProduct([size, size, 4, 3], for: "the measurement")
        let memory = try AlignedMemory(byteCount: bytes, for: "the measurement")
        let values = memory.base.assumingMemoryBound(to: Float.self)
        for index in 0..<2 * size * size { values[index] = Float(index % 7) }
        let n = Int32(clamping: size)
        var best = Double.infinity
        for _ in 0..<max(1, repetitions) {
            let start = kernel_thread_seconds()
            cblas_sgemm(
                CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, values, n,
                values + size * size, n, 0, values + 2 * size * size, n)
            best = min(best, kernel_thread_seconds() - start)
        }
        return 2e-9 * Double(size) * Double(size) * Double(size) / best
    }
}
