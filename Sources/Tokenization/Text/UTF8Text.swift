// SPDX-License-Identifier: Apache-2.0

/// Operations on UTF-8 bytes that never go through `Character` or canonical equivalence.
enum UTF8Text {
    /// U+FFFD.
    static let replacement: [UInt8] = [0xEF, 0xBF, 0xBD]

    /// How many bytes the scalar that starts with `lead` has, in valid UTF-8.
    static func length(ofLead lead: UInt8) -> Int {
        lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
    }

    static func append(_ scalar: Unicode.Scalar, to bytes: inout [UInt8]) {
        let value = scalar.value
        if value < 0x80 {
            bytes.append(UInt8(value))
        } else if value < 0x800 {
            bytes.append(UInt8(0xC0 | value >> 6))
            bytes.append(UInt8(0x80 | value & 0x3F))
        } else if value < 0x10000 {
            bytes.append(UInt8(0xE0 | value >> 12))
            bytes.append(UInt8(0x80 | value >> 6 & 0x3F))
            bytes.append(UInt8(0x80 | value & 0x3F))
        } else {
            bytes.append(UInt8(0xF0 | value >> 18))
            bytes.append(UInt8(0x80 | value >> 12 & 0x3F))
            bytes.append(UInt8(0x80 | value >> 6 & 0x3F))
            bytes.append(UInt8(0x80 | value & 0x3F))
        }
    }

    /// The scalar at `index` of valid UTF-8 and its length in bytes.
    @inline(__always)
    static func scalar(
        at index: Int, of bytes: UnsafeBufferPointer<UInt8>
    ) -> (value: UInt32, length: Int) {
        let lead = UInt32(bytes[index])
        if lead < 0x80 { return (lead, 1) }
        let second = UInt32(bytes[index + 1] & 0x3F)
        if lead < 0xE0 { return ((lead & 0x1F) << 6 | second, 2) }
        let third = UInt32(bytes[index + 2] & 0x3F)
        if lead < 0xF0 { return ((lead & 0x0F) << 12 | second << 6 | third, 3) }
        let fourth = UInt32(bytes[index + 3] & 0x3F)
        return ((lead & 0x07) << 18 | second << 12 | third << 6 | fourth, 4)
    }

    /// How the bytes at `index` read as the next scalar (Unicode 16, table 3-7).
    enum Step: Equatable {
        /// A well-formed scalar of this many bytes.
        case scalar(Int)
        /// The end was reached inside what may still become a scalar.
        case incomplete
        /// A maximal ill-formed part of this many bytes: one U+FFFD.
        case invalid(Int)
    }

    static func step(at index: Int, of bytes: [UInt8]) -> Step {
        let lead = bytes[index]
        if lead < 0x80 { return .scalar(1) }
        guard (0xC2...0xF4).contains(lead) else { return .invalid(1) }
        let length = length(ofLead: lead)
        for offset in 1..<length {
            guard index + offset < bytes.count else { return .incomplete }
            let low: UInt8
            let high: UInt8
            switch (offset, lead) {
            case (1, 0xE0): (low, high) = (0xA0, 0xBF)
            case (1, 0xED): (low, high) = (0x80, 0x9F)
            case (1, 0xF0): (low, high) = (0x90, 0xBF)
            case (1, 0xF4): (low, high) = (0x80, 0x8F)
            default: (low, high) = (0x80, 0xBF)
            }
            guard (low...high).contains(bytes[index + offset]) else { return .invalid(offset) }
        }
        return .scalar(length)
    }

    static func isValid(_ bytes: [UInt8]) -> Bool {
        var index = 0
        while index < bytes.count {
            guard case .scalar(let length) = step(at: index, of: bytes) else { return false }
            index += length
        }
        return true
    }

    /// Whether `value` has the Unicode property White_Space.
    static func isWhiteSpace(_ value: UInt32) -> Bool {
        switch value {
        case 0x09...0x0D, 0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F,
            0x205F, 0x3000:
            true
        default: false
        }
    }

    /// Where the white space at the start of `bytes[range]` ends.
    static func endOfSpace(in bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Int {
        var index = range.lowerBound
        while index < range.upperBound {
            let (value, length) = scalar(at: index, of: bytes)
            guard isWhiteSpace(value) else { break }
            index += length
        }
        return index
    }

    /// Where the white space at the end of `bytes[range]` begins.
    static func startOfSpace(in bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Int {
        var end = range.upperBound
        while end > range.lowerBound {
            let start = startOfScalar(before: end, in: bytes)
            guard start >= range.lowerBound, isWhiteSpace(scalar(at: start, of: bytes).value) else {
                break
            }
            end = start
        }
        return end
    }

    /// Where the scalar that ends at `end` begins.
    static func startOfScalar(before end: Int, in bytes: UnsafeBufferPointer<UInt8>) -> Int {
        var start = end - 1
        while start > 0, bytes[start] & 0xC0 == 0x80 { start -= 1 }
        return start
    }
}

/// Turns a stream of bytes into valid UTF-8, as a decoder of the whole would: each maximal
/// ill-formed part becomes one U+FFFD, and a scalar cut in two waits for its other half.
struct LossyUTF8Stream {
    private var pending: [UInt8] = []

    mutating func push(_ bytes: [UInt8]) -> [UInt8] {
        if pending.isEmpty, bytes.allSatisfy({ $0 < 0x80 }) { return bytes }
        pending += bytes
        var result: [UInt8] = []
        result.reserveCapacity(pending.count)
        var index = 0
        scan: while index < pending.count {
            switch UTF8Text.step(at: index, of: pending) {
            case .scalar(let length):
                result += pending[index..<index + length]
                index += length
            case .invalid(let length):
                result += UTF8Text.replacement
                index += length
            case .incomplete: break scan
            }
        }
        pending.removeFirst(index)
        return result
    }

    /// What an unfinished scalar at the end becomes.
    mutating func finish() -> [UInt8] {
        defer { pending = [] }
        return pending.isEmpty ? [] : UTF8Text.replacement
    }
}
