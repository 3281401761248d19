// SPDX-License-Identifier: Apache-2.0

import CKernels
import ModelLoading
import TestSupport
import Testing

@testable import Inference

/// Packed bytes against the layouts that `CKernels.h` describes, element by element.
struct PackingTests {
    private static let stored: [TensorType] = TensorType.allCases
    private static let types: [WeightType] = [.f32, .bf16]
    private static let sizes = [
        (1, 1), (3, 2), (32, 16), (33, 7), (31, 33), (64, 40), (5, 131), (70, 64), (32, 1),
        (97, 19),
    ]

    /// Bytes of every kind: NaNs with payloads, infinities, subnormal and negative numbers.
    private static func elements(_ count: Int, of type: TensorType, seed: UInt64) -> [UInt8] {
        var random = SeededRandom(seed: seed)
        return (0..<count * type.byteCount).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }

    private static func float(_ bytes: [UInt8], _ index: Int, _ type: TensorType) -> UInt32 {
        let size = type.byteCount
        let word = (0..<size).reduce(UInt32(0)) {
            $0 | UInt32(bytes[index * size + $1]) << (8 * $1)
        }
        switch type {
        case .f32: return word
        case .bf16: return word << 16
        case .f16:
            let (sign, fraction) = ((word & 0x8000) << 16, word & 0x3FF)
            switch word >> 10 & 31 {
            case 0: return sign | (Float(fraction) * 0x1p-24).bitPattern
            case 31: return sign | 0x7F80_0000 | fraction << 13
            case let exponent: return sign | (exponent + 112) << 23 | fraction << 13
            }
        }
    }

    private static func brain(_ bytes: [UInt8], _ index: Int, _ type: TensorType) -> UInt16 {
        let bits = float(bytes, index, type)
        if type == .bf16 { return UInt16(bits >> 16) }
        if Float(bitPattern: bits).isNaN { return UInt16(bits >> 16) | 0x40 }
        return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
    }

    @Test(arguments: stored, types)
    func panelsHoldPairsOfInputsSideBySide(stored: TensorType, type: WeightType) {
        for (n, k) in Self.sizes {
            let source = Self.elements(n * k, of: stored, seed: UInt64(n * 1000 + k))
            let panels = n.dividedUp(by: 32)
            let depth = k.roundedUp(to: 2)
            // Whatever was there is written over, the padding too.
            var packed = [UInt8](repeating: 0xAA, count: panels * depth * 32 * type.byteCount)
            kernel_pack(source, stored.kernelType, n, k, 0, panels, type.kernelType, &packed)
            var wanted = [UInt8](repeating: 0, count: packed.count)
            for row in 0..<n {
                for i in 0..<k {
                    let start = row / 32 * depth * 32
                    let bits: UInt32
                    let place: Int
                    if type == .bf16 {
                        bits = UInt32(Self.brain(source, row * k + i, stored))
                        place = start + (i / 2 * 32 + row % 32) * 2 + i % 2
                    } else {
                        bits = Self.float(source, row * k + i, stored)
                        place = start + i * 32 + row % 32
                    }
                    for byte in 0..<type.byteCount {
                        wanted[place * type.byteCount + byte] =
                            UInt8(truncatingIfNeeded: bits >> (8 * byte))
                    }
                }
            }
            #expect(packed == wanted, "\(n) x \(k)")
        }
    }

    @Test(arguments: stored, types)
    func rowsOfAHoldInputsSixteenApart(stored: TensorType, type: WeightType) {
        for k in [1, 15, 16, 17, 32, 33, 63, 64, 90, 129] {
            let source = Self.elements(k, of: stored, seed: UInt64(k))
            let depth = k.roundedUp(to: 32) + 32
            var packed = [UInt8](repeating: 0xAA, count: depth * type.byteCount)
            kernel_pack_shrink_row(
                source, stored.kernelType, k, depth, type.kernelType, &packed)
            var wanted = [UInt8](repeating: 0, count: packed.count)
            for i in 0..<k {
                let bits =
                    type == .bf16
                    ? UInt32(Self.brain(source, i, stored)) : Self.float(source, i, stored)
                let place = type == .bf16 ? i / 32 * 32 + i % 16 * 2 + i % 32 / 16 : i
                for byte in 0..<type.byteCount {
                    wanted[place * type.byteCount + byte] =
                        UInt8(truncatingIfNeeded: bits >> (8 * byte))
                }
            }
            #expect(packed == wanted, "\(k)")
        }
    }

    @Test(arguments: stored, types)
    func plainCopiesConvertEachElement(stored: TensorType, type: WeightType) {
        for count in [1, 3, 4, 7, 8, 9, 67] {
            let source = Self.elements(count, of: stored, seed: UInt64(count))
            // Nothing behind the last element is written.
            var copied = [UInt8](repeating: 0xAA, count: (count + 4) * type.byteCount)
            kernel_copy(source, stored.kernelType, count, type.kernelType, &copied)
            for i in 0..<count {
                let bits =
                    type == .bf16
                    ? UInt32(Self.brain(source, i, stored)) : Self.float(source, i, stored)
                for byte in 0..<type.byteCount {
                    #expect(
                        copied[i * type.byteCount + byte]
                            == UInt8(truncatingIfNeeded: bits >> (8 * byte)))
                }
            }
            #expect(copied.suffix(4 * type.byteCount).allSatisfy { $0 == 0xAA })
        }
    }

    @Test(arguments: stored)
    func integersAreTheNearestMultiplesOfTheirScale(stored: TensorType) {
        for (n, k) in Self.sizes {
            // Finite, and of an ordinary size.
            var source = Self.elements(n * k, of: stored, seed: UInt64(n * 1000 + k))
            for index in stride(from: stored.byteCount - 1, to: source.count, by: stored.byteCount)
            {
                source[index] = source[index] & 0x80 | (stored == .f16 ? 0x2C : 0x3D)
            }
            let depth = k.roundedUp(to: 2)
            let panelBytes = depth * 32 + 32 * 4
            let panels = n.dividedUp(by: 32)
            var packed = [UInt8](repeating: 0xAA, count: panels * panelBytes)
            kernel_pack(source, stored.kernelType, n, k, 0, panels, KERNEL_INT8, &packed)
            for row in 0..<panels * 32 {
                let panel = row / 32 * panelBytes
                let values = (0..<depth).map { i -> Float in
                    guard row < n, i < k else { return 0 }
                    return Float(bitPattern: Self.float(source, row * k + i, stored))
                }
                let most = values.map(abs).max() ?? 0
                let scale = packed.withUnsafeBytes {
                    $0.loadUnaligned(
                        fromByteOffset: panel + depth * 32 + row % 32 * 4, as: Float.self)
                }
                #expect(scale == most * (1 / 127))
                let factor = most > 0 ? 127 / most : 0
                for (i, value) in values.enumerated() {
                    let byte = packed[panel + (i / 2 * 32 + row % 32) * 2 + i % 2]
                    #expect(
                        Float(Int8(bitPattern: byte)) == (value * factor).rounded(.toNearestOrEven))
                }
            }
        }
    }
}
