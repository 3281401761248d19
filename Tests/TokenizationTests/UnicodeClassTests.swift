// SPDX-License-Identifier: Apache-2.0

import StrictJSON
import Testing

@testable import Tokenization

/// Character classes must hold exactly the scalars that Oniguruma puts into them.
struct UnicodeClassTests {
    @Test func classesHoldTheReferencesScalars() throws {
        var text: [UInt8] = []
        for value in UInt32(0)...0x10FFFF {
            if let scalar = Unicode.Scalar(value) { UTF8Text.append(scalar, to: &text) }
        }
        let block = try MatchBlock()
        for member in try Fixtures.json("unicode_classes.json").members() {
            let pattern = try CompiledPattern(oniguruma: "(?:\(member.name))++")
            var found: [Int] = []
            try text.withUnsafeBufferPointer { buffer in
                try pattern.forEachMatch(in: buffer, using: block) { match in
                    let first = Int(UTF8Text.scalar(at: match.lowerBound, of: buffer).value)
                    let start = UTF8Text.startOfScalar(before: match.upperBound, in: buffer)
                    found += [first, Int(UTF8Text.scalar(at: start, of: buffer).value)]
                }
            }
            var expected: [Int] = []
            for bound in try JSONNode(value: member.value, path: "").elements() {
                expected.append(try bound.count(limit: 0x10FFFF))
            }
            // Ranges that meet at the surrogates come as one.
            if let gap = expected.firstIndex(of: 0xE000), expected[gap - 1] == 0xD7FF {
                expected.removeSubrange(gap - 1...gap)
            }
            #expect(found == expected, "\(member.name)")
        }
    }
}
