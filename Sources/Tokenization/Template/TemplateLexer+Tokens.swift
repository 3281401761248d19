// SPDX-License-Identifier: Apache-2.0

extension TemplateLexer {
    private static let symbols = [
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{",
        "}", ">", "<", "=", ".", ":", "|", ",", ";",
    ].map { Array($0.utf8) }

    /// One token inside a tag.
    mutating func token() throws(TokenizationError) {
        let byte = source[index]
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): try number()
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "_"):
            name()
        case UInt8(ascii: "'"), UInt8(ascii: "\""): try string(quote: byte)
        default: try symbol()
        }
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        isDigit(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
            || byte == 0x5F
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private mutating func name() {
        let start = index
        while index < source.count, Self.isWord(source[index]) { index += 1 }
        add(.name(String(decoding: source[start..<index], as: UTF8.self)), at: start)
    }

    private mutating func symbol() throws(TokenizationError) {
        guard let symbol = Self.symbols.first(where: { source[index...].starts(with: $0) }) else {
            throw failure("unexpected character")
        }
        switch symbol[0] {
        case UInt8(ascii: "{"): brackets.append(UInt8(ascii: "}"))
        case UInt8(ascii: "("): brackets.append(UInt8(ascii: ")"))
        case UInt8(ascii: "["): brackets.append(UInt8(ascii: "]"))
        case UInt8(ascii: "}"), UInt8(ascii: ")"), UInt8(ascii: "]"):
            guard brackets.popLast() == symbol[0] else { throw failure("unbalanced bracket") }
        default: break
        }
        add(.symbol(String(decoding: symbol, as: UTF8.self)), at: index)
        index += symbol.count
    }

    // MARK: - Numbers

    /// Digits with single underscores between them.
    private func endOfDigits(from start: Int) -> Int {
        var end = start
        while end < source.count {
            if Self.isDigit(source[end]) {
                end += 1
            } else if end > start, source[end] == 0x5F, end + 1 < source.count,
                Self.isDigit(source[end + 1])
            {
                end += 2
            } else {
                break
            }
        }
        return end
    }

    private mutating func number() throws(TokenizationError) {
        let start = index
        var end = endOfDigits(from: start)
        var isFloat = false
        // After a dot, as in `x.0.5`, digits are an index and not a number with a fraction.
        let followsDot = start > 0 && source[start - 1] == UInt8(ascii: ".")
        if !followsDot {
            if end < source.count, source[end] == UInt8(ascii: ".") {
                let fraction = endOfDigits(from: end + 1)
                if fraction > end + 1 {
                    isFloat = true
                    end = fraction
                }
            }
            if end < source.count, source[end] | 0x20 == UInt8(ascii: "e") {
                var exponent = end + 1
                if exponent < source.count,
                    source[exponent] == UInt8(ascii: "+") || source[exponent] == UInt8(ascii: "-")
                {
                    exponent += 1
                }
                let stop = endOfDigits(from: exponent)
                if stop > exponent {
                    isFloat = true
                    end = stop
                }
            }
        }
        let text = String(decoding: source[start..<end].filter { $0 != 0x5F }, as: UTF8.self)
        if end < source.count, Self.isWord(source[end]) {
            throw failure("this form of number is not supported")
        }
        index = end
        if isFloat {
            guard let value = Double(text), value.isFinite else {
                throw failure("number out of range", at: start)
            }
            return add(.float(value), at: start)
        }
        guard let value = Int(text), text.count == 1 || text.first != "0" || value == 0 else {
            throw failure("number out of range", at: start)
        }
        add(.integer(value), at: start)
    }

    // MARK: - Strings

    private mutating func string(quote: UInt8) throws(TokenizationError) {
        let start = index
        var text: [UInt8] = []
        index += 1
        while index < source.count, source[index] != quote {
            if source[index] == UInt8(ascii: "\\") {
                try escape(into: &text)
            } else {
                text.append(source[index])
                index += 1
            }
        }
        guard index < source.count else { throw failure("the string is not closed", at: start) }
        index += 1
        add(.string(String(decoding: text, as: UTF8.self)), at: start)
    }

    /// An escape of Python's string literals; unknown ones stand for themselves.
    private mutating func escape(into text: inout [UInt8]) throws(TokenizationError) {
        guard index + 1 < source.count else { throw failure("the string is not closed") }
        let start = index
        let byte = source[index + 1]
        index += 2
        switch byte {
        case 0x0A: break
        case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""): text.append(byte)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "a"): text.append(0x07)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "v"): text.append(0x0B)
        case UInt8(ascii: "0")...UInt8(ascii: "7"):
            var value = UInt32(byte - 0x30)
            for _ in 0..<2 {
                guard index < source.count, (0x30...0x37).contains(source[index]) else { break }
                value = value * 8 + UInt32(source[index] - 0x30)
                index += 1
            }
            try append(value, to: &text, start)
        case UInt8(ascii: "x"): try append(try hexadecimal(2, start), to: &text, start)
        case UInt8(ascii: "u"): try append(try hexadecimal(4, start), to: &text, start)
        case UInt8(ascii: "U"): try append(try hexadecimal(8, start), to: &text, start)
        case UInt8(ascii: "N"): throw failure("named characters are not supported", at: start)
        case 0x80...:
            throw failure("this escape is not supported", at: start)
        default: text += [UInt8(ascii: "\\"), byte]
        }
    }

    private mutating func hexadecimal(
        _ count: Int, _ start: Int
    ) throws(TokenizationError) -> UInt32 {
        guard source.count - index >= count,
            let value = UInt32(
                String(decoding: source[index..<index + count], as: UTF8.self), radix: 16),
            source[index] != UInt8(ascii: "+")
        else { throw failure("malformed escape", at: start) }
        index += count
        return value
    }

    private func append(
        _ value: UInt32, to text: inout [UInt8], _ start: Int
    ) throws(TokenizationError) {
        guard let scalar = Unicode.Scalar(value) else {
            throw failure("the escape is not a Unicode scalar", at: start)
        }
        UTF8Text.append(scalar, to: &text)
    }
}
