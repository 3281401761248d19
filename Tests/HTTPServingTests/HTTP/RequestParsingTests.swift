// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import HTTPServing

struct RequestParsingTests {
    struct Sample: Sendable {
        let text: String
        let requests: [String]

        init(_ text: String, _ requests: String...) {
            self.text = text
            self.requests = requests
        }
    }

    static let accepted: [Sample] = [
        Sample("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /"),
        Sample("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /"),
        Sample("GET /a?b=c&d HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a?b=c&d"),
        Sample("GET /a%2Fb%20c?x=%20 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a/b c?x=%20"),
        Sample("GET /gr%C3%BC%C3%9F HTTP/1.1\r\nHost: a\r\n\r\n", "GET /grüß"),
        Sample("GET /grüß HTTP/1.1\r\nHost: a\r\n\r\n", "GET /grüß"),
        Sample("GET http://a:80/b?c HTTP/1.1\r\nHost: a\r\n\r\n", "GET /b?c"),
        Sample("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS *"),
        Sample("GET / HTTP/1.0\r\n\r\n", "GET /"),
        Sample("GET / HTTP/1.2\r\nHost: a\r\n\r\n", "GET /"),
        Sample("DELETE /x HTTP/1.1\r\nHOST: a\r\nX-Y:\t z \t\r\nE:\r\n\r\n", "DELETE /x x-y=z e="),
        Sample(
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            "GET / upgrade=websocket connection=Upgrade"),
        Sample(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
            "POST / content-length=3 [abc]"),
        Sample(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "POST / content-length=0"),
        Sample(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
                + "3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n",
            "POST / transfer-encoding=Chunked [abc0123456789]"),
        Sample(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / transfer-encoding=chunked"),
        Sample(
            "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /1", "GET /2"),
        Sample(
            "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\r\n"
                + "POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
                + "HEAD /3 HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /1 content-length=3 [abc]", "POST /2 transfer-encoding=chunked [x]", "HEAD /3"),
    ]

    @Test(arguments: accepted)
    func requestIsReadTheSameHoweverItIsCut(sample: Sample) {
        let bytes = Array(sample.text.utf8)
        let whole = events(of: [bytes])
        let expected = sample.requests.map(MachineBench.Event.request)
        #expect(whole.filter { if case .request = $0 { true } else { false } } == expected)
        for cut in 0...bytes.count {
            let parts = events(of: [Array(bytes[..<cut]), Array(bytes[cut...])])
            #expect(Self.merged(parts) == Self.merged(whole), "cut at \(cut)")
        }
        #expect(Self.merged(events(of: bytes.map { [$0] })) == Self.merged(whole))
    }

    /// Refused texts and the status of the refusal.
    static let refused: [(String, Int)] = [
        ("\u{16}\u{3}\u{1}\u{2}", 400),
        ("garbage\r\n\r\n", 400),
        (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("get / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GETGETGETGETGETGETGET / HTTP/1.1\r\n", 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        ("GET /\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/x\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/0.9\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("GET / HTTP/1.1\nHost: a\n\n", 400),
        ("GET / HTTP/1.1\rHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\nb: c\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\u{0}\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHo st: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /?a=%c3 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /%0d%0a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /%2 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nabc", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n", 413),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n", 413),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            400
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                + "Transfer-Encoding: chunked\r\n\r\n", 501
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 400),
        ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nExpect: more\r\nContent-Length: 3\r\n\r\n", 417),
        (chunked + "x\r\n", 400), (chunked + "\r\n", 400), (chunked + "3\nabc", 400),
        (chunked + "3\rabc", 400), (chunked + "3\r\nabcd", 400), (chunked + "3\r\nabc\n", 400),
        (chunked + "3 \r\nabc", 400), (chunked + "-3\r\nabc", 400), (chunked + "0x3\r\nabc", 400),
        (chunked + "3;a\nb\r\nabc", 400), (chunked + "0\r\n bad: x\r\n\r\n", 400),
        (chunked + "100001\r\n", 413), (chunked + "fffffffff\r\n", 413),
    ]

    static let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

    @Test(arguments: refused)
    func malformedRequestIsRefusedHoweverItIsCut(text: String, status: Int) {
        let bytes = Array(text.utf8)
        for parts in [[bytes], bytes.map { [$0] }] {
            var bench = MachineBench()
            for part in parts { bench.receive(part) }
            #expect(bench.outline == ["\(status)", "shutdown"])
            #expect(bench.written.contains("\r\nConnection: close\r\n"))
            #expect(bench.written.contains("{\"error\":{\"message\":\""))
            #expect(bench.written.hasSuffix("\"param\":null,\"code\":\(status)}}"))
            #expect(bench.machine.faultCount == 1)
        }
    }

    @Test func invalidUTF8InTheTargetIsRefused() {
        var bench = MachineBench()
        bench.receive(
            Array("GET /".utf8) + [0xff, 0xfe] + Array(" HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
        #expect(bench.outline == ["400", "shutdown"])
    }

    @Test func boundsAreExact() {
        var limits = HTTPLimits()
        limits.headerCount = 3
        limits.targetBytes = 10
        limits.bodyBytes = 5
        limits.headerBytes = 200
        func outline(_ text: String) -> [String] {
            var bench = MachineBench(limits: limits)
            bench.receive(text)
            return bench.outline.filter { !$0.hasPrefix("request") }
        }
        func get(_ target: String, _ fields: String = "") -> String {
            "GET \(target) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n"
        }
        #expect(outline(get("/123456789")) == ["200"])
        #expect(outline(get("/1234567890")) == ["414", "shutdown"])
        #expect(outline(get("/", "A: b\r\nC: d\r\n")) == ["200"])
        #expect(outline(get("/", "A: b\r\nC: d\r\nE: f\r\n")) == ["431", "shutdown"])
        let room = 200 - get("/", "A: \r\n").utf8.count
        #expect(outline(get("/", "A: \(String(repeating: "x", count: room))\r\n")) == ["200"])
        let tooLong = get("/", "A: \(String(repeating: "x", count: room + 1))\r\n")
        #expect(outline(tooLong) == ["431", "shutdown"])
        #expect(outline("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345") == ["200"])
        let declared = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n"
        #expect(outline(declared) == ["413", "shutdown"])
        #expect(outline(Self.chunked + "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n") == ["200"])
        #expect(outline(Self.chunked + "3\r\nabc\r\n3\r\n") == ["413", "shutdown"])
        let extensions = Self.chunked + "1;" + String(repeating: "x", count: 5000)
        #expect(outline(extensions) == ["431", "shutdown"])
        #expect(outline(String(repeating: "\r\n", count: 5)) == ["400", "shutdown"])
    }

    @Test func queryIsDecoded() {
        let request = HTTPRequest(method: "GET", path: "/", query: "a=1&b&c=x%3Dy+z&a=2&=e&%zz=q")
        #expect(request.queryItems.map(\.name) == ["a", "b", "c", "a", "", "%zz"])
        #expect(request.queryItems.map(\.value) == ["1", "", "x=y z", "2", "e", "q"])
        #expect(request.queryValue("a") == "1")
        #expect(request.queryValue("d") == nil)
    }

    private func events(of parts: [[UInt8]]) -> [MachineBench.Event] {
        var bench = MachineBench()
        for part in parts { bench.receive(part) }
        return bench.events
    }

    /// When responses are written depends on the cuts; what is written does not.
    static func merged(_ events: [MachineBench.Event]) -> [MachineBench.Event] {
        let written = events.map { if case .wrote(let text) = $0 { text } else { "" } }.joined()
        return events.filter { if case .wrote = $0 { false } else { true } } + [.wrote(written)]
    }
}
