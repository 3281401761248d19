// SPDX-License-Identifier: Apache-2.0

/// The strings of a vocabulary and their ids, compared byte by byte.
///
/// All strings lie in one arena; lookups hash the caller's bytes in place and allocate nothing.
struct TokenTable: Sendable {
    /// Ids above this are refused; a dense table is kept up to the highest.
    static let idLimit = 1 << 22

    private struct Entry {
        let start: Int
        let count: Int32
        let id: Int32
    }

    private var arena: [UInt8] = []
    private var entries: [Entry] = []
    /// Open addressing; -1 is free.
    private var buckets: [Int32]
    /// Entry of each id, or -1.
    private var entryOfID: [Int32] = []

    /// A table for `count` tokens; it grows by rebuilding.
    init(expected count: Int) {
        buckets = Self.freshBuckets(for: count)
    }

    var count: Int { entries.count }
    /// The highest id + 1.
    var idCount: Int { entryOfID.count }

    private static func freshBuckets(for count: Int) -> [Int32] {
        var size = 16
        while size < count * 2 { size *= 2 }
        return [Int32](repeating: -1, count: size)
    }

    private static func hash(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64 {
        // FNV-1a with a final mix; vocabularies are trusted, so seeding is not needed.
        var value: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return value ^ (value >> 29)
    }

    private func bucket(of bytes: UnsafeBufferPointer<UInt8>) -> Int {
        let mask = buckets.count - 1
        var index = Int(truncatingIfNeeded: Self.hash(bytes)) & mask
        while buckets[index] >= 0 {
            let entry = entries[Int(buckets[index])]
            if Int(entry.count) == bytes.count, equals(entry, bytes) { break }
            index = (index + 1) & mask
        }
        return index
    }

    private func equals(_ entry: Entry, _ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        for offset in 0..<bytes.count where arena[entry.start + offset] != bytes[offset] {
            return false
        }
        return true
    }

    func id(of bytes: UnsafeBufferPointer<UInt8>) -> Int32? {
        let found = buckets[bucket(of: bytes)]
        return found < 0 ? nil : entries[Int(found)].id
    }

    func id(of bytes: [UInt8]) -> Int32? {
        bytes.withUnsafeBufferPointer { id(of: $0) }
    }

    func bytes(of id: Int32) -> [UInt8]? {
        guard id >= 0, Int(id) < entryOfID.count, entryOfID[Int(id)] >= 0 else { return nil }
        let entry = entries[Int(entryOfID[Int(id)])]
        return Array(arena[entry.start..<entry.start + Int(entry.count)])
    }

    /// Adds a token. Returns false when the string or the id is already taken.
    mutating func insert(_ token: String, id: Int32) -> Bool {
        var token = token
        return token.withUTF8 { insert($0, id: id) }
    }

    private mutating func insert(_ bytes: UnsafeBufferPointer<UInt8>, id: Int32) -> Bool {
        if (entries.count + 1) * 2 > buckets.count { grow() }
        let index = bucket(of: bytes)
        guard buckets[index] < 0, id >= 0, Int(id) < Self.idLimit else { return false }
        while entryOfID.count <= Int(id) { entryOfID.append(-1) }
        guard entryOfID[Int(id)] < 0 else { return false }
        entryOfID[Int(id)] = Int32(entries.count)
        buckets[index] = Int32(entries.count)
        entries.append(Entry(start: arena.count, count: Int32(bytes.count), id: id))
        arena += bytes
        return true
    }

    private mutating func grow() {
        let old = entries
        buckets = Self.freshBuckets(for: buckets.count)
        let mask = buckets.count - 1
        arena.withUnsafeBufferPointer { buffer in
            for (position, entry) in old.enumerated() {
                let range = entry.start..<entry.start + Int(entry.count)
                let bytes = UnsafeBufferPointer(rebasing: buffer[range])
                var index = Int(truncatingIfNeeded: Self.hash(bytes)) & mask
                while buckets[index] >= 0 { index = (index + 1) & mask }
                buckets[index] = Int32(position)
            }
        }
    }
}
