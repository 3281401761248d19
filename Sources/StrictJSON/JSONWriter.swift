// SPDX-License-Identifier: Apache-2.0

/// Appends compact JSON to a byte buffer; commas come by themselves.
///
/// The caller balances `begin…` and `end…` and gives each member its `key`.
package struct JSONWriter: Sendable {
    package private(set) var bytes: [UInt8] = []
    private var needsComma = false

    package init(reserving byteCount: Int = 256) {
        bytes.reserveCapacity(byteCount)
    }

    package mutating func beginObject() { open(UInt8(ascii: "{")) }

    package mutating func endObject() { close(UInt8(ascii: "}")) }

    package mutating func beginArray() { open(UInt8(ascii: "[")) }

    package mutating func endArray() { close(UInt8(ascii: "]")) }

    package mutating func key(_ name: String) {
        separate()
        appendQuoted(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    package mutating func value(_ text: String) {
        separate()
        appendQuoted(text)
    }

    /// Nil becomes `null`.
    package mutating func value(_ text: String?) {
        if let text { value(text) } else { null() }
    }

    package mutating func value(_ flag: Bool) { token(flag ? "true" : "false") }

    package mutating func value(_ integer: Int) { token(String(integer)) }

    /// Nil becomes `null`.
    package mutating func value(_ integer: Int?) {
        if let integer { value(integer) } else { null() }
    }

    /// The shortest decimal that reads back as the same value; NaN and infinities become `null`.
    package mutating func value(_ number: Double) {
        token(number.isFinite ? number.description : "null")
    }

    /// The shortest decimal that reads back as the same value; NaN and infinities become `null`.
    package mutating func value(_ number: Float) {
        token(number.isFinite ? number.description : "null")
    }

    package mutating func value(_ integers: [Int]) {
        beginArray()
        for integer in integers { value(integer) }
        endArray()
    }

    package mutating func value(_ json: JSONValue) {
        switch json {
        case .null: null()
        case .boolean(let flag): value(flag)
        case .integer(let integer): token(String(integer))
        case .number(let number): value(number)
        case .string(let text): value(text)
        case .array(let items):
            beginArray()
            for item in items { value(item) }
            endArray()
        case .object(let object):
            beginObject()
            for member in object.members {
                key(member.name)
                value(member.value)
            }
            endObject()
        }
    }

    package mutating func null() { token("null") }

    /// Appends bytes as they are, outside the document (an event frame around it).
    package mutating func raw(_ text: String) {
        bytes.append(contentsOf: text.utf8)
        needsComma = false
    }
}

// MARK: - Characters

extension JSONWriter {
    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func open(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    private mutating func token(_ text: String) {
        separate()
        bytes.append(contentsOf: text.utf8)
    }

    private mutating func appendQuoted(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { utf8 in
            var run = 0
            for index in 0..<utf8.count where Self.needsEscape(utf8[index]) {
                bytes.append(contentsOf: utf8[run..<index])
                appendEscape(utf8[index])
                run = index + 1
            }
            bytes.append(contentsOf: utf8[run...])
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private static func needsEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7F
    }

    private mutating func appendEscape(_ byte: UInt8) {
        bytes.append(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(byte)
        case 0x08: bytes.append(UInt8(ascii: "b"))
        case 0x09: bytes.append(UInt8(ascii: "t"))
        case 0x0A: bytes.append(UInt8(ascii: "n"))
        case 0x0C: bytes.append(UInt8(ascii: "f"))
        case 0x0D: bytes.append(UInt8(ascii: "r"))
        default:
            let digits = Array("0123456789abcdef".utf8)
            bytes.append(contentsOf: "u00".utf8)
            bytes.append(digits[Int(byte >> 4)])
            bytes.append(digits[Int(byte & 15)])
        }
    }
}
