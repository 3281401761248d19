// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import HTTPServing

struct ResponseEncodingTests {
    @Test(arguments: [
        ("{\"a\":1}", "data: {\"a\":1}\n\n"), ("", "data: \n\n"),
        ("a\nb", "data: a\ndata: b\n\n"), ("a\r\nb", "data: a\ndata: b\n\n"),
        ("a\rb", "data: a\ndata: b\n\n"), ("a\n\nid: 1", "data: a\ndata: \ndata: id: 1\n\n"),
        ("a\r\r\n\n", "data: a\ndata: \ndata: \ndata: \n\n"), ("ü\n", "data: ü\ndata: \n\n"),
    ])
    func everyLineHasItsField(data: String, expected: String) {
        #expect(SSEEncoder.event(data: Array(data.utf8)) == Array(expected.utf8))
    }

    @Test func keepAliveIsAComment() {
        #expect(SSEEncoder.keepAlive == Array(":\n\n".utf8))
    }

    @Test(arguments: [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (1_709_210_096, "Thu, 29 Feb 2024 12:34:56 GMT"),
    ])
    func dateIsWrittenAsInTheStandard(seconds: Int, expected: String) {
        #expect(HTTPDate.text(secondsSince1970: seconds) == expected)
    }

    @Test func headersAreFoundWithoutRegardToCase() {
        var headers: HTTPHeaders = ["Content-Type": "a", "X": "1"]
        headers.append("x", "2")
        #expect(headers["content-TYPE"] == "a")
        #expect(headers["X"] == "1")
        #expect(headers.values("x") == ["1", "2"])
        #expect(headers["y"] == nil)
    }
}
