// SPDX-License-Identifier: Apache-2.0

/// The element types whose tensors can be read.
package enum TensorType: String, Sendable, CaseIterable, Codable {
    case f32 = "F32"
    case f16 = "F16"
    case bf16 = "BF16"

    /// Bytes per element.
    package var byteCount: Int { self == .f32 ? 4 : 2 }
}

/// Bytes that stay where they are, and unchanged, for as long as the object lives.
///
/// Safety of the unchecked conformance: subclasses set everything in `init`, never write
/// afterwards, and free in `deinit`.
class TensorStorage: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer

    init(bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }
}

/// One tensor in memory: little endian, row-major, aligned for its element type.
///
/// A view keeps the file mapping or the allocation behind it alive.
package struct TensorView: Sendable {
    package let name: String
    package let type: TensorType
    package let shape: [Int]
    private let storage: TensorStorage
    private let offset: Int

    /// Views `shape` elements that start `offset` bytes into `storage`; the caller has checked
    /// that they lie inside it and are aligned.
    init(name: String, type: TensorType, shape: [Int], storage: TensorStorage, offset: Int) {
        self.name = name
        self.type = type
        self.shape = shape
        self.storage = storage
        self.offset = offset
        precondition(
            offset >= 0 && offset <= storage.bytes.count
                && byteCount <= storage.bytes.count - offset,
            "tensor \(name) of \(byteCount) bytes at \(offset) leaves its storage")
    }

    /// Calls `body` with exactly `byteCount` bytes, which are valid only during the call.
    package func withUnsafeBytes<R>(
        _ body: (UnsafeRawBufferPointer) throws -> R
    ) rethrows -> R {
        try withExtendedLifetime(storage) {
            try body(UnsafeRawBufferPointer(rebasing: storage.bytes[offset..<offset + byteCount]))
        }
    }

    package var elementCount: Int { shape.reduce(1, *) }

    package var byteCount: Int { elementCount * type.byteCount }

    /// The elements converted to `Float`, in order. Copies; meant for small tensors.
    package func floats() -> [Float] { withUnsafeBytes(type.floats) }
}

extension TensorType {
    /// Elements as they are stored, converted to `Float`.
    func floats(_ bytes: UnsafeRawBufferPointer) -> [Float] {
        switch self {
        case .f32:
            bytes.bindMemory(to: UInt32.self).map { Float(bitPattern: UInt32(littleEndian: $0)) }
        case .f16:
            bytes.bindMemory(to: UInt16.self).map { HalfPrecision.float(UInt16(littleEndian: $0)) }
        case .bf16:
            bytes.bindMemory(to: UInt16.self).map {
                Float(bitPattern: UInt32(UInt16(littleEndian: $0)) << 16)
            }
        }
    }

    /// Whether no element is an infinity or a NaN.
    func isFinite(_ bytes: UnsafeRawBufferPointer) -> Bool {
        switch self {
        case .f32: Self.isFinite(bytes.bindMemory(to: UInt32.self), exponent: 0x7F80_0000)
        case .f16: Self.isFinite(bytes.bindMemory(to: UInt16.self), exponent: 0x7C00)
        case .bf16: Self.isFinite(bytes.bindMemory(to: UInt16.self), exponent: 0x7F80)
        }
    }

    private static func isFinite<Word: FixedWidthInteger>(
        _ words: UnsafeBufferPointer<Word>, exponent: Word
    ) -> Bool {
        // No early exit, so that the loop can be vectorised.
        var found: Word = 0
        for word in words {
            found |= Word(littleEndian: word) & exponent == exponent ? 1 : 0
        }
        return found == 0
    }
}

/// IEEE 754 binary16, for platforms whose Swift has no `Float16`.
enum HalfPrecision {
    /// The exact value of a binary16 bit pattern; NaN and infinities are kept.
    static func float(_ bits: UInt16) -> Float {
        let sign = UInt32(bits & 0x8000) << 16
        let exponent = UInt32(bits >> 10) & 0x1F
        let fraction = UInt32(bits & 0x3FF)
        switch exponent {
        case 0:
            let magnitude = Float(fraction) * Float(sign: .plus, exponent: -24, significand: 1)
            return sign == 0 ? magnitude : -magnitude
        case 0x1F:
            return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
        default:
            return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
        }
    }
}
