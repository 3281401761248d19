// SPDX-License-Identifier: Apache-2.0

/// Python's operations on text, on scalars and bytes instead of Swift's characters.
enum PythonText {
    static func equal(_ left: String, _ right: String) -> Bool {
        left.utf8.elementsEqual(right.utf8)
    }

    /// Whether `left` sorts before `right`: by scalars, which is the order of UTF-8.
    static func precedes(_ left: String, _ right: String) -> Bool {
        left.utf8.lexicographicallyPrecedes(right.utf8)
    }

    // MARK: - White space

    /// `str.isspace` of one character.
    static func isSpace(_ value: UInt32) -> Bool {
        UTF8Text.isWhiteSpace(value) || (0x1C...0x1F).contains(value)
    }

    static func startWithoutSpace(_ bytes: [UInt8], _ range: Range<Int>) -> Int {
        bytes.withUnsafeBufferPointer { buffer in
            var index = range.lowerBound
            while index < range.upperBound {
                let (value, length) = UTF8Text.scalar(at: index, of: buffer)
                guard isSpace(value) else { break }
                index += length
            }
            return index
        }
    }

    static func endWithoutSpace(_ bytes: [UInt8], _ range: Range<Int>) -> Int {
        bytes.withUnsafeBufferPointer { buffer in
            var end = range.upperBound
            while end > range.lowerBound {
                let start = UTF8Text.startOfScalar(before: end, in: buffer)
                guard start >= range.lowerBound,
                    isSpace(UTF8Text.scalar(at: start, of: buffer).value)
                else { break }
                end = start
            }
            return end
        }
    }

    /// `str.strip`, `lstrip` and `rstrip`; without `characters` white space is removed.
    static func stripped(
        _ text: String, _ characters: String?, left: Bool = true, right: Bool = true
    ) -> String {
        let set = characters.map { Set($0.unicodeScalars) }
        func isRemoved(_ scalar: Unicode.Scalar) -> Bool {
            set?.contains(scalar) ?? isSpace(scalar.value)
        }
        var scalars = text.unicodeScalars[...]
        if left { scalars = scalars.drop(while: isRemoved) }
        while right, let last = scalars.last, isRemoved(last) { scalars.removeLast() }
        return String(scalars)
    }

    // MARK: - Case

    static func uppercased(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars { result += scalar.properties.uppercaseMapping }
        return result
    }

    static func lowercased(_ text: String) -> String {
        let scalars = Array(text.unicodeScalars)
        return scalars.indices.map { lowercase(scalars, $0) }.joined()
    }

    /// The lower case of one scalar in its context (Final_Sigma of the Unicode Standard,
    /// table 3-17).
    private static func lowercase(_ scalars: [Unicode.Scalar], _ index: Int) -> String {
        guard scalars[index] == "\u{03A3}" else {
            return scalars[index].properties.lowercaseMapping
        }
        let before = scalars[..<index].last { !$0.properties.isCaseIgnorable }
        let after = scalars[(index + 1)...].first { !$0.properties.isCaseIgnorable }
        let isFinal = before?.properties.isCased == true && after?.properties.isCased != true
        return isFinal ? "\u{03C2}" : "\u{03C3}"
    }

    static func capitalized(_ text: String) -> String {
        let scalars = Array(text.unicodeScalars)
        guard let first = scalars.first else { return text }
        return first.properties.titlecaseMapping
            + scalars.indices.dropFirst().map { lowercase(scalars, $0) }.joined()
    }

    /// `str.title`: every letter after something without case becomes a capital.
    static func titled(_ text: String) -> String {
        let scalars = Array(text.unicodeScalars)
        var result = ""
        var isAfterCased = false
        for (index, scalar) in scalars.enumerated() {
            result +=
                isAfterCased
                ? lowercase(scalars, index) : scalar.properties.titlecaseMapping
            isAfterCased = scalar.properties.isCased
        }
        return result
    }

    /// Jinja's filter `title`: words begin after white space and `-([{<`.
    static func titledWords(_ text: String) -> String {
        var result = ""
        var word = ""
        func flush() {
            if let first = word.unicodeScalars.first {
                result += first.properties.uppercaseMapping
                result += lowercased(String(word.unicodeScalars.dropFirst()))
            }
            word = ""
        }
        for scalar in text.unicodeScalars {
            if isSpace(scalar.value) || "-([{<".unicodeScalars.contains(scalar) {
                flush()
                result.unicodeScalars.append(scalar)
            } else {
                word.unicodeScalars.append(scalar)
            }
        }
        flush()
        return result
    }

    // MARK: - Splitting and replacing

    /// `str.split` on white space; at most `limit` cuts when it is not negative.
    static func words(_ text: String, limit: Int) -> [String] {
        var result: [String] = []
        var rest = text.unicodeScalars[...].drop { isSpace($0.value) }
        while !rest.isEmpty {
            if limit >= 0, result.count == limit {
                result.append(stripped(String(rest), nil, left: false))
                break
            }
            let word = rest.prefix { !isSpace($0.value) }
            result.append(String(word))
            rest = rest[word.endIndex...].drop { isSpace($0.value) }
        }
        return result
    }

    /// `str.split` on a non-empty separator.
    static func split(_ text: String, on separator: String, limit: Int) -> [String] {
        let bytes = Array(text.utf8)
        let pattern = Array(separator.utf8)
        var result: [String] = []
        var start = 0
        for match in occurrences(of: pattern, in: bytes) {
            if limit >= 0, result.count == limit { break }
            result.append(String(decoding: bytes[start..<match], as: UTF8.self))
            start = match + pattern.count
        }
        result.append(String(decoding: bytes[start...], as: UTF8.self))
        return result
    }

