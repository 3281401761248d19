// SPDX-License-Identifier: Apache-2.0

import Foundation
import StrictJSON
import TestSupport
import Testing

/// Any JSON value as Foundation reads it, for comparison.
private enum FoundationJSON: Decodable, Equatable {
    case null
    case boolean(Bool)
    case number(Double)
    case string(String)
    case array([FoundationJSON])
    case object([String: FoundationJSON])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let flag = try? container.decode(Bool.self) {
            self = .boolean(flag)
        } else if let number = try? container.decode(Double.self) {
            self = .number(number)
        } else if let text = try? container.decode(String.self) {
            self = .string(text)
        } else if let items = try? container.decode([FoundationJSON].self) {
            self = .array(items)
        } else {
            self = .object(try container.decode([String: FoundationJSON].self))
        }
    }

    init(_ value: JSONValue) {
        switch value {
        case .null: self = .null
        case .boolean(let flag): self = .boolean(flag)
        case .integer(let integer): self = .number(Double(integer))
        case .number(let number): self = .number(number)
        case .string(let text): self = .string(text)
        case .array(let items): self = .array(items.map { FoundationJSON($0) })
        case .object(let object):
            self = .object(
                Dictionary(
                    object.members.map { ($0.name, FoundationJSON($0.value)) },
                    uniquingKeysWith: { $1 }))
        }
    }
}

private func parse(_ text: String) throws(JSONSyntaxError) -> JSONValue {
    try JSONValue(parsing: Array(text.utf8))
}

private func written(_ value: JSONValue) -> [UInt8] {
    var writer = JSONWriter()
    writer.value(value)
    return writer.bytes
}

/// A random value whose names are distinct also for Foundation.
private func randomValue(depth: Int, with random: inout SeededRandom) -> JSONValue {
    switch Int.random(in: 0..<(depth > 0 ? 8 : 6), using: &random) {
    case 0: return .null
    case 1: return .boolean(Bool.random(using: &random))
    case 2: return .integer(Int.random(in: .min ... .max, using: &random))
    case 3: return .number(Double.random(in: -1e6...1e6, using: &random))
    case 4:
        let number = Double(bitPattern: random.next())
        return number.isFinite && number != 0 ? .number(number) : .null
    case 5:
        let scalars: [Unicode.Scalar] = [
            "a", "\"", "\\", "\u{0}", "\u{1F}", "é", "中", "😀", "\u{2028}",
        ]
        var text = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 0..<9, using: &random) {
            text.append(scalars.randomElement(using: &random)!)
        }
        return .string(String(text))
    case 6:
        return .array(
            (0..<Int.random(in: 0..<6, using: &random)).map { _ in
                randomValue(depth: depth - 1, with: &random)
            })
    default:
        var object = JSONObject()
        for index in 0..<Int.random(in: 0..<20, using: &random) {
            _ = object.append("k\(index)\"", randomValue(depth: depth - 1, with: &random))
        }
        return .object(object)
    }
}

