// SPDX-License-Identifier: Apache-2.0

import CKernels
import TestSupport
import Testing

@testable import Inference

/// Every instruction set's merge against sums in double precision.
struct MergeKernelTests {
    struct Path: CustomTestStringConvertible {
        let set: InstructionSet
        let type: WeightType
        let adapterType: WeightType

        var testDescription: String { "\(set) \(type) + \(adapterType)" }
    }

    private static let factorTypes: [WeightType] = [.f32, .bf16]
    private static let paths = InstructionSet.available.flatMap { set in
        WeightType.allCases.flatMap { type in
            factorTypes.map { Path(set: set, type: type, adapterType: $0) }
        }
    }

    private static let sizes: [(n: Int, k: Int, rank: Int)] = [
        (1, 1, 1), (32, 32, 16), (33, 31, 3), (64, 90, 8), (40, 131, 5), (96, 64, 1), (31, 7, 17),
        (65, 70, 64),
    ]

    /// Exact in bf16, so that packing loses nothing.
    private static func values(_ count: Int, _ random: inout SeededRandom) -> [Float] {
        (0..<count).map { _ in
            let value = Float.random(in: -1...1, using: &random)
            return Float(bitPattern: value.bitPattern & 0xFFFF_0000)
        }
    }

    /// The rows of the matrix as it is packed, and merged.
    private static func merge(
        _ path: Path, n: Int, k: Int, rank: Int, w: [Float], a: [Float], b: [Float],
        scales: [Float]
    ) throws -> (before: [Float], merged: [Float]) {
        let kernels = try path.set.kernels()
        let nowhere = UnsafeRawPointer(bitPattern: 64)!
        let size = PackedMatrix(weights: nowhere, outputs: n, inputs: k, type: path.type)
        let weights = try AlignedMemory(byteCount: size.byteCount, for: "a test")
        let target = try AlignedMemory(byteCount: size.byteCount, for: "a test")
        kernel_pack(w, KERNEL_F32, n, k, 0, size.panels, path.type.kernelType, weights.base)
        let before = unpack(weights, size)
        let factor = PackedMatrix(
            weights: nowhere, outputs: n, inputs: rank, type: path.adapterType)
        let packedB = try AlignedMemory(byteCount: factor.byteCount, for: "a test")
        kernel_pack(
            b, KERNEL_F32, n, rank, 0, factor.panels, path.adapterType.kernelType, packedB.base)
        let depth = k.roundedUp(to: 32)
        let rowBytes = depth * path.adapterType.byteCount
        let packedA = try AlignedMemory(byteCount: rank * rowBytes, for: "a test")
        for r in 0..<rank {
            kernel_pack_shrink_row(
                Array(a[r * k..<(r + 1) * k]), KERNEL_F32, k, depth, path.adapterType.kernelType,
                packedA.base + r * rowBytes)
        }
        let even = rank.roundedUp(to: 2)
        let scratch = try AlignedMemory(
            byteCount: (even * (depth + 32) + depth * 32) * 4, for: "a test")
        let inputs = scratch.base.assumingMemoryBound(to: Float.self)
        kernels.merge_inputs(
            packedA.base, path.adapterType.kernelType, depth, rank, scales, inputs)
        var merge = KernelMerge(
            weights: weights.base, target: target.base, panel_bytes: size.panelBytes,
            panels: size.panels, type: path.type.kernelType, depth: size.depth, b: packedB.base,
            b_panel_bytes: factor.panelBytes, adapter_type: path.adapterType.kernelType,
            rank: rank, inputs: inputs, outputs: inputs + even * depth,
            sums: inputs + even * (depth + 32))
        kernels.merge(&merge)
        return (before, unpack(target, size))
    }

    private static func unpack(_ memory: AlignedMemory, _ matrix: PackedMatrix) -> [Float] {
        (0..<matrix.outputs).flatMap { row -> [Float] in
            var out = [Float](repeating: .nan, count: matrix.inputs)
            kernel_unpack_row(memory.base, matrix.type.kernelType, matrix.inputs, row, &out)
            return out
        }
    }

    @Test(arguments: paths)
    func aMergedWeightIsTheSumRoundedOnce(path: Path) throws {
        for (n, k, rank) in Self.sizes {
            var random = SeededRandom(seed: UInt64(n * k + rank))
            let w = Self.values(n * k, &random)
            let a = Self.values(rank * k, &random)
            let b = Self.values(n * rank, &random)
            let scales = Self.values(rank, &random)
            let (before, merged) = try Self.merge(
                path, n: n, k: k, rank: rank, w: w, a: a, b: b, scales: scales)
            for row in 0..<n {
                let sums = (0..<k).map { i in
                    (0..<rank).reduce(Double(before[row * k + i])) { sum, r in
                        sum + Double(scales[r] * a[r * k + i]) * Double(b[row * rank + r])
                    }
                }
                let most = sums.map(abs).max() ?? 0
                for (i, sum) in sums.enumerated() {
                    // Half a unit in the last place, and what the sum in f32 may be off.
                    let unit =
                        switch path.type {
                        case .f32: abs(sum) * 0x1p-23
                        case .bf16: abs(sum) * 0x1p-7
                        case .int8: most / 127
                        }
                    let error = abs(sum - Double(merged[row * k + i]))
                    #expect(error <= unit / 2 * 1.01 + 4e-6, "\(n) x \(k), \(rank)")
                }
            }
        }
    }

    @Test(arguments: WeightType.allCases, factorTypes)
    func theFusedSetsAgreeBitForBit(type: WeightType, adapterType: WeightType) throws {
        let fused = InstructionSet.available.filter { $0 != .portable }
        for (n, k, rank) in Self.sizes {
            var random = SeededRandom(seed: UInt64(n + k + rank))
            let w = Self.values(n * k, &random)
            let a = Self.values(rank * k, &random)
            let b = Self.values(n * rank, &random)
            let scales = Self.values(rank, &random)
            let results = try fused.map {
                try Self.merge(
                    Path(set: $0, type: type, adapterType: adapterType), n: n, k: k, rank: rank,
                    w: w, a: a, b: b, scales: scales
                ).merged.map(\.bitPattern)
            }
            #expect(results.allSatisfy { $0 == results.first })
        }
    }
}
