// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import ModelLoading

/// How base weights are kept in memory. Activations and sums are f32 in both.
package enum WeightType: String, Sendable, CaseIterable, Codable {
    case f32, bf16

    package var byteCount: Int { self == .f32 ? 4 : 2 }

    var kernelType: KernelType { self == .f32 ? KERNEL_F32 : KERNEL_BF16 }
}

extension TensorType {
    var kernelType: KernelType {
        switch self {
        case .f32: KERNEL_F32
        case .bf16: KERNEL_BF16
        case .f16: KERNEL_F16
        }
    }
}

extension LinearKind {
    /// Its place in `allCases`.
    var ordinal: Int {
        switch self {
        case .q: 0
        case .k: 1
        case .v: 2
        case .o: 3
        case .gate: 4
        case .up: 5
        case .down: 6
        }
    }
}

/// Linear layers that read the same input and are computed together.
enum LinearGroup: Int, CaseIterable, Sendable {
    case queryKeyValue, output, gateUp, down

    var kinds: [LinearKind] {
        switch self {
        case .queryKeyValue: [.q, .k, .v]
        case .output: [.o]
        case .gateUp: [.gate, .up]
        case .down: [.down]
        }
    }

    static func of(_ kind: LinearKind) -> LinearGroup {
        switch kind {
        case .q, .k, .v: .queryKeyValue
        case .o: .output
        case .gate, .up: .gateUp
        case .down: .down
        }
    }
}
