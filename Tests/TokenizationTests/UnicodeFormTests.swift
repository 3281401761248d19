// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Tokenization

struct UnicodeFormTests {
    private func hex(_ text: [UInt8]) -> String {
        String(decoding: text, as: UTF8.self).unicodeScalars
            .map { String($0.value, radix: 16) }.joined(separator: " ")
    }

    @Test(arguments: [
        (UnicodeForm.canonicalComposition, "e\u{323}\u{302}", "1ec7"),
        (.canonicalComposition, "\u{1100}\u{AC00}\u{11A8}", "1100 ac01"),
        (.canonicalComposition, "\u{1107}\u{116E}\u{11A7}", "bd80 11a7"),
        (.canonicalDecomposition, "\u{345}\u{F73}", "f71 f72 345"),
        (.canonicalDecomposition, "a\u{344}", "61 308 301"),
        (.compatibilityComposition, "\u{1172}\u{FFBB}\u{116D}\u{11B4}", "1172 cfd1"),
        (.compatibilityDecomposition, "\u{1FFD}\u{334}", "20 334 301"),
        (.compatibilityDecomposition, "ﬁ①㎏", "66 69 31 6b 67"),
        // Younger than the reference's tables.
        (.canonicalDecomposition, "a\u{301}\u{898}\u{316}", "61 301 898 316"),
        (.compatibilityComposition, "\u{1E030}", "1e030"),
    ])
    func formsAreThoseOfTheReference(form: UnicodeForm, text: String, expected: String) {
        #expect(hex(form.normalize(Array(text.utf8))) == expected)
    }

    @Test func longRunsOfMarksAreSortedLikeShortOnes() {
        let marks = "\u{301}\u{316}\u{334}\u{344}\u{327}"
        let text = "a" + String(repeating: marks, count: 4_000)
        let result = UnicodeForm.canonicalDecomposition.normalize(Array(text.utf8))
        let scalars = String(decoding: result, as: UTF8.self).unicodeScalars.dropFirst()
        #expect(scalars.count == 24_000)
        let classes = scalars.map { $0.properties.canonicalCombiningClass.rawValue }
        #expect(zip(classes, classes.dropFirst()).allSatisfy { $0 <= $1 })
    }
}
