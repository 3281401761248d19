// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ModelLoading

struct JSONScannerTests {
    private func parse(_ text: String) throws -> JSONValue {
        var text = text
        return try text.withUTF8 { try JSONScanner.parse(UnsafeRawBufferPointer($0)) }
    }

    @Test(arguments: [
        ("1e-05", 1e-05), ("-0.5", -0.5), ("10000.0", 10_000), (" 7 \n", 7), ("1E+3", 1000),
    ])
    func numbersAreRead(text: String, expected: Double) throws {
        #expect(try parse(text).double == expected)
    }

    @Test func wholeNumbersMayBeWrittenWithAFraction() throws {
        #expect(try parse("4096.0").integer == 4096)
        #expect(try parse("4096.5").integer == nil)
        #expect(try parse("99999999999999999999").integer == nil)
    }

    @Test func stringsKeepTheirMeaning() throws {
        #expect(try parse(#""a\"\\\/\b\f\n\r\tz""#).string == "a\"\\/\u{8}\u{C}\n\r\tz")
        #expect(try parse(#""\u00e9\ud83d\ude00é""#).string == "é😀é")
        #expect(try parse("\"\"").string == "")
    }

    @Test func objectsKeepTheOrderOfTheirKeys() throws {
        let object = try parseObject(#"{"z": 1, "a": [true, null], "m": {}}"#)
        #expect(object.keys == ["z", "a", "m"])
        #expect(object["a"] == .array([.bool(true), .null]))
    }

    @Test(arguments: [
        "", " ", "{", "[1,", "[1 2]", "{\"a\":1,}", "{a:1}", "{\"a\" 1}", "01", "1.", ".5", "+1",
        "1e", "-", "NaN", "Infinity", "tru", "\"abc", "\"\u{1}\"", #""\x""#, #""\u12g4""#,
        #""\ud83d""#, #""\ud83dA""#, #""\ude00""#, "1 1", "{\"a\":1,\"a\":1}",
        "{\"a\":1,\"\\u0061\":2}", "\"\\",
    ])
    func whatIsNotStrictJSONIsRefused(text: String) {
        let error = loadingError { _ = try parse(text) }
        #expect(error?.code == .malformedJSON, "accepted \(text)")
    }

    @Test func invalidUTF8IsRefused() {
        for bytes in [
            [0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22],
        ]
            as [[UInt8]]
        {
            let error = loadingError {
                _ = try bytes.withUnsafeBytes { try JSONScanner.parse($0) }
            }
            #expect(error?.code == .malformedJSON)
        }
    }

    @Test func deepNestingIsRefusedBeforeTheStackEnds() {
        let text = String(repeating: "[", count: 1_000_000)
        let error = loadingError { _ = try parse(text) }
        #expect(error?.message.contains("nested") == true)
    }
}
