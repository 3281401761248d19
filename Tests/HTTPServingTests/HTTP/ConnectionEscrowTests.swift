// SPDX-License-Identifier: Apache-2.0
import LoopIO
import Testing

@testable import HTTPServing

/// What somebody hears who is to go on where a server stops.
@MainActor
@Suite(.serialized)
struct ConnectionEscrowTests {
    private final class Heard {
        var words: [String] = []
        var request: [UInt8] = []
    }

    private func listen(to server: HTTPServer) -> Heard {
        let heard = Heard()
        server.escrow = ConnectionEscrow(
            opened: { id, descriptor, _ in
                heard.words.append("opened \(id)\(descriptor >= 0 ? "" : " nowhere")")
            },
            reading: { id, bytes in heard.words.append("reading \(id): \(bytes.count)") },
            asked: { id, request in
                heard.words.append("asked \(id)")
                heard.request = request
            },
            began: { heard.words.append("began \($0) \($1)") },
            answered: { heard.words.append("answered \($0)") },
            closed: { heard.words.append("closed \($0)") })
        return heard
    }

    @Test func everyStepIsToldBeforeItIsTaken() throws {
        let bench = try ServerBench { $1.respond(status: 200, body: $0.body) }
        let heard = listen(to: bench.server)
        bench.server.number(from: 4_294_967_297)
        let client = try SocketClient(port: bench.port)
        let head = "POST /a%20b?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
        try client.send(head)
        try bench.run { heard.words.count == 2 }
        try client.send("xyz")
        try bench.run(client, untilItHas: "\r\n\r\nxyz")
        try bench.run { heard.words.count == 5 }
        #expect(
            heard.words == [
                "opened 4294967297", "reading 4294967297: \(head.utf8.count)", "asked 4294967297",
                "began 4294967297 whole", "answered 4294967297",
            ])
        try bench.close()
        #expect(heard.words.last == "closed 4294967297")
    }

    @Test func whatIsHandedOnMeansTheSame() throws {
        let bench = try ServerBench { $1.respond(status: 200) }
        let heard = listen(to: bench.server)
        let client = try SocketClient(port: bench.port)
        try client.send(
            "POST /a%20b/%C3%A4?x=%20y HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer k\r\n"
                + "Transfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n")
        try bench.run { heard.words.contains("answered 1") }
        let other = try ServerBench()
        let again = try SocketClient(port: other.port)
        try again.send(String(decoding: heard.request, as: UTF8.self))
        try other.run { other.received.count == 1 }
        let request = other.received[0].request
        #expect(request.method == "POST" && request.path == "/a b/ä")
        #expect(request.queryValue("x") == " y" && request.body == Array("xyz".utf8))
        #expect(request.headers["authorization"] == "Bearer k")
        other.received[0].exchange.respond(status: 200)
        try other.close()
        try bench.close()
    }

    @Test func streamsSayHowTheyAreToEnd() throws {
        let bench = try ServerBench { _, exchange in
            exchange.startEvents()
            exchange.finish()
        }
        let heard = listen(to: bench.server)
        for version in ["1.1", "1.0"] {
            let client = try SocketClient(port: bench.port)
            try client.send("GET / HTTP/\(version)\r\nHost: a\r\n\r\n")
            let count = heard.words.count
            try bench.run { heard.words.count >= count + 4 }
        }
        let began = heard.words.filter { $0.hasPrefix("began") }
        #expect(began == ["began 1 chunkedEvents", "began 2 plainEvents"])
        try bench.close()
    }
}
