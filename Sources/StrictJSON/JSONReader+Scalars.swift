// SPDX-License-Identifier: Apache-2.0

extension JSONReader {
    /// Reads a string from its opening quote; runs without escapes are copied whole.
    mutating func string() throws(JSONSyntaxError) -> String {
        let open = position
        position += 1
        var text = ""
        var run = position
        while true {
            guard position < bytes.count else {
                throw failure("a string without its closing quote", at: open)
            }
            switch bytes[position] {
            case UInt8(ascii: "\""):
                text += try validated(run..<position)
                position += 1
                return text
            case UInt8(ascii: "\\"):
                text += try validated(run..<position)
                text.unicodeScalars.append(try escape())
                run = position
            case 0..<0x20:
                throw failure(
                    "a control character (\(found())) in a string must be written as an escape")
            default: position += 1
            }
        }
    }

    private func validated(_ range: Range<Int>) throws(JSONSyntaxError) -> String {
        if range.isEmpty { return "" }
        let text = UnsafeRawBufferPointer(rebasing: bytes[range]).bindMemory(to: UInt8.self)
        if let valid = try? UTF8Span(validating: text.span) { return String(copying: valid) }
        let bad = firstInvalid(in: range)
        throw failure("invalid UTF-8 (\(found(bytes[bad]))) in a string", at: bad)
    }

    /// The first byte of the first ill-formed sequence; called only when there is one.
    private func firstInvalid(in range: Range<Int>) -> Int {
        var decoder = UTF8()
        var input = bytes[range].makeIterator()
        var offset = range.lowerBound
        while case .scalarValue(let scalar) = decoder.decode(&input) {
            offset += UTF8.width(scalar)
        }
        return min(offset, range.upperBound - 1)
    }

    private mutating func escape() throws(JSONSyntaxError) -> Unicode.Scalar {
        let start = position
        position += 1
        guard let kind = peek else { throw failure("an escape without its end", at: start) }
        position += 1
        switch kind {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try unicodeEscape(from: start)
        default: throw failure("unknown escape \\ with \(found(kind))", at: start)
        }
    }

    private mutating func unicodeEscape(from start: Int) throws(JSONSyntaxError) -> Unicode.Scalar {
        let first = try hexadecimal(from: start)
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, peek == UInt8(ascii: "\\"), position + 1 < bytes.count,
            bytes[position + 1] == UInt8(ascii: "u")
        else { throw failure("an unpaired surrogate in a \\u escape", at: start) }
        position += 2
        let second = try hexadecimal(from: start)
        guard (0xDC00...0xDFFF).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw failure("an unpaired surrogate in a \\u escape", at: start) }
        return scalar
    }

    private mutating func hexadecimal(from start: Int) throws(JSONSyntaxError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = peek, let digit = Self.hexadecimalDigit(byte) else {
                throw failure("a \\u escape needs four hexadecimal digits", at: start)
            }
            code = code << 4 | UInt32(digit)
            position += 1
        }
        return code
    }

    private static func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): return byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): return byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): return byte - UInt8(ascii: "A") + 10
        default: return nil
        }
    }
}

// MARK: - Numbers

extension JSONReader {
    private static let longestNumber = 1024

    /// Reads `-? int frac? exp?`; an integer that fits 64 bits stays one.
    mutating func number() throws(JSONSyntaxError) -> JSONValue {
        let start = position
        let negative = peek == UInt8(ascii: "-")
        if negative { position += 1 }
        let integerStart = position
        try digits("a digit")
        if position - integerStart > 1, bytes[integerStart] == UInt8(ascii: "0") {
            throw failure("a number must not begin with 0", at: start)
        }
        let integerEnd = position
        if peek == UInt8(ascii: ".") {
            position += 1
            try digits("a digit after the decimal point")
        }
        if peek == UInt8(ascii: "e") || peek == UInt8(ascii: "E") {
            position += 1
            if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { position += 1 }
            try digits("a digit in the exponent")
        }
        guard position - start <= Self.longestNumber else {
            throw failure("a number of more than \(Self.longestNumber) characters", at: start)
        }
        if position == integerEnd,
            let integer = integer(integerStart..<integerEnd, negative: negative)
        {
            return .integer(integer)
        }
        return .number(try double(start..<position))
    }

    private mutating func digits(_ what: String) throws(JSONSyntaxError) {
        let start = position
        while let byte = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
            position += 1
        }
        if position == start { throw failure("expected \(what), found \(found())") }
    }

    /// Nil when it does not fit, and for `-0`, which only a `Double` can tell from 0.
    private func integer(_ range: Range<Int>, negative: Bool) -> Int? {
        var value: Int = 0
        for byte in bytes[range] {
            let digit = Int(byte - UInt8(ascii: "0"))
            let (scaled, overflow) = value.multipliedReportingOverflow(by: 10)
            let (next, carry) =
                negative
                ? scaled.subtractingReportingOverflow(digit) : scaled.addingReportingOverflow(digit)
            if overflow || carry { return nil }
            value = next
        }
        return negative && value == 0 ? nil : value
    }

    private func double(_ range: Range<Int>) throws(JSONSyntaxError) -> Double {
        let text = String(decoding: bytes[range], as: UTF8.self)
        guard let value = Double(text), value.isFinite else {
            throw failure(
                "the number \(text.excerpt(40)) is out of range", at: range.lowerBound)
        }
        return value
    }
}
