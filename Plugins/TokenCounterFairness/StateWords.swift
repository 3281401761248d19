// SPDX-License-Identifier: Apache-2.0

// State as 64-bit words, little-endian; lists are preceded by how many items they have.

extension [Int64] {
    mutating func appendCounted(_ words: [Int64], each: Int) {
        append(Int64(words.count / each))
        append(contentsOf: words)
    }

    var littleEndianBytes: [UInt8] {
        flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: UInt64(bitPattern: word) >> UInt64(8 * $0)) }
        }
    }
}

/// Takes words off the front of some bytes.
struct WordReader {
    private var words: ArraySlice<Int64>

    /// - Returns: `nil` where the bytes are no whole words.
    init?(_ bytes: [UInt8]) {
        guard bytes.count.isMultiple(of: 8) else { return nil }
        words =
            stride(from: 0, to: bytes.count, by: 8).map { start in
                let word = (0..<8).reduce(0 as UInt64) {
                    $0 | UInt64(bytes[start + $1]) << UInt64(8 * $1)
                }
                return Int64(bitPattern: word)
            }[...]
    }

    var isEmpty: Bool { words.isEmpty }

    mutating func take(_ count: Int) -> [Int64]? {
        guard count >= 0, count <= words.count else { return nil }
        defer { words = words.dropFirst(count) }
        return Array(words.prefix(count))
    }

    /// A list of items of `each` words.
    mutating func takeCounted(each: Int) -> ArraySlice<Int64>? {
        guard let count = take(1)?[0], count >= 0 else { return nil }
        let (total, overflow) = Int(clamping: count).multipliedReportingOverflow(by: each)
        return overflow ? nil : take(total).map { $0[...] }
    }
}
