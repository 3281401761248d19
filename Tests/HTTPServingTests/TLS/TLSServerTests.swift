// SPDX-License-Identifier: Apache-2.0
import COpenSSL
import LoopIO
import Testing

@testable import HTTPServing

@MainActor
@Suite(.serialized)
struct TLSServerTests {
    private func echo() -> (HTTPRequest, HTTPExchange) -> Void {
        { request, exchange in
            exchange.respond(status: 200, body: Array("<\(request.path)>".utf8) + request.body)
        }
    }

    @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func requestsAreAnsweredOverTLS(version: Int32) throws {
        let bench = try ServerBench(tls: .test(name: "first"), answer: echo())
        let client = try TLSClient(port: bench.port, version: version)
        try bench.run(client) { client.isEstablished }
        #expect(client.version == (version == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2"))
        #expect(client.chosenProtocol == "http/1.1")
        #expect(client.certificateName == "first")
        client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        try bench.run(client) { client.text.hasSuffix("</a>") }
        try bench.close()
    }

    @Test(arguments: [1, 3, 7, 61, 1001])
    func pipelinedRequestsMayComeInPieces(pieces: Int) throws {
        let bench = try ServerBench(tls: .test(), answer: echo())
        let client = try TLSClient(port: bench.port, pieces: pieces)
        try bench.run(client) { client.isEstablished }
        for number in 0..<5 {
            client.send(
                "POST /\(number) HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nbody\(number)")
        }
        try bench.run(client) { client.text.hasSuffix("</4>body4") }
        #expect((0..<5).allSatisfy { client.text.contains("</\($0)>body\($0)") })
        #expect(bench.server.counters.requests == 5)
        try bench.close()
    }

    @Test func largeBodiesGoBothWays() throws {
        let bench = try ServerBench(tls: .test()) {
            $1.respond(status: 200, body: $0.body + $0.body)
        }
        let client = try TLSClient(port: bench.port, pieces: 20_000)
        try bench.run(client) { client.isEstablished }
        let body = String(repeating: "0123456789abcdef", count: 50_000)
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\r\n")
        client.send(body)
        try bench.run(client) { client.bytes.count > 2 * body.utf8.count }
        #expect(client.text.hasSuffix("\r\n\r\n" + body + body))
        try bench.close()
    }

    @Test func eventsArriveAsTheyAreSentAndTheEndIsSaid() throws {
        let bench = try ServerBench(tls: .test())
        let client = try TLSClient(port: bench.port)
        client.step()
        try bench.run(client) { client.isEstablished }
        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        try bench.run(client) { bench.received.count == 1 }
        let exchange = bench.received[0].exchange
        exchange.startEvents()
        for word in ["one", "two", "three"] {
            #expect(exchange.sendEvent(data: word) == .accepted)
            try bench.run(client) { client.text.hasSuffix("data: \(word)\n\n\r\n") }
        }
        exchange.finish()
        try bench.run(client) { client.isEnded }
        #expect(client.text.hasSuffix("\r\n0\r\n\r\n"))
        #expect(!client.hasFailed)
        client.end()
        client.step()
        try bench.run(client) { bench.server.connectionCount == 0 }
        try bench.close()
    }

    @Test func streamThatIsCutOffHasNoEnd() throws {
        let bench = try ServerBench(tls: .test())
        let client = try TLSClient(port: bench.port)
        try bench.run(client) { client.isEstablished }
        client.send("GET / HTTP/1.0\r\n\r\n")
        try bench.run(client) { bench.received.count == 1 }
        bench.received[0].exchange.startEvents()
        bench.received[0].exchange.sendEvent(data: "half")
        try bench.run(client) { client.text.hasSuffix("half\n\n") }
        bench.received[0].exchange.abort()
        try bench.run(client) { client.socket.isEnded }
        #expect(!client.isEnded, "the end was not said, so the client sees the cut")
        try bench.close()
    }

    @Test func clientThatLeavesIsNoticed() throws {
        let bench = try ServerBench(tls: .test())
        let client = try TLSClient(port: bench.port)
        try bench.run(client) { client.isEstablished }
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        try bench.run(client) { bench.received.count == 1 }
        var reasons: [ClientGoneReason] = []
        bench.received[0].exchange.onClientGone = { reasons.append($0) }
        client.end()
        try bench.run(client) { !reasons.isEmpty }
        #expect(reasons == [.disconnected])
        try bench.run(client) { bench.server.connectionCount == 0 }
        try bench.close()
    }

