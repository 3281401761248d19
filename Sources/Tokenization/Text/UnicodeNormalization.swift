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

    /// The normal form of valid UTF-8, in time linear in its length.
    func normalize(_ bytes: [UInt8]) -> [UInt8] {
        if bytes.allSatisfy({ $0 < 0x80 }) { return bytes }
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var segment = NormalizationSegment()
        bytes.withUnsafeBufferPointer { buffer in
            var index = 0
            while index < buffer.count {
                let (value, length) = UTF8Text.scalar(at: index, of: buffer)
                if value >= 0x300, Self.standsAlone(value) {
                    flush(&segment, into: &result)
                    result += buffer[index..<index + length]
                } else if let parts = Self.decomposedFirst(value) {
                    for part in parts { segment.append(part) }
                } else {
                    if segment.isFull, NormalizationSegment.canBegin(with: value) {
                        flush(&segment, into: &result)
                    }
                    segment.append(value)
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

    /// Marks that decompose: Foundation loses or misplaces them in long runs of marks unless they
    /// come decomposed, which is canonically the same.
    private static func decomposedFirst(_ value: UInt32) -> [UInt32]? {
        switch value {
        case 0x0340: [0x0300]
        case 0x0341: [0x0301]
        case 0x0343: [0x0313]
        case 0x0344: [0x0308, 0x0301]
        case 0x0F73: [0x0F71, 0x0F72]
        case 0x0F75: [0x0F71, 0x0F74]
        case 0x0F81: [0x0F71, 0x0F80]
        default: nil
        }
    }

    private func flush(_ segment: inout NormalizationSegment, into result: inout [UInt8]) {
        let text = segment.take()
        if text.utf8.allSatisfy({ $0 < 0x80 }) {
            result += text.utf8
            return
        }
        switch self {
        case .canonicalComposition:
            Hangul.compose(text.precomposedStringWithCanonicalMapping, into: &result)
        case .canonicalDecomposition: result += text.decomposedStringWithCanonicalMapping.utf8
        // Foundation does not sort marks that come out of a compatibility mapping, so the
        // canonical form is taken of what it gives.
        case .compatibilityComposition:
            let mapped = Self.sorted(text.decomposedStringWithCompatibilityMapping)
            Hangul.compose(mapped.precomposedStringWithCanonicalMapping, into: &result)
        case .compatibilityDecomposition:
            result += Self.sorted(text.decomposedStringWithCompatibilityMapping).utf8
        }
    }

    /// Fully decomposed text with its marks in canonical order.
    private static func sorted(_ text: String) -> String {
        var segment = NormalizationSegment()
        for scalar in text.unicodeScalars { segment.append(scalar.value) }
        return segment.take()
    }
}

/// A part of a text that can be normalized by itself.
///
/// Foundation takes quadratic time for long texts and for long runs of marks, so it is given short
/// segments in which the marks already stand in canonical order.
private struct NormalizationSegment {
    private static let fullCount = 64

    private var bytes: [UInt8] = []
    private var marks: [(combiningClass: UInt8, value: UInt32)] = []

    var isFull: Bool { bytes.count >= Self.fullCount }

    /// Whether nothing before a scalar can move or compose across its beginning: true of what is
    /// no mark and no vowel or final of Hangul, nor maps to one.
    static func canBegin(with value: UInt32) -> Bool {
        if value < 0x300 { return true }
        switch value {
        case 0x1160...0x11FF, 0x3130...0x318F, 0xFF9E...0xFFDF: return false
        default: break
        }
        switch Unicode.Scalar(value)?.properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark, nil: return false
        default: return true
        }
    }

    mutating func append(_ value: UInt32) {
        guard let scalar = Unicode.Scalar(value) else { return }
        let combiningClass =
            value < 0x300 ? 0 : scalar.properties.canonicalCombiningClass.rawValue
        if combiningClass != 0 {
            marks.append((combiningClass, value))
        } else {
            appendMarks()
            UTF8Text.append(scalar, to: &bytes)
        }
    }

    private mutating func appendMarks() {
        guard !marks.isEmpty else { return }
        if marks.count > 1 {
            // Equal classes keep their order, which the position makes explicit.
            marks = marks.enumerated()
                .sorted {
                    ($0.element.combiningClass, $0.offset) < ($1.element.combiningClass, $1.offset)
                }
                .map(\.element)
        }
        for mark in marks {
            if let scalar = Unicode.Scalar(mark.value) { UTF8Text.append(scalar, to: &bytes) }
        }
        marks.removeAll(keepingCapacity: true)
    }

    /// The text so far; the segment is empty afterwards.
    mutating func take() -> String {
        appendMarks()
        defer { bytes.removeAll(keepingCapacity: true) }
        return String(decoding: bytes, as: UTF8.self)
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
