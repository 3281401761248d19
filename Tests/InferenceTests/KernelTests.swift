// SPDX-License-Identifier: Apache-2.0

import CKernels
import Foundation
import ModelLoading
import TestSupport
import Testing

@testable import Inference

/// Every instruction set against sums in double precision, at awkward sizes.
struct KernelTests {
    private static let sizes: [(n: Int, k: Int, rows: Int)] = [
        (1, 1, 1), (16, 16, 1), (31, 15, 2), (33, 33, 3), (32, 2, 33), (5, 601, 4), (40, 523, 5),
        (65, 64, 6), (17, 100, 7), (70, 31, 8), (12, 1030, 9), (33, 17, 11), (48, 48, 12),
        (34, 515, 13), (9, 200, 24), (3, 1100, 33), (96, 3, 25), (20, 8, 1), (7, 64, 2),
    ]
    private static let cases = TestedKernels.all.flatMap { kernels in
        WeightType.allCases.map { (kernels, $0) }
    }
    /// Factors of adapters are never int8.
    private static let factorCases = cases.filter { $0.1 != .int8 }

    private func random(_ count: Int, _ random: inout SeededRandom) -> [Float] {
        (0..<count).map { _ in
            // Exact in bf16, so that both types hold the same weights.
            let value = Float.random(in: -1...1, using: &random)
            return Float(bitPattern: value.bitPattern & 0xFFFF_0000)
        }
    }

    private func pack(_ w: [Float], n: Int, k: Int, _ type: WeightType) -> [UInt32] {
        let size = PackedMatrix(
            weights: UnsafeRawPointer(bitPattern: 64)!, outputs: n, inputs: k, type: type)
        var packed = [UInt32](repeating: 0, count: size.byteCount / 4)
        kernel_pack(w, KERNEL_F32, n, k, 0, size.panels, type.kernelType, &packed)
        return packed
    }

    /// The weights as they are kept.
    private func unpack(_ packed: [UInt32], n: Int, k: Int, _ type: WeightType) -> [Float] {
        (0..<n).flatMap { row in
            var out = [Float](repeating: 0, count: k)
            kernel_unpack_row(packed, type.kernelType, k, row, &out)
            return out
        }
    }

    private func multiply(
        _ packed: [UInt32], _ x: [Float], n: Int, k: Int, rows: Int, _ type: WeightType,
        _ tested: TestedKernels
    ) throws -> [Float] {
        let kernels = try tested.kernels()
        let width = n.roundedUp(to: 32)
        let stride = k.roundedUp(to: 2) + 3
        var padded = [Float](repeating: 0, count: rows * stride)
        for row in 0..<rows {
            for i in 0..<k { padded[row * stride + i] = x[row * k + i] }
        }
        var y = [Float](repeating: .nan, count: rows * width)
        var plan = MemoryPlan(for: "a test")
        let places = try IntegerRows(rows: rows, width: k, in: &plan)
        let memory = try plan.allocate()
        let integers = places.placed(at: memory.base)
        packed.withUnsafeBytes { bytes in
            padded.withUnsafeMutableBufferPointer { x in
                y.withUnsafeMutableBufferPointer { y in
                    guard let w = bytes.baseAddress, let x = x.baseAddress,
                        let y = y.baseAddress
                    else { return }
                    let matrix = PackedMatrix(weights: w, outputs: n, inputs: k, type: type)
                    kernels.quantize(x, stride, k, rows, integers)
                    var product = matrix.product(
                        0..<matrix.panels, x: RowBuffer(base: x, stride: stride),
                        integers: integers, rows: rows, y: RowBuffer(base: y, stride: width))
                    kernels.product(&product)
                }
            }
        }
        return y
    }

