// SPDX-License-Identifier: Apache-2.0

/// What each pair of neighbouring tokens merges into, and how early.
struct MergeTable: Sendable {
    struct Merge: Equatable {
        /// Lower merges first.
        let rank: UInt32
        let id: Int32
    }

    private static let free = UInt64.max

    private var keys: [UInt64]
    private var values: [Merge]
    private let mask: Int

    /// A table for at most `count` pairs.
    init(count: Int) {
        var size = 16
        while size < count * 2 { size *= 2 }
        keys = [UInt64](repeating: Self.free, count: size)
        values = [Merge](repeating: Merge(rank: 0, id: 0), count: size)
        mask = size - 1
    }

    private func slot(_ key: UInt64) -> Int {
        // Fibonacci hashing: the high bits of the product are well mixed.
        var index = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 20) & mask
        while keys[index] != key, keys[index] != Self.free { index = (index + 1) & mask }
        return index
    }

    private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    /// Records a merge; a later one for the same pair replaces an earlier one.
    mutating func insert(_ left: Int32, _ right: Int32, _ merge: Merge) {
        let key = Self.key(left, right)
        let index = slot(key)
        keys[index] = key
        values[index] = merge
    }

    @inline(__always)
    func merge(_ left: Int32, _ right: Int32) -> Merge? {
        let key = Self.key(left, right)
        let index = slot(key)
        return keys[index] == key ? values[index] : nil
    }
}
