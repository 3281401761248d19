// SPDX-License-Identifier: Apache-2.0

/// A strict JSON reader (RFC 8259) that refuses what others accept in silence: a repeated key,
/// bytes after the value, invalid UTF-8, lone surrogates, `NaN`.
///
/// Time and memory are linear in the length of the text, which the caller bounds; nesting is
/// bounded here.
struct JSONScanner {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var position = 0
    private static let maximumDepth = 64

    /// The value that fills the whole of `bytes`; errors carry no path.
    static func parse(_ bytes: UnsafeRawBufferPointer) throws(ModelLoadingError) -> JSONValue {
        // A buffer over nothing has no base address, which binding would need.
        guard bytes.count > 0 else {
            throw ModelLoadingError(.malformedJSON, "the text is empty")
        }
        var scanner = JSONScanner(bytes: bytes.bindMemory(to: UInt8.self))
        let value = try scanner.value(depth: 0)
        scanner.skipSpace()
        guard scanner.position == bytes.count else {
            throw scanner.error("more text follows the end of the value")
        }
        return value
    }

    private init(bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
    }

    private func error(_ message: String) -> ModelLoadingError {
        ModelLoadingError(.malformedJSON, "not valid JSON at byte \(position): \(message)")
    }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            position += 1
        }
    }

    private mutating func value(depth: Int) throws(ModelLoadingError) -> JSONValue {
        guard depth < Self.maximumDepth else {
            throw error("nested more than \(Self.maximumDepth) deep")
        }
        skipSpace()
        switch next {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case .none: throw error("the text ends where a value should be")
        default: return try number()
        }
    }

    private mutating func word(
        _ text: StaticString, _ value: JSONValue
    ) throws(ModelLoadingError) -> JSONValue {
        let length = text.utf8CodeUnitCount
        guard
            bytes.count - position >= length,
            (0..<length).allSatisfy({ bytes[position + $0] == text.utf8Start[$0] })
        else { throw error("expected '\(text)'") }
        position += length
        return value
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func object(depth: Int) throws(ModelLoadingError) -> JSONValue {
        position += 1
        var object = JSONObject()
        skipSpace()
        if take("}") { return .object(object) }
        repeat {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw error("expected a key in quotes") }
            let key = try string()
            skipSpace()
            guard take(":") else { throw error("expected ':' after the key \"\(key)\"") }
            let member = try value(depth: depth + 1)
            guard object.add(key, member) else {
                throw error("the key \"\(key)\" is there twice")
            }
            skipSpace()
        } while take(",")
        guard take("}") else { throw error("expected ',' or '}'") }
        return .object(object)
    }

    private mutating func array(depth: Int) throws(ModelLoadingError) -> JSONValue {
        position += 1
        var values: [JSONValue] = []
        skipSpace()
        if take("]") { return .array(values) }
        repeat {
            values.append(try value(depth: depth + 1))
            skipSpace()
        } while take(",")
        guard take("]") else { throw error("expected ',' or ']'") }
        return .array(values)
    }

    private mutating func digits() -> Int {
        let start = position
        while let byte = next, byte >= 0x30, byte <= 0x39 { position += 1 }
        return position - start
    }

    private mutating func number() throws(ModelLoadingError) -> JSONValue {
        let start = position
        _ = take("-")
        let firstDigit = next
        let whole = digits()
        guard whole > 0 else { throw error("expected a value") }
        guard whole == 1 || firstDigit != 0x30 else { throw error("a number begins with 0") }
        if take("."), digits() == 0 { throw error("digits must follow the decimal point") }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            guard digits() > 0 else { throw error("digits must follow the exponent") }
        }
        guard position - start <= 400 else { throw error("a number of over 400 characters") }
        return .number(String(decoding: bytes[start..<position], as: UTF8.self))
    }

    private mutating func string() throws(ModelLoadingError) -> String {
        position += 1
        var start = position
        var unescaped: [UInt8]?
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                let tail = bytes[start..<position]
                let text = unescaped.map { $0 + tail } ?? Array(tail)
                guard let string = String(validating: text, as: UTF8.self) else {
                    throw error("a string is not valid UTF-8")
                }
                position += 1
                return string
            case UInt8(ascii: "\\"):
                var text = unescaped ?? []
                text += bytes[start..<position]
                text += try escape()
                unescaped = text
                start = position
            case 0..<0x20:
                throw error("a control character inside a string")
            default:
                position += 1
            }
        }
        throw error("a string has no closing quote")
    }

    /// Reads one escape sequence, from its backslash on; its UTF-8.
    private mutating func escape() throws(ModelLoadingError) -> [UInt8] {
        position += 1
        guard let letter = next else { throw error("the text ends inside an escape") }
        position += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [letter]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"): return Array(String(try escapedScalar()).utf8)
        default: throw error("an unknown escape in a string")
        }
    }

    private mutating func escapedScalar() throws(ModelLoadingError) -> Unicode.Scalar {
        var code = try fourHexDigits()
        if (0xD800..<0xDC00).contains(code) {
            guard take("\\"), take("u") else { throw error("half of a surrogate pair") }
            let low = try fourHexDigits()
            guard (0xDC00..<0xE000).contains(low) else { throw error("half of a surrogate pair") }
            code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw error("half of a surrogate pair") }
        return scalar
    }

    private mutating func fourHexDigits() throws(ModelLoadingError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw error("four hexadecimal digits must follow \\u")
            }
            code = code << 4 | UInt32(digit)
            position += 1
        }
        return code
    }
}