    @Test(arguments: cases)
    func productsAreRightAtAwkwardSizes(kernels: TestedKernels, type: WeightType) throws {
        for (index, (n, k, rows)) in Self.sizes.enumerated() {
            var generator = SeededRandom(seed: UInt64(index))
            let w = random(n * k, &generator)
            let x = random(rows * k, &generator)
            let packed = pack(w, n: n, k: k, type)
            let kept = unpack(packed, n: n, k: k, type)
            let y = try multiply(packed, x, n: n, k: k, rows: rows, type, kernels)
            var worst = 0.0
            for row in 0..<rows {
                for column in 0..<n {
                    var sum = 0.0
                    for i in 0..<k { sum += Double(kept[column * k + i]) * Double(x[row * k + i]) }
                    worst = max(worst, abs(sum - Double(y[row * n.roundedUp(to: 32) + column])))
                }
            }
            // Inputs up to 1 are off by half of a 32,767th where they become integers.
            let each = type == .int8 ? 1.6e-5 : 3e-7
            #expect(worst < each * Double(k) + 1e-6, "\(n) x \(k), \(rows) rows")
        }
    }

    @Test(arguments: WeightType.allCases)
    func fusedSetsGiveTheSameBits(type: WeightType) throws {
        let sets = TestedKernels.all.filter { $0.set != .portable }
        for (index, (n, k, rows)) in Self.sizes.enumerated() {
            var generator = SeededRandom(seed: UInt64(index))
            let packed = pack(random(n * k, &generator), n: n, k: k, type)
            let x = random(rows * k, &generator)
            let results = try sets.map {
                try multiply(packed, x, n: n, k: k, rows: rows, type, $0).map(\.bitPattern)
            }
            #expect(results.allSatisfy { $0 == results.first }, "\(n) x \(k), \(rows) rows")
        }
    }

    /// The first factors of an adapter with inputs for them; rows of both are padded with zeros.
    private struct ShrinkInputs {
        let k = 77
        let rows = 9
        let depth = 96
        let rank: Int
        let type: WeightType
        let a: [Float]
        let x: [Float]
        let scales: [Float]
        let packed: [UInt8]

        init(rank: Int, type: WeightType, random: (Int, inout SeededRandom) -> [Float]) {
            var generator = SeededRandom(seed: UInt64(rank))
            let (k, depth) = (k, depth)
            let a = random(rank * k, &generator)
            x = random(rows * depth, &generator).enumerated().map { $0 % depth < k ? $1 : 0 }
            scales = random(rank, &generator)
            var packed = [UInt8](repeating: 0, count: rank * depth * type.byteCount)
            packed.withUnsafeMutableBytes { target in
                for row in 0..<rank {
                    kernel_pack_shrink_row(
                        Array(a[row * k..<(row + 1) * k]), KERNEL_F32, k, depth, type.kernelType,
                        target.baseAddress.map { $0 + row * depth * type.byteCount })
                }
            }
            self.a = a
            self.packed = packed
            self.rank = rank
            self.type = type
        }

        /// All rows at some of the ranks, with the factor -1.
        func shrunk(_ ranks: Range<Int>, _ kernels: KernelTable) -> [Float] {
            var h = [Float](repeating: .nan, count: rows * ranks.count)
            packed.withUnsafeBytes { a in
                scales.withUnsafeBufferPointer { scales in
                    x.withUnsafeBufferPointer { x in
                        h.withUnsafeMutableBufferPointer { h in
                            let skipped = ranks.lowerBound * depth * type.byteCount
                            var shrink = KernelShrink(
                                a: a.baseAddress.map { $0 + skipped }, type: type.kernelType,
                                depth: depth, rank: ranks.count,
                                scales: scales.baseAddress.map { $0 + ranks.lowerBound },
                                factor: -1, x: x.baseAddress, x_stride: depth, rows: rows,
                                h: h.baseAddress, h_stride: ranks.count)
                            kernels.shrink(&shrink)
                        }
                    }
                }
            }
            return h
        }
    }

