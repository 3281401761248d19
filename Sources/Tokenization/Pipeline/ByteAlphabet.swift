// SPDX-License-Identifier: Apache-2.0

/// The printable scalars that stand for bytes in byte-level vocabularies (GPT-2's
/// `bytes_to_unicode`): printable Latin-1 stands for itself, the rest for U+0100 and up.
enum ByteAlphabet {
    /// The scalar of each byte.
    static let scalars: [UInt32] = {
        var next: UInt32 = 0x100
        return (UInt32(0)..<256).map { byte in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return byte
            default:
                defer { next += 1 }
                return next
            }
        }
    }()

    /// The UTF-8 of the scalar of each byte: one or two bytes.
    static let encoded: [[UInt8]] = scalars.map { value in
        var bytes: [UInt8] = []
        if let scalar = Unicode.Scalar(value) { UTF8Text.append(scalar, to: &bytes) }
        return bytes
    }

    /// The byte of each scalar below U+0144, or -1.
    static let bytes: [Int16] = {
        var table = [Int16](repeating: -1, count: 0x144)
        for (byte, scalar) in scalars.enumerated() { table[Int(scalar)] = Int16(byte) }
        return table
    }()

    static func encode(_ source: UnsafeBufferPointer<UInt8>, into output: inout [UInt8]) {
        for byte in source {
            if (0x21...0x7E).contains(byte) {
                output.append(byte)
            } else {
                output += encoded[Int(byte)]
            }
        }
    }

    /// The bytes that a token stands for: when a scalar is outside the alphabet, its own UTF-8.
    static func decode(_ token: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(token.count)
        let isInAlphabet = token.withUnsafeBufferPointer { buffer in
            var index = 0
            while index < buffer.count {
                let (value, length) = UTF8Text.scalar(at: index, of: buffer)
                guard value < bytes.count, bytes[Int(value)] >= 0 else { return false }
                result.append(UInt8(bytes[Int(value)]))
                index += length
            }
            return true
        }
        return isInAlphabet ? result : token
    }
}
