// SPDX-License-Identifier: Apache-2.0

import CKernels
import EmulatedKernels
import Testing

@testable import Inference

/// The kernels of one instruction set: all that the processor has, and where it lacks AVX-512, the
/// same tiles computed with the vectors that it has.
struct TestedKernels: Sendable, CustomTestStringConvertible {
    let set: InstructionSet
    private let isEmulated: Bool

    static let all: [TestedKernels] = {
        let own = InstructionSet.available.map { TestedKernels(set: $0, isEmulated: false) }
        guard !InstructionSet.available.contains(.avx512), kernel_table_emulated_avx512() != nil
        else { return own }
        return own + [TestedKernels(set: .avx512, isEmulated: true)]
    }()

    var testDescription: String { isEmulated ? "\(set.rawValue), emulated" : set.rawValue }

    func kernels() throws -> KernelTable {
        isEmulated ? try #require(kernel_table_emulated_avx512()).pointee : try set.kernels()
    }

    func executor(
        _ model: PackedModel, _ configuration: ExecutorConfiguration
    ) throws -> Executor {
        try Executor(
            model: model, configuration: configuration,
            kernels: ExecutorKernels(set: set, table: kernels()))
    }
}
