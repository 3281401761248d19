// SPDX-License-Identifier: Apache-2.0

internal import CKernels
import Glibc

/// The vector instructions that the kernels were compiled for, fastest first.
package enum InstructionSet: String, Sendable, CaseIterable, Codable {
    /// AVX-512 with the vector neural network instructions (VNNI), for int8 weights.
    case avx512vnni
    case avx512
    case avx2
    /// What the target always has: SSE2 on x86-64. Other processors use it as well; nothing
    /// is written for them especially.
    case portable

    /// The sets this processor can run, fastest first; never empty.
    package static var available: [InstructionSet] {
        allCases.filter { $0.table != nil }
    }

    /// The fastest available set, or the one named by `BURROW_INSTRUCTION_SET`.
    package static func chosen() throws(InferenceError) -> InstructionSet {
        guard let name = getenv("BURROW_INSTRUCTION_SET").map({ String(cString: $0) }) else {
            return available[0]
        }
        guard let set = InstructionSet(rawValue: name) else {
            let known = allCases.map(\.rawValue).joined(separator: ", ")
            throw InferenceError(
                .unsupportedProcessor,
                "BURROW_INSTRUCTION_SET is '\(name)'; set it to one of \(known), or unset it")
        }
        return set
    }

    var table: UnsafePointer<KernelTable>? {
        switch self {
        case .avx512vnni: kernel_table(KERNEL_PATH_AVX512VNNI)
        case .avx512: kernel_table(KERNEL_PATH_AVX512)
        case .avx2: kernel_table(KERNEL_PATH_AVX2)
        case .portable: kernel_table(KERNEL_PATH_PORTABLE)
        }
    }

    /// The functions of this set.
    func kernels() throws(InferenceError) -> KernelTable {
        guard let table else {
            let names = Self.available.map(\.rawValue).joined(separator: ", ")
            throw InferenceError(
                .unsupportedProcessor, "this processor has no \(rawValue); it has \(names)")
        }
        return table.pointee
    }
}