    @Test(arguments: factorCases, [1, 3, 8, 17, 64])
    func shrinkingIsRightAtEachRank(_ path: (TestedKernels, WeightType), rank: Int) throws {
        let own = ShrinkInputs(rank: rank, type: path.1, random: random)
        let h = own.shrunk(0..<rank, try path.0.kernels())
        for row in 0..<own.rows {
            for r in 0..<rank {
                var sum = 0.0
                for i in 0..<own.k {
                    sum += Double(own.a[r * own.k + i]) * Double(own.x[row * own.depth + i])
                }
                #expect(abs(-sum * Double(own.scales[r]) - Double(h[row * rank + r])) < 2e-5)
            }
        }
    }

    @Test(arguments: factorCases)
    func ranksHaveTheSameBitsFourAtATimeAndAlone(_ path: (TestedKernels, WeightType)) throws {
        let own = ShrinkInputs(rank: 12, type: path.1, random: random)
        let kernels = try path.0.kernels()
        let together = own.shrunk(0..<12, kernels)
        for rank in 0..<12 {
            let alone = own.shrunk(rank..<rank + 1, kernels).map(\.bitPattern)
            let column = (0..<own.rows).map { together[$0 * 12 + rank].bitPattern }
            #expect(alone == column)
        }
    }

    @Test(arguments: TestedKernels.all)
    func theExponentialIsWithinTwoUnits(kernels: TestedKernels) throws {
        let table = try kernels.kernels()
        let x = stride(from: Float(-87.3), through: 87.9, by: 0.0371).map { $0 }
        var y = [Float](repeating: 0, count: x.count)
        table.exponential(x, x.count, &y)
        let worst =
            zip(x, y).map { x, y in
                let exact = exp(Double(x))
                return abs(Double(y) - exact) / Double(Float(exact).ulp)
            }.max() ?? 0
        #expect(worst <= 2)
        var ends: [Float] = [-.infinity, -200, 0, 200, .nan]
        table.exponential(ends, ends.count, &ends)
        #expect(ends[0] == 0 && ends[1] == 0 && ends[2] == 1)
        #expect(ends[3].isFinite && ends[4].isNaN)
    }

    @Test func packedRowsComeBack() {
        var generator = SeededRandom(seed: 11)
        let (n, k) = (37, 19)
        let w = random(n * k, &generator)
        for type in WeightType.allCases {
            let kept = unpack(pack(w, n: n, k: k, type), n: n, k: k, type)
            guard type == .int8 else {
                #expect(kept == w)
                continue
            }
            for row in 0..<n {
                let own = row * k..<(row + 1) * k
                let most = w[own].map(abs).max() ?? 0
                #expect(zip(kept[own], w[own]).allSatisfy { abs($0 - $1) <= most / 253 })
            }
        }
    }

    @Test(arguments: TestedKernels.all)
    func whatIsNotFiniteStaysSoAsAnInteger(kernels: TestedKernels) throws {
        let packed = pack([Float](repeating: 1, count: 300), n: 1, k: 300, .int8)
        for value in [Float.nan, .infinity, -.infinity] {
            var x = [Float](repeating: 0.5, count: 600)
            x[270] = value
            let y = try multiply(packed, x, n: 1, k: 300, rows: 2, .int8, kernels)
            #expect(y[0].isNaN && abs(y[32] - 150) < 0.01)
        }
        for value in [Float.nan, .infinity, -.infinity] {
            var w = [Float](repeating: 1, count: 600)
            w[270] = value
            let x = [Float](repeating: 0.5, count: 300)
            let y = try multiply(
                pack(w, n: 2, k: 300, .int8), x, n: 2, k: 300, rows: 1, .int8, kernels)
            #expect(!y[0].isFinite && abs(y[1] - 150) < 0.01)
        }
        let tiny = [Float](repeating: .leastNonzeroMagnitude, count: 300)
        #expect(try multiply(packed, tiny, n: 1, k: 300, rows: 1, .int8, kernels)[0] == 0)
    }
}