@Suite struct JSONTests {
    @Test func valuesKeepTheirKindAndTheirOrder() throws {
        let value = try parse(
            #" {"b": [1, 1.0, -0, 1e3, true, null], "a": "x\n\u00e9\ud83d\ude00"} "#)
        guard case .object(let object) = value else { return #expect(Bool(false)) }
        #expect(object.members.map(\.name) == ["b", "a"])
        #expect(
            object["b"]
                == .array([
                    .integer(1), .number(1), .number(-0.0), .number(1000), .boolean(true), .null,
                ]))
        #expect(object["a"] == .string("x\né😀"))
        #expect(object["c"] == nil)
    }

    @Test(arguments: [
        ("", "expected a value, found the end of the document", 1, 1),
        ("{\n  \"a\": 1,\n  \"a\": 2}", "duplicate name \"a\"", 3, 3),
        ("{\"a\": 1,}", "expected a name in double quotes, found '}'", 1, 9),
        ("{a: 1}", "expected a name in double quotes, found 'a'", 1, 2),
        ("[1 2]", "expected ',' or ']' in an array, found '2'", 1, 4),
        ("[1,]", "expected a value, found ']'", 1, 4),
        ("{\"a\" 1}", "expected ':' after a name, found '1'", 1, 6),
        ("01", "a number must not begin with 0", 1, 1),
        ("-", "expected a digit, found the end of the document", 1, 2),
        ("1.", "expected a digit after the decimal point, found the end of the document", 1, 3),
        ("1e+", "expected a digit in the exponent, found the end of the document", 1, 4),
        (".5", "expected a value, found '.'", 1, 1),
        ("+1", "expected a value, found '+'", 1, 1),
        ("NaN", "expected a value, found 'N'", 1, 1),
        ("-Infinity", "expected a digit, found 'I'", 1, 2),
        ("1e999", "the number 1e999 is out of range", 1, 1),
        ("nul", "expected null", 1, 1),
        ("\"abc", "a string without its closing quote", 1, 1),
        (
            "\"a\nb\"", "a control character (byte 0x0A) in a string must be written as an escape",
            1, 3
        ),
        ("\"\\x\"", "unknown escape \\ with 'x'", 1, 2),
        ("\"\\u12g4\"", "a \\u escape needs four hexadecimal digits", 1, 2),
        ("\"\\ud800x\"", "an unpaired surrogate in a \\u escape", 1, 2),
        ("\"\\udc00\"", "an unpaired surrogate in a \\u escape", 1, 2),
        ("\"\\ud800\\ud800\"", "an unpaired surrogate in a \\u escape", 1, 2),
        ("\u{FEFF}{}", "expected a value, found byte 0xEF", 1, 1),
        ("{} x", "expected the end of the document, found 'x'", 1, 4),
        ("// c\n1", "expected a value, found '/'", 1, 1),
    ])
    func badDocumentsAreRefusedWithTheirPosition(
        text: String, message: String, line: Int, column: Int
    ) {
        let error = #expect(throws: JSONSyntaxError.self) { try parse(text) }
        #expect(error?.message == message)
        #expect(error?.line == line)
        #expect(error?.column == column)
    }

    @Test(
        arguments: [
            ([0x22, 0x61, 0xFF, 0x22], 2), ([0x22, 0xC3, 0x22], 1), ([0x22, 0xE2, 0x82, 0x22], 1),
            ([0x22, 0xED, 0xA0, 0x80, 0x22], 1), ([0x22, 0xC0, 0x80, 0x22], 1),
            ([0x22, 0xC3, 0xA9, 0x80, 0x22], 3), ([0x22, 0xF5, 0x80, 0x80, 0x80, 0x22], 1),
        ] as [([UInt8], Int)])
    func invalidUTF8IsRefusedWhereItBegins(bytes: [UInt8], offset: Int) {
        let error = #expect(throws: JSONSyntaxError.self) { try JSONValue(parsing: bytes) }
        #expect(error?.message.contains("invalid UTF-8") == true)
        #expect(error?.byteOffset == offset)
    }

    @Test func integersBeyond64BitsBecomeFractions() throws {
        #expect(try parse("9223372036854775807") == .integer(.max))
        #expect(try parse("-9223372036854775808") == .integer(.min))
        #expect(try parse("9223372036854775808") == .number(9_223_372_036_854_775_808))
        #expect(try parse("1e-400") == .number(0))
        #expect(try parse("1.0").exactInteger == 1)
        #expect(try parse("1.5").exactInteger == nil)
        #expect(try parse("1e300").exactInteger == nil)
    }

    @Test func limitsHold() {
        func message(_ text: String, _ limits: JSONLimits) -> String? {
            #expect(throws: JSONSyntaxError.self) {
                try JSONValue(parsing: Array(text.utf8), limits: limits)
            }?.message
        }
        let nested = String(repeating: "[", count: 65) + String(repeating: "]", count: 65)
        #expect(message(nested, JSONLimits()) == "nested deeper than 64 levels")
        #expect(message("[1,2,3]", JSONLimits(valueCount: 3)) == "more than 3 values")
        #expect(
            message("[1,2]", JSONLimits(byteCount: 4))
                == "the document has 5 bytes, at most 4 fit")
        #expect(
            message(String(repeating: "1", count: 1025), JSONLimits())
                == "a number of more than 1024 characters")
        let deep = String(repeating: "[", count: 100_000)
        #expect(message(deep, JSONLimits()) == "nested deeper than 64 levels")
    }

    @Test func namesAreToldApartByTheirBytes() throws {
        let value = try parse("{\"\u{E9}\": 1, \"e\u{301}\": 2}")
        guard case .object(let object) = value else { return #expect(Bool(false)) }
        #expect(object.count == 2)
        #expect(object["\u{E9}"] == .integer(1))
        #expect(object["e\u{301}"] == .integer(2))
    }

    @Test(arguments: [1, 2, 11, 12, 13, 47, 48, 49, 1000])
    func namesAreFoundAndCheckedForDuplicatesHoweverMany(count: Int) throws {
        let names = (0..<count).map { "\"k\($0)\": \($0)" }.joined(separator: ",")
        guard case .object(var object) = try parse("{\(names)}") else {
            return #expect(Bool(false))
        }
        for index in 0..<count { #expect(object["k\(index)"] == .integer(index)) }
        #expect(object["k\(count)"] == nil)
        let repeated = "{\(names),\"k\(count / 2)\":0}"
        let error = #expect(throws: JSONSyntaxError.self) { try parse(repeated) }
        #expect(error?.message == "duplicate name \"k\(count / 2)\"")
        #expect(error?.byteOffset == names.utf8.count + 2)
        for index in 0..<2 * count {
            let isNew = object.append("k\(index)", .integer(index))
            #expect(isNew == (index >= count))
        }
        #expect(object["k\(2 * count - 1)"] == .integer(2 * count - 1))
    }

    @Test(arguments: [
        "\u{E9}", "e\u{301}", "\u{212B}", "\u{C5}", "A\u{30A}", "\u{1100}\u{1161}", "\u{AC00}",
        "\0",
        "a\u{323}\u{307}", "a\u{307}\u{323}",
    ])
    func stringsKeepTheirBytes(text: String) throws {
        let escaped = text.utf16.map {
            "\\u" + String(repeating: "0", count: 4 - String($0, radix: 16).count)
                + String($0, radix: 16)
        }
        #expect(
            try parse("\"\(escaped.joined())\"").string.map { Array($0.utf8) } == Array(text.utf8))
        guard text != "\0" else { return }
        #expect(try parse("\"\(text)\"").string.map { Array($0.utf8) } == Array(text.utf8))
        #expect(
            try parse("\"\(text)\\n\"").string.map { Array($0.utf8) } == Array("\(text)\n".utf8))
    }

    @Test func writingEscapesWhatMustBeEscaped() {
        let text = "\"\\/\u{8}\u{C}\n\r\t\u{1}\u{7F}é😀"
        #expect(
            String(decoding: written(.string(text)), as: UTF8.self)
                == "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u007fé😀\"")
    }

    @Test(
        arguments: [
            (0.1, "0.1"), (1, "1.0"), (-0.0, "-0.0"), (1e300, "1e+300"), (1e-300, "1e-300"),
            (.nan, "null"), (.infinity, "null"),
        ] as [(Double, String)])
    func numbersAreWrittenInTheirShortestForm(number: Double, text: String) {
        #expect(String(decoding: written(.number(number)), as: UTF8.self) == text)
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func randomValuesReadBackAsWrittenAndAsFoundationReadsThem(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<60 {
            let value = randomValue(depth: 4, with: &random)
            let bytes = written(.array([value]))
            #expect(try JSONValue(parsing: bytes) == .array([value]), "seed \(seed)")
            let reference = try JSONDecoder().decode(FoundationJSON.self, from: Data(bytes))
            #expect(FoundationJSON(.array([value])) == reference, "seed \(seed)")
        }
    }

    @Test func anyBytesAreReadOrRefusedWithAPosition() throws {
        try FuzzRun().forEachRound { random, seed in
            let original = written(randomValue(depth: 3, with: &random))
            let bytes = ByteMutator.json.mutate(original, with: &random)
            do {
                let value = try JSONValue(parsing: bytes)
                #expect(try JSONValue(parsing: written(value)) == value, "seed \(seed)")
                if seed % 16 == 0 {
                    let whole = written(.array([value]))
                    _ = try JSONDecoder().decode(FoundationJSON.self, from: Data(whole))
                }
            } catch let error as JSONSyntaxError {
                let inside =
                    (0...bytes.count).contains(error.byteOffset) && error.line > 0
                    && error.column > 0
                #expect(inside, "seed \(seed)")
            }
        }
    }
}
