// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Tokenization

struct OnigurumaTranslationTests {
    /// The matches of a pattern, joined by bars.
    private func matches(_ pattern: String, _ text: String) throws -> String {
        let compiled = try CompiledPattern(oniguruma: pattern)
        let block = try MatchBlock()
        let bytes = Array(text.utf8)
        var found: [String] = []
        try bytes.withUnsafeBufferPointer { buffer in
            try compiled.forEachMatch(in: buffer, using: block) {
                found.append(String(decoding: bytes[$0], as: UTF8.self))
            }
        }
        return found.joined(separator: "|")
    }

    // What the Oniguruma of `tokenizers` 0.23.3 finds.
    @Test(arguments: [
        (#"a{2}+"#, "aaaaa", "aaaa"), (#"(?:ab){1,2}?"#, "ababab", "ab|ab|ab"),
        (#"a{,2}b"#, "aaab b", "aab|b"), (#"a{2}?b"#, "aabb", "aab|b"), (#"a{x"#, "a{x", "a{x"),
        (#"x(?i)a|b"#, "xA xB B xb", "xA|xB|xb"), (#"(?m:a.b)"#, "a\nb", "a\nb"),
        (#"a.b"#, "a\nb a-b", "a-b"), (#"^b$"#, "a\nb\nc", "b"), (#"\h+"#, "xDEADg0", "DEAD|0"),
        (#"[\h-]+"#, "x-af-z", "-af-"), (#"\bé+\b"#, "é éa éé", "é|éé"),
        (#"[^\W_]+"#, "ab_c é-1", "ab|c|é|1"), (#"[\W]+"#, "a-b", "-"), (#"[]a]+"#, "]a[", "]a"),
        (#"[a\-z]+"#, "a-zb", "a-z"), (#"[[:alpha:][:digit:]]+"#, "aé1-", "aé1"),
        (#"\x41\u0042\t"#, "AB\t", "AB\t"), (#"(?<name>a)b"#, "ab", "ab"),
        (#"(?>a+)b"#, "aab", "aab"),
        (#"(?<!a)b"#, "ab bb", "b|b"), (#"a(?#note)b"#, "ab", "ab"), (#"\p{^L}+"#, "a12b", "12"),
        (#"[\p{Greek}\p{Han}]+"#, "aβ漢b", "β漢"), (#"x*"#, "axxb", "|xx|"), (#"a++b"#, "aab", "aab"),
    ])
    func meansWhatOnigurumaMeans(pattern: String, text: String, expected: String) throws {
        #expect(try matches(pattern, text) == expected, "\(pattern)")
    }

    @Test(arguments: [
        "(", ")", "[", "[a", "*", "a**", "(?x)a", #"\1"#, #"\k<n>"#, #"\g<n>"#, #"\X"#, #"\K"#,
        "[a[b]]", "[a&&b]", #"\p{Nothing}"#, #"\pL"#, "(?~a)", "(?(1)a)", #"a{99999}"#, "[z-a]",
        #"\"#,
        String(repeating: "(", count: 200) + String(repeating: ")", count: 200),
    ])
    func whatIsNotKnownToMeanTheSameIsRefused(pattern: String) {
        #expect(throws: TokenizationError.self) { try CompiledPattern(oniguruma: pattern) }
    }

    @Test func endlessBacktrackingIsAnError() throws {
        let error = #expect(throws: TokenizationError.self) {
            try matches("(?:a|aa|aaa)+$|b", String(repeating: "a", count: 60) + "c")
        }
        #expect(error?.code == .limitExceeded)
    }
}
