// SPDX-License-Identifier: Apache-2.0

extension JSONValue {
    /// Reads one document of strict RFC 8259 JSON.
    ///
    /// Refused beyond the grammar: duplicate names, invalid UTF-8, unpaired surrogates, a byte
    /// order mark, numbers outside the range of `Double`, and anything over `limits`.
    package init(
        parsing bytes: UnsafeRawBufferPointer, limits: JSONLimits = JSONLimits()
    ) throws(JSONSyntaxError) {
        var reader = JSONReader(bytes: bytes, limits: limits)
        self = try reader.document()
    }

    /// Reads one document of strict RFC 8259 JSON; see the other initialiser.
    package init(
        parsing bytes: [UInt8], limits: JSONLimits = JSONLimits()
    ) throws(JSONSyntaxError) {
        self = try bytes.withUnsafeBufferPointer { (bytes) throws(JSONSyntaxError) in
            try JSONValue(parsing: UnsafeRawBufferPointer(bytes), limits: limits)
        }
    }
}

/// A recursive-descent reader over the raw bytes; its recursion is bounded by `limits.depth`.
struct JSONReader {
    let bytes: UnsafeRawBufferPointer
    let limits: JSONLimits
    var position = 0
    private var depth = 0
    private var valueCount = 0

    init(bytes: UnsafeRawBufferPointer, limits: JSONLimits) {
        self.bytes = bytes
        self.limits = limits
    }

    mutating func document() throws(JSONSyntaxError) -> JSONValue {
        guard bytes.count <= limits.byteCount else {
            throw failure("the document has \(bytes.count) bytes, at most \(limits.byteCount) fit")
        }
        skipSpace()
        let value = try value()
        skipSpace()
        guard position == bytes.count else {
            throw failure("expected the end of the document, found \(found())")
        }
        return value
    }

    private mutating func value() throws(JSONSyntaxError) -> JSONValue {
        valueCount += 1
        guard valueCount <= limits.valueCount else {
            throw failure("more than \(limits.valueCount) values")
        }
        switch peek {
        case UInt8(ascii: "{"): return .object(try object())
        case UInt8(ascii: "["): return .array(try array())
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .boolean(true))
        case UInt8(ascii: "f"): return try word("false", .boolean(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case let byte? where byte == UInt8(ascii: "-") || (0x30...0x39).contains(byte):
            return try number()
        default: throw failure("expected a value, found \(found())")
        }
    }

    private mutating func object() throws(JSONSyntaxError) -> JSONObject {
        try enter()
        var object = JSONObject()
        if take(UInt8(ascii: "}")) {
            depth -= 1
            return object
        }
        var members: [JSONObject.Member] = []
        var starts: [Int] = []
        while true {
            starts.append(position)
            guard peek == UInt8(ascii: "\"") else {
                throw failure("expected a name in double quotes, found \(found())")
            }
            let name = try string()
            skipSpace()
            guard take(UInt8(ascii: ":")) else {
                throw failure("expected ':' after a name, found \(found())")
            }
            members.append(JSONObject.Member(name: name, value: try value()))
            skipSpace()
            if take(UInt8(ascii: "}")) { break }
            guard take(UInt8(ascii: ",")) else {
                throw failure("expected ',' or '}' in an object, found \(found())")
            }
        }
        if let repeated = object.fill(with: members) {
            let name = members[repeated].name.excerpt(40)
            throw failure("duplicate name \"\(name)\"", at: starts[repeated])
        }
        depth -= 1
        return object
    }

    private mutating func array() throws(JSONSyntaxError) -> [JSONValue] {
        try enter()
        var items: [JSONValue] = []
        if take(UInt8(ascii: "]")) {
            depth -= 1
            return items
        }
        while true {
            items.append(try value())
            skipSpace()
            if take(UInt8(ascii: "]")) { break }
            guard take(UInt8(ascii: ",")) else {
                throw failure("expected ',' or ']' in an array, found \(found())")
            }
        }
        depth -= 1
        return items
    }

    /// Steps over the opening bracket.
    private mutating func enter() throws(JSONSyntaxError) {
        depth += 1
        guard depth <= limits.depth else {
            throw failure("nested deeper than \(limits.depth) levels")
        }
        position += 1
        skipSpace()
    }

    private mutating func word(
        _ word: String, _ value: JSONValue
    ) throws(JSONSyntaxError) -> JSONValue {
        let end = position + word.utf8.count
        guard end <= bytes.count, bytes[position..<end].elementsEqual(word.utf8) else {
            throw failure("expected \(word)")
        }
        position = end
        return value
    }
}

// MARK: - Bytes and positions

extension JSONReader {
    var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    /// Steps over `byte` and the space behind it, if `byte` comes next.
    mutating func take(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        position += 1
        skipSpace()
        return true
    }

    mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    func failure(_ message: String, at offset: Int? = nil) -> JSONSyntaxError {
        let end = min(offset ?? position, bytes.count)
        let before = bytes[..<end]
        let lineStart = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
        let line = before.reduce(1) { $1 == 0x0A ? $0 + 1 : $0 }
        return JSONSyntaxError(
            message: message, line: line, column: end - lineStart + 1, byteOffset: end)
    }

    /// What stands at the position, for a message.
    func found() -> String {
        guard let byte = peek else { return "the end of the document" }
        return found(byte)
    }

    func found(_ byte: UInt8) -> String {
        if (0x21..<0x7F).contains(byte) { return "'\(Unicode.Scalar(byte))'" }
        let digits = String(byte, radix: 16, uppercase: true)
        return "byte 0x\(byte < 16 ? "0" : "")\(digits)"
    }
}
