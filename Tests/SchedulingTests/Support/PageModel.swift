// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling

/// What the KV pages of a replica hold, as an executor would have written it: for each place a
/// number that stands for the adapter and all tokens up to it, and whether merged weights had a part
/// in it.
struct PageModel {
    struct Place: Equatable {
        var history: UInt64
        var isClean: Bool
    }

    private var places: [Int32: [Place?]] = [:]

    /// What stands for no tokens of a request: its adapter and its variant.
    static func beginning(of request: NewRequest) -> UInt64 {
        mix(UInt64(request.adapter.rawValue) ^ request.variant << 32)
    }

    /// What stands for one token more.
    static func history(_ before: UInt64, _ token: Int32) -> UInt64 {
        mix(before ^ UInt64(UInt32(bitPattern: token)))
    }

    /// The token that a greedy model gives after such a history: one of a few, so that answers
    /// repeat one another.
    static func answer(to history: UInt64) -> Int32 { Int32(history % 3) }

    private static func mix(_ value: UInt64) -> UInt64 {
        var mixed = value &+ 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// What is in the place of a request's token.
    func place(of token: Int, in pages: [Int32], pageTokens: Int) -> Place? {
        places[pages[token / pageTokens]].flatMap { $0[token % pageTokens] }
    }

    /// What an entry was to write is not there: its step has failed or went without it.
    mutating func lose(_ entry: StepEntry, last count: Int = .max) {
        let end = entry.position + entry.tokens
        for index in (end - min(count, entry.tokens))..<end {
            guard let count = places[entry.pages.first ?? 0]?.count else { return }
            places[entry.pages[index / count]]?[index % count] = nil
        }
    }

    /// Computes an entry's tokens from what its pages hold; `beginning` stands for its request, and
    /// `tokens` are all of that.
    ///
    /// - Returns: what it read that is not what `tokens` call for.
    mutating func run(
        _ entry: StepEntry, of tokens: [Int32], after beginning: UInt64, isMerged: Bool,
        pageTokens: Int
    ) -> String? {
        var history = beginning
        var isClean = true
        for index in 0..<entry.position {
            history = Self.history(history, tokens[index])
            let place = place(of: index, in: entry.pages, pageTokens: pageTokens)
            guard let place, place.history == history else {
                return "\(entry.id) finds something else in its place \(index)"
            }
            isClean = isClean && place.isClean
        }
        isClean = isClean && !isMerged
        for index in entry.position..<entry.position + entry.tokens {
            history = Self.history(history, tokens[index])
            let page = entry.pages[index / pageTokens]
            var written = places[page] ?? Array(repeating: nil, count: pageTokens)
            written[index % pageTokens] = Place(history: history, isClean: isClean)
            places[page] = written
        }
        return nil
    }
}
