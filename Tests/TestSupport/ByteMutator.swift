// SPDX-License-Identifier: Apache-2.0

/// Damages bytes in a few random places.
package struct ByteMutator: Sendable {
    /// What the format gives a meaning to; inserted, or put in the place of other bytes.
    private let pieces: [[UInt8]]
    private let edits: ClosedRange<Int>
    /// Three of four edits fall into this many bytes at the start.
    private let head: Int

    package init(pieces: [String], edits: ClosedRange<Int> = 1...4, head: Int = .max) {
        self.pieces = pieces.map { Array($0.utf8) }
        self.edits = edits
        self.head = head
    }

    /// A damaged copy of `original`, which may be empty.
    package func mutate(_ original: [UInt8], with random: inout SeededRandom) -> [UInt8] {
        var bytes = original
        for _ in 0..<Int.random(in: edits, using: &random) { edit(&bytes, &random) }
        return bytes
    }

    private func edit(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
        let reach = random.chance(25) ? bytes.count : min(bytes.count, head)
        let place = random.below(reach + 1)
        let run = place..<min(bytes.count, place + random.below(40))
        switch random.below(8) {
        case 0, 1: bytes.insert(contentsOf: piece(&random), at: place)
        case 2: bytes.replaceSubrange(run.prefix(12), with: piece(&random))
        case 3: bytes.removeSubrange(run.prefix(12))
        case 4: bytes.insert(contentsOf: bytes[run], at: place)
        case 5 where place < bytes.count: bytes[place] ^= 1 << UInt8(random.below(8))
        case 6 where random.chance(25): bytes.removeSubrange(place...)
        default:
            if place < bytes.count { bytes[place] = UInt8.random(in: 0...255, using: &random) }
        }
    }

    private func piece(_ random: inout SeededRandom) -> [UInt8] {
        pieces.randomElement(using: &random) ?? []
    }
}

extension ByteMutator {
    /// Edits that matter to a reader of JSON.
    package static let json = ByteMutator(pieces: [
        "{", "}", "[", "]", "\"", ",", ":", "0", "9", ".", "-", "+", "e", "\\", "\\u", " ", "true",
        "null", "\\ud800", "\\udc00", "1e999", "-0", "[[[[", "\u{FEFF}", "99999999999999999999",
    ])
}
