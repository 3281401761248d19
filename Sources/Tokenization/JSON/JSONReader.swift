// SPDX-License-Identifier: Apache-2.0

/// A strict RFC 8259 reader over UTF-8 bytes.
struct JSONReader {
    /// Nesting above this is refused: it bounds recursion.
    static let depthLimit = 96

    private let bytes: [UInt8]
    private var position = 0
    private var depth = 0

    /// Parses one document. Throws `malformedJSON` with line and column.
    static func parse(_ bytes: [UInt8]) throws(TokenizationError) -> JSONValue {
        var reader = JSONReader(bytes: bytes)
        reader.skipSpace()
        let value = try reader.value()
        reader.skipSpace()
        guard reader.position == bytes.count else { throw reader.failure("text after the value") }
        return value
    }

    private init(bytes: [UInt8]) {
        self.bytes = bytes
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    }

    private func failure(_ message: String) -> TokenizationError {
        let consumed = bytes.prefix(position)
        let line = consumed.count { $0 == 0x0A } + 1
        let column = position - (consumed.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0) + 1
        return TokenizationError(.malformedJSON, message, at: "line \(line), column \(column)")
    }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            position += 1
        }
    }

    private mutating func expect(_ byte: UInt8) throws(TokenizationError) {
        guard next == byte else {
            throw failure("expected '\(Character(Unicode.Scalar(byte)))'")
        }
        position += 1
    }

    private mutating func literal(_ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard bytes.count - position >= count else { return false }
        for offset in 0..<count where bytes[position + offset] != text.utf8Start[offset] {
            return false
        }
        position += count
        return true
    }

    private mutating func value() throws(TokenizationError) -> JSONValue {
        switch next {
        case UInt8(ascii: "{"):
            return try nested { (r) throws(TokenizationError) in try r.object() }
        case UInt8(ascii: "["): return try nested { (r) throws(TokenizationError) in try r.array() }
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t") where literal("true"): return .bool(true)
        case UInt8(ascii: "f") where literal("false"): return .bool(false)
        case UInt8(ascii: "n") where literal("null"): return .null
        case let byte? where byte == UInt8(ascii: "-") || (0x30...0x39).contains(byte):
            return try number()
        default: throw failure("expected a value")
        }
    }

    private mutating func nested(
        _ body: (inout JSONReader) throws(TokenizationError) -> JSONValue
    ) throws(TokenizationError) -> JSONValue {
        guard depth < Self.depthLimit else {
            throw failure("nested deeper than \(Self.depthLimit) levels")
        }
        depth += 1
        position += 1
        skipSpace()
        let result = try body(&self)
        depth -= 1
        return result
    }

    private mutating func object() throws(TokenizationError) -> JSONValue {
        var members: [JSONMember] = []
        if next == UInt8(ascii: "}") {
            position += 1
            return .object(members)
        }
        while true {
            let key = try string()
            skipSpace()
            try expect(UInt8(ascii: ":"))
            skipSpace()
            members.append(JSONMember(key: key, value: try value()))
            skipSpace()
            if next == UInt8(ascii: "}") { break }
            try expect(UInt8(ascii: ","))
            skipSpace()
        }
        position += 1
        return .object(members)
    }

    private mutating func array() throws(TokenizationError) -> JSONValue {
        var elements: [JSONValue] = []
        if next == UInt8(ascii: "]") {
            position += 1
            return .array(elements)
        }
        while true {
            elements.append(try value())
            skipSpace()
            if next == UInt8(ascii: "]") { break }
            try expect(UInt8(ascii: ","))
            skipSpace()
        }
        position += 1
        return .array(elements)
    }
}

// MARK: - Numbers and strings

extension JSONReader {
    private mutating func digits() -> Int {
        let start = position
        while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
            position += 1
        }
        return position - start
    }

    private mutating func number() throws(TokenizationError) -> JSONValue {
        let start = position
        var isInteger = true
        if next == UInt8(ascii: "-") { position += 1 }
        let leadingZero = next == UInt8(ascii: "0")
        let count = digits()
        guard count > 0, !(leadingZero && count > 1) else { throw failure("malformed number") }
        if next == UInt8(ascii: ".") {
            isInteger = false
            position += 1
            guard digits() > 0 else { throw failure("malformed number") }
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            isInteger = false
            position += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
            guard digits() > 0 else { throw failure("malformed number") }
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if isInteger, let integer = Int(text) { return .integer(integer) }
        guard let double = Double(text), double.isFinite else {
            throw failure("number out of range")
        }
        return .number(double)
    }

    private mutating func string() throws(TokenizationError) -> [UInt8] {
        try expect(UInt8(ascii: "\""))
        let start = position
        while let byte = next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20
        {
            position += 1
        }
        var result = Array(bytes[start..<position])
        var isASCII = result.allSatisfy { $0 < 0x80 }
        while let byte = next, byte != UInt8(ascii: "\"") {
            guard byte >= 0x20 else { throw failure("control character in a string") }
            position += 1
            if byte == UInt8(ascii: "\\") {
                try escape(into: &result)
            } else {
                result.append(byte)
                if byte >= 0x80 { isASCII = false }
            }
        }
        try expect(UInt8(ascii: "\""))
        guard isASCII || UTF8Text.isValid(result) else { throw failure("string is not UTF-8") }
        return result
    }

    private mutating func escape(into result: inout [UInt8]) throws(TokenizationError) {
        guard let byte = next else { throw failure("unfinished escape") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): result.append(byte)
        case UInt8(ascii: "b"): result.append(0x08)
        case UInt8(ascii: "f"): result.append(0x0C)
        case UInt8(ascii: "n"): result.append(0x0A)
        case UInt8(ascii: "r"): result.append(0x0D)
        case UInt8(ascii: "t"): result.append(0x09)
        case UInt8(ascii: "u"): UTF8Text.append(try unicodeEscape(), to: &result)
        default: throw failure("unknown escape")
        }
    }

    private mutating func unicodeEscape() throws(TokenizationError) -> Unicode.Scalar {
        let first = try codeUnit()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard (0xD800..<0xDC00).contains(first), literal("\\u") else {
            throw failure("unpaired surrogate")
        }
        let second = try codeUnit()
        guard (0xDC00..<0xE000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw failure("unpaired surrogate") }
        return scalar
    }

    private mutating func codeUnit() throws(TokenizationError) -> UInt32 {
        guard bytes.count - position >= 4 else { throw failure("unfinished escape") }
        var unit: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue,
                bytes[position] < 0x80
            else { throw failure("malformed \\u escape") }
            unit = unit << 4 | UInt32(digit)
            position += 1
        }
        return unit
    }
}