    @Test func plainHTTPIsToldWhatToDo() throws {
        let bench = try ServerBench(tls: .test(), answer: echo())
        let client = try SocketClient(port: bench.port)
        try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        try bench.run {
            client.receive()
            return client.isEnded
        }
        #expect(client.statuses == ["400"])
        #expect(client.text.contains("this port speaks TLS: use https"))
        #expect(bench.server.counters.requests == 0)
        #expect(bench.server.counters.handshakeFailures == 1)
        client.close()
        try bench.run { bench.server.connectionCount == 0 }
        try bench.close()
    }

    @Test(arguments: ["SSH-2.0-x\r\n", "\u{16}\u{3}\u{1}\u{0}\u{5}hello", "\0\0\0\0\0\0\0\0\0\0\0"])
    func garbageIsRefused(_ text: String) throws {
        let bench = try ServerBench(tls: .test(), answer: echo())
        let client = try SocketClient(port: bench.port)
        try client.send(text)
        try bench.run {
            client.receive()
            return client.isEnded
        }
        client.close()
        try bench.run { bench.server.connectionCount == 0 }
        #expect(bench.server.counters.handshakeFailures == 1)
        try bench.close()
    }

    @Test func garbageAfterTheHandshakeEndsTheConnection() throws {
        let bench = try ServerBench(tls: .test())
        let client = try TLSClient(port: bench.port)
        try bench.run(client) { client.isEstablished }
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        try bench.run(client) { bench.received.count == 1 }
        var reasons: [ClientGoneReason] = []
        bench.received[0].exchange.onClientGone = { reasons.append($0) }
        client.socket.sendSome([0x17, 3, 3, 0, 32] + [UInt8](repeating: 1, count: 32))
        try bench.run(client) { bench.server.connectionCount == 0 }
        #expect(reasons == [.disconnected])
        try bench.close()
    }

    @Test(arguments: [[], ["http/1.1"], ["h2", "http/1.1"]])
    func otherProtocolsAreRefused(protocols: [String]) throws {
        let bench = try ServerBench(tls: .test(), answer: echo())
        let good = try TLSClient(port: bench.port, protocols: protocols)
        try bench.run(good) { good.isEstablished }
        let bad = try TLSClient(port: bench.port, protocols: ["h2"])
        try bench.run(bad) { bad.hasFailed }
        try bench.close()
    }

    @Test func oldVersionsAreRefused() throws {
        let bench = try ServerBench(tls: .test(), answer: echo())
        let client = try TLSClient(port: bench.port, version: TLS1_1_VERSION)
        try bench.run(client) { client.hasFailed }
        #expect(bench.server.counters.handshakeFailures == 1)
        try bench.close()
    }

    @Test func handshakeThatTakesTooLongIsEnded() throws {
        var limits = HTTPLimits()
        limits.headerTimeout = .milliseconds(50)
        let bench = try ServerBench(tls: .test(), limits: limits, answer: echo())
        let silent = try SocketClient(port: bench.port)
        let slow = try SocketClient(port: bench.port)
        // The head of a record whose rest never comes.
        slow.sendSome([0x16, 3, 1, 1, 0, 1])
        try bench.run {
            silent.receive()
            slow.receive()
            return silent.isEnded && slow.isEnded
        }
        try bench.close()
    }

    @Test func certificateIsSwappedUnderOpenConnections() throws {
        let bench = try ServerBench(tls: .test(name: "old"), answer: echo())
        let first = try TLSClient(port: bench.port)
        try bench.run(first) { first.isEstablished }
        bench.server.tls = try .test(name: "new")
        let second = try TLSClient(port: bench.port)
        try bench.run(second) { second.isEstablished }
        #expect(first.certificateName == "old")
        #expect(second.certificateName == "new")
        for client in [first, second] {
            client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
            try bench.run(client) { client.text.hasSuffix("</x>") }
        }
        try bench.close()
    }

    @Test func connectionsBeyondTheLimitAreToldSo() throws {
        var limits = HTTPLimits()
        limits.maxConnections = 1
        let bench = try ServerBench(tls: .test(), limits: limits)
        let first = try TLSClient(port: bench.port)
        try bench.run(first) { first.isEstablished }
        first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        try bench.run(first) { bench.received.count == 1 }
        let second = try TLSClient(port: bench.port)
        try bench.run(second) { second.isEnded }
        #expect(second.text.hasPrefix("HTTP/1.1 503 "))
        try bench.close()
    }
}
