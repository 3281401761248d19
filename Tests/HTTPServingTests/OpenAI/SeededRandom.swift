// SPDX-License-Identifier: Apache-2.0

import Foundation

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): the same numbers for the same seed.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// How long each fuzz test goes on: half a second, or `BURROW_FUZZ_SECONDS`.
var fuzzTime: Duration {
    let text = ProcessInfo.processInfo.environment["BURROW_FUZZ_SECONDS"] ?? ""
    return .seconds(Double(text) ?? 0.5)
}

/// A copy of `bytes` with a few random edits.
func mutated(_ bytes: [UInt8], with random: inout SeededRandom) -> [UInt8] {
    var result = bytes
    for _ in 0..<Int.random(in: 1...4, using: &random) {
        let at = result.isEmpty ? 0 : Int.random(in: 0..<result.count, using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0 where !result.isEmpty: result[at] = UInt8.random(in: .min ... .max, using: &random)
        case 1 where !result.isEmpty: result.remove(at: at)
        case 2:
            result.insert(
                Array("{}[]\",:0123456789.-+eE\\u tfn".utf8).randomElement(
                    using: &random)!, at: at)
        case 3 where !result.isEmpty:
            let end = Int.random(in: at..<result.count, using: &random)
            result.insert(contentsOf: result[at..<min(end, at + 40)], at: at)
        case 4 where !result.isEmpty: result.removeSubrange(at...)
        default:
            let texts = [
                "\\ud800", "1e999", "-0", "null", "[[[[", "\u{FEFF}", "99999999999999999999",
            ]
            result.insert(contentsOf: texts.randomElement(using: &random)!.utf8, at: at)
        }
    }
    return result
}
