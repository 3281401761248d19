// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import ModelLoading

/// How base weights are kept in memory. Activations between the layers are f32 with each.
package enum WeightType: String, Sendable, CaseIterable, Codable {
    case f32, bf16
    /// Symmetric, one scale for each output; inputs become 16-bit integers with a scale for each
    /// 256 of them, and their products are summed exactly.
    case int8

    /// Bytes of one weight.
    package var byteCount: Int {
        switch self {
        case .f32: 4
        case .bf16: 2
        case .int8: 1
        }
    }

    /// The type of what is kept beside the linear layers: rows that are looked up, factors.
    var unpackedType: WeightType { self == .f32 ? .f32 : .bf16 }

    var kernelType: KernelType {
        switch self {
        case .f32: KERNEL_F32
        case .bf16: KERNEL_BF16
        case .int8: KERNEL_INT8
        }
    }
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