    /// Where `pattern` occurs from left to right without overlapping, in linear time (Knuth,
    /// Morris and Pratt 1977).
    static func occurrences(of pattern: [UInt8], in bytes: [UInt8]) -> [Int] {
        guard !pattern.isEmpty else { return [] }
        let borders = borders(of: pattern)
        var result: [Int] = []
        var matched = 0
        for (index, byte) in bytes.enumerated() {
            while matched > 0, pattern[matched] != byte { matched = borders[matched - 1] }
            if pattern[matched] == byte { matched += 1 }
            if matched == pattern.count {
                result.append(index + 1 - matched)
                matched = 0
            }
        }
        return result
    }

    /// For each prefix of `pattern` how long its longest proper prefix is that also ends it.
    private static func borders(of pattern: [UInt8]) -> [Int] {
        var borders = [Int](repeating: 0, count: pattern.count)
        var length = 0
        for index in pattern.indices.dropFirst() {
            while length > 0, pattern[length] != pattern[index] { length = borders[length - 1] }
            if pattern[length] == pattern[index] { length += 1 }
            borders[index] = length
        }
        return borders
    }

    /// `str.replace`; at most `limit` times when it is not negative.
    static func replacing(
        _ text: String, _ old: String, with new: String, limit: Int
    ) -> String {
        if old.isEmpty {
            var result = ""
            var count = 0
            for scalar in text.unicodeScalars {
                if limit < 0 || count < limit { result += new }
                count += 1
                result.unicodeScalars.append(scalar)
            }
            return limit < 0 || count < limit ? result + new : result
        }
        let bytes = Array(text.utf8)
        let pattern = Array(old.utf8)
        var matches = occurrences(of: pattern, in: bytes)
        if limit >= 0 { matches = Array(matches.prefix(limit)) }
        var result: [UInt8] = []
        var start = 0
        for match in matches {
            result += bytes[start..<match]
            result += new.utf8
            start = match + pattern.count
        }
        result += bytes[start...]
        return String(decoding: result, as: UTF8.self)
    }

    // MARK: - Literals

    /// `repr` of a string.
    static func quoted(_ text: String) -> String {
        let scalars = text.unicodeScalars
        let quote: Unicode.Scalar = scalars.contains("'") && !scalars.contains("\"") ? "\"" : "'"
        var result = ""
        result.unicodeScalars.append(quote)
        for scalar in scalars {
            switch scalar {
            case quote, "\\": result += "\\" + String(Character(scalar))
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            default:
                if isPrintable(scalar) {
                    result.unicodeScalars.append(scalar)
                } else {
                    result += escape(scalar.value)
                }
            }
        }
        result.unicodeScalars.append(quote)
        return result
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.value < 0x7F { return scalar.value >= 0x20 }
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator,
            .paragraphSeparator, .spaceSeparator:
            return false
        default: return true
        }
    }

    private static func escape(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        let (letter, width) = value < 0x100 ? ("x", 2) : value < 0x10000 ? ("u", 4) : ("U", 8)
        return "\\" + letter + String(repeating: "0", count: width - digits.count) + digits
    }

    /// `repr` of a float: the shortest digits that read back as the same number.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "nan" }
        if value.isInfinite { return value < 0 ? "-inf" : "inf" }
        if value.magnitude < 1e16, value == value.rounded(), value.magnitude >= 1e6,
            let integer = Int(exactly: value)
        {
            return "\(integer).0"
        }
        return value.description
    }
}

// MARK: - Lines and searching

extension PythonText {
    /// `str.splitlines`.
    static func lines(_ text: String, keepsEnds: Bool) -> [String] {
        var result: [String] = []
        var line = String.UnicodeScalarView()
        var scalars = text.unicodeScalars[...]
        while let scalar = scalars.popFirst() {
            guard isLineEnd(scalar.value) else {
                line.append(scalar)
                continue
            }
            if keepsEnds { line.append(scalar) }
            if scalar == "\r", scalars.first == "\n", let second = scalars.popFirst(), keepsEnds {
                line.append(second)
            }
            result.append(String(line))
            line = String.UnicodeScalarView()
        }
        if !line.isEmpty { result.append(String(line)) }
        return result
    }

    private static func isLineEnd(_ value: UInt32) -> Bool {
        switch value {
        case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029: true
        default: false
        }
    }

    /// `str.find`: in scalars, -1 when `part` does not occur.
    static func find(_ part: String, in text: String) -> Int {
        if part.isEmpty { return 0 }
        let bytes = Array(text.utf8)
        guard let place = occurrences(of: Array(part.utf8), in: bytes).first else { return -1 }
        return bytes[..<place].count { $0 & 0xC0 != 0x80 }
    }

    /// `str.count`.
    static func count(_ part: String, in text: String) -> Int {
        if part.isEmpty { return text.unicodeScalars.count + 1 }
        return occurrences(of: Array(part.utf8), in: Array(text.utf8)).count
    }

    /// Whether two occurrences of `part` can overlap, so that searching from the end differs.
    static func overlapsItself(_ part: String) -> Bool {
        let bytes = Array(part.utf8)
        return (1..<max(1, bytes.count)).contains { bytes[$0...].elementsEqual(bytes.dropLast($0)) }
    }
}
