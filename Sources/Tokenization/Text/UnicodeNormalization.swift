// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The four normalization forms (Unicode Standard Annex 15) as `tokenizers` computes them.
enum UnicodeForm: String, Sendable {
    case canonicalComposition = "NFC"
    case canonicalDecomposition = "NFD"
    case compatibilityComposition = "NFKC"
    case compatibilityDecomposition = "NFKD"

    /// Scalars that the older tables of `tokenizers` do not know: they stay as they are and
    /// nothing moves or composes across them.
    private static let lateScalars = ScalarRanges(UnicodeTables.lateScalars)

    func normalize(_ bytes: [UInt8]) -> [UInt8] {
        if bytes.allSatisfy({ $0 < 0x80 }) { return bytes }
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var segment: [UInt8] = []
        bytes.withUnsafeBufferPointer { buffer in
            var index = 0
            while index < buffer.count {
                let (value, length) = UTF8Text.scalar(at: index, of: buffer)
                let scalar = buffer[index..<index + length]
                if value >= 0x300, Self.standsAlone(value) {
                    flush(&segment, into: &result)
                    result += scalar
                } else if let parts = Self.decomposedFirst(value) {
                    for part in parts { UTF8Text.append(part, to: &segment) }
                } else {
                    segment += scalar
                }
                index += length
            }
        }
        flush(&segment, into: &result)
        return result
    }

    /// Late scalars, and U+11A7, which Foundation takes for a Hangul trailing consonant.
    private static func standsAlone(_ value: UInt32) -> Bool {
        value == 0x11A7 || lateScalars.contains(value)
    }

    /// Tibetan vowels of combining class 0 that decompose into marks. Foundation does not sort
    /// them among other marks unless they come decomposed, which is canonically the same.
    private static func decomposedFirst(_ value: UInt32) -> [Unicode.Scalar]? {
        switch value {
        case 0x0F73: ["\u{0F71}", "\u{0F72}"]
        case 0x0F75: ["\u{0F71}", "\u{0F74}"]
        case 0x0F81: ["\u{0F71}", "\u{0F80}"]
        default: nil
        }
    }

    private func flush(_ segment: inout [UInt8], into result: inout [UInt8]) {
        guard !segment.isEmpty else { return }
        let text = String(decoding: segment, as: UTF8.self)
        switch self {
        case .canonicalComposition:
            Hangul.compose(text.precomposedStringWithCanonicalMapping, into: &result)
        case .canonicalDecomposition: result += text.decomposedStringWithCanonicalMapping.utf8
        // Foundation does not sort marks that come out of a compatibility mapping, so the
        // canonical form is taken of what it gives.
        case .compatibilityComposition:
            let mapped = text.decomposedStringWithCompatibilityMapping
            Hangul.compose(mapped.precomposedStringWithCanonicalMapping, into: &result)
        case .compatibilityDecomposition:
            let mapped = text.decomposedStringWithCompatibilityMapping
            result += mapped.decomposedStringWithCanonicalMapping.utf8
        }
        segment.removeAll(keepingCapacity: true)
    }
}

/// Arithmetic composition of Hangul syllables (Unicode Standard, section 3.12), which Foundation
/// leaves undone after a precomposed syllable and after compatibility letters.
private enum Hangul {
    private static let leading = UInt32(0x1100)..<0x1113
    private static let vowels = UInt32(0x1161)..<0x1176
    private static let trailing = UInt32(0x11A8)..<0x11C3
    private static let syllables = UInt32(0xAC00)..<0xD7A4

    static func compose(_ text: String, into result: inout [UInt8]) {
        var last: UInt32?
        for scalar in text.unicodeScalars {
            let value = scalar.value
            if let previous = last, let composed = pair(previous, value) {
                last = composed
                continue
            }
            flush(last, into: &result)
            last = value
        }
        flush(last, into: &result)
    }

    private static func pair(_ first: UInt32, _ second: UInt32) -> UInt32? {
        if leading.contains(first), vowels.contains(second) {
            return 0xAC00 + ((first - 0x1100) * 21 + (second - 0x1161)) * 28
        }
        guard syllables.contains(first), (first - 0xAC00) % 28 == 0, trailing.contains(second)
        else { return nil }
        return first + second - 0x11A7
    }

    private static func flush(_ value: UInt32?, into result: inout [UInt8]) {
        guard let value, let scalar = Unicode.Scalar(value) else { return }
        UTF8Text.append(scalar, to: &result)
    }
}
