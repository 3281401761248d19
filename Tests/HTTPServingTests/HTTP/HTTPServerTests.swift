// SPDX-License-Identifier: Apache-2.0
import LoopIO
import Testing

@testable import HTTPServing

@MainActor
@Suite(.serialized)
struct HTTPServerTests {
    private let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

    @Test func requestsAreAnsweredOnOneConnection() throws {
        let bench = try ServerBench { request, exchange in
            exchange.respond(
                status: 200, headers: ["content-type": "text/plain"],
                body: Array("\(request.method) \(request.path) ".utf8) + request.body)
        }
        let client = try SocketClient(port: bench.port)
        try client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nxyz")
        try bench.run(client, untilItHas: "\r\n\r\nPOST /a xyz")
        try client.send(get)
        try bench.run(client, untilItHas: "\r\n\r\nGET / ")
        #expect(client.statuses == ["200", "200"])
        #expect(bench.server.counters.requests == 2)
        #expect(bench.server.counters.accepted == 1)
        try bench.close()
    }

    @Test func requestKnowsItsPeer() throws {
        let bench = try ServerBench()
        let client = try SocketClient(port: bench.port)
        try client.send(get)
        try bench.run { bench.received.count == 1 }
        #expect(bench.received[0].request.peer.hasPrefix("127.0.0.1:"))
        bench.received[0].exchange.respond(status: 200)
        try bench.close()
    }

    @Test func largeBodiesGoBothWays() throws {
        let body = String(repeating: "0123456789abcdef", count: 50_000)
        let bench = try ServerBench { $1.respond(status: 200, body: $0.body + $0.body) }
        let client = try SocketClient(port: bench.port)
        try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\r\n")
        var rest = Array(body.utf8)[...]
        try bench.run {
            let part = Array(rest.prefix(10_000))
            rest = rest.dropFirst(part.count)
            if !part.isEmpty { try? client.send(String(decoding: part, as: UTF8.self)) }
            return rest.isEmpty
        }
        try bench.run(client, untilItHas: "\r\n\r\n" + body + body)
        try bench.close()
    }

    @Test func eventsArriveAsTheyAreSent() throws {
        let bench = try ServerBench()
        let client = try SocketClient(port: bench.port)
        try client.send(get)
        try bench.run { bench.received.count == 1 }
        let exchange = bench.received[0].exchange
        exchange.startEvents()
        #expect(exchange.sendEvent(data: "one\ntwo") == .accepted)
        try bench.run(client, untilItHas: "data: one\ndata: two\n\n\r\n")
        #expect(exchange.sendKeepAlive() == .accepted)
        try bench.run(client, untilItHas: "3\r\n:\n\n\r\n")
        exchange.finish()
        #expect(!exchange.isOpen)
        #expect(exchange.send([1]) == .closed)
        try bench.run(client, untilItHas: "\r\n0\r\n\r\n")
        #expect(client.text.contains("\r\ncontent-type: text/event-stream; charset=utf-8\r\n"))
        try client.send(get)
        try bench.run { bench.received.count == 2 }
        try bench.close()
    }

    @Test func clientThatLeavesMidStreamIsTold() throws {
        let bench = try ServerBench()
        let client = try SocketClient(port: bench.port)
        try client.send(get)
        try bench.run { bench.received.count == 1 }
        let exchange = bench.received[0].exchange
        var reasons: [ClientGoneReason] = []
        exchange.onClientGone = { reasons.append($0) }
        exchange.startEvents()
        exchange.sendEvent(data: "one")
        try bench.run(client, untilItHas: "data: one\n\n\r\n")
        client.close()
        try bench.run { !reasons.isEmpty }
        #expect(!exchange.isOpen)
        #expect(exchange.sendEvent(data: "two") == .closed)
        exchange.finish()
        try bench.run { bench.server.connectionCount == 0 }
        #expect(reasons == [.disconnected])
        #expect(bench.server.counters.clientsGone == [.disconnected: 1])
        try bench.close()
    }

    @Test func clientThatLeavesWhileItWaitsIsTold() throws {
        let bench = try ServerBench()
        let client = try SocketClient(port: bench.port)
        try client.send(get)
        try bench.run { bench.received.count == 1 }
        var reasons: [ClientGoneReason] = []
        bench.received[0].exchange.onClientGone = { reasons.append($0) }
        client.close()
        try bench.run { !reasons.isEmpty }
        bench.received[0].exchange.respond(status: 200)
        try bench.run { bench.server.connectionCount == 0 }
        #expect(reasons == [.disconnected])
        try bench.close()
    }

    @Test func clientThatStopsReadingOverflows() throws {
        var limits = HTTPLimits()
        limits.writeBufferBytes = 100_000
        let bench = try ServerBench(limits: limits)
        let client = try SocketClient(port: bench.port, receiveBufferBytes: 4096)
        try client.send(get)
        try bench.run { bench.received.count == 1 }
        let exchange = bench.received[0].exchange
        var reasons: [ClientGoneReason] = []
        exchange.onClientGone = { reasons.append($0) }
        exchange.startStream(headers: [:])
        let piece = [UInt8](repeating: 0x61, count: 10_000)
        var peak = 0
        // The system's own buffers take some megabytes first.
        for _ in 0..<10_000 {
            guard exchange.send(piece) == .accepted else { break }
            peak = max(peak, exchange.bufferedBytes)
        }
        #expect((50_000...limits.writeBufferBytes).contains(peak))
        #expect(reasons.isEmpty, "the handler was called back from within its own call")
        try bench.run { !reasons.isEmpty }
        #expect(reasons == [.slowClient])
        #expect(!exchange.isOpen)
        try bench.run { bench.server.connectionCount == 0 }
        try bench.run {
            client.receive()
            return client.isEnded
        }
        #expect(!client.text.hasSuffix("0\r\n\r\n"))
        try bench.close()
    }

    @Test func clientThatTakesNothingIsGivenUp() throws {
        var limits = HTTPLimits()
        limits.writeStallTimeout = .milliseconds(50)
        let bench = try ServerBench(limits: limits) { _, exchange in
            exchange.respond(status: 200, body: [UInt8](repeating: 0x61, count: 20_000_000))
        }
        let client = try SocketClient(port: bench.port, receiveBufferBytes: 4096)
        try client.send(get)
        try bench.run { bench.server.counters.requests == 1 && bench.server.connectionCount == 0 }
        client.receive()
        try bench.close()
    }

    @Test func slowHeaderSenderIsRefusedWhileOthersAreServed() throws {
        var limits = HTTPLimits()
        limits.headerTimeout = .milliseconds(50)
        let bench = try ServerBench(limits: limits) { $1.respond(status: 200) }
        let slow = try SocketClient(port: bench.port)
        try slow.send("GET /")
        var lastSent = bench.loop.now
        try bench.run {
            if bench.loop.now - lastSent > 1_000_000 {
                slow.sendSome([0x78])
                lastSent = bench.loop.now
            }
            slow.receive()
            return slow.isEnded
        }
        #expect(slow.statuses == ["408"])
        let quick = try SocketClient(port: bench.port)
        try quick.send(get)
        try bench.run(quick, untilItHas: "Content-Length: 0\r\n\r\n")
        try bench.close()
    }

    @Test func connectionThatRestsTooLongIsClosed() throws {
        var limits = HTTPLimits()
        limits.idleTimeout = .milliseconds(50)
        limits.headerTimeout = .milliseconds(50)
        let bench = try ServerBench(limits: limits) { $1.respond(status: 200) }
        let silent = try SocketClient(port: bench.port)
        let client = try SocketClient(port: bench.port)
        try client.send(get)
        try bench.run {
            silent.receive()
            client.receive()
            return silent.isEnded && client.isEnded
        }
        #expect(client.statuses == ["200"] && silent.bytes.isEmpty)
        try bench.close()
    }

    @Test func refusedUploadCanStillReadItsRefusal() throws {
        let bench = try ServerBench { $1.respond(status: 200) }
        let client = try SocketClient(port: bench.port)
        try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 90000000\r\n\r\n")
        let piece = [UInt8](repeating: 0x61, count: 50_000)
        for _ in 0..<20 {
            #expect(client.sendSome(piece))
            try bench.turn(times: 1)
        }
        try bench.run {
            client.receive()
            return client.isEnded
        }
        #expect(client.statuses == ["413"])
        #expect(client.text.hasSuffix("\"code\":413}}"))
        client.close()
        try bench.run { bench.server.connectionCount == 0 }
        #expect(bench.server.counters.faults == 1)
        try bench.close()
    }

    @Test func drainWaitsForTheOpenStream() throws {
        let bench = try ServerBench()
        let idle = try SocketClient(port: bench.port)
        let client = try SocketClient(port: bench.port)
        try client.send(get)
        try bench.run { bench.received.count == 1 && bench.server.connectionCount == 2 }
        let exchange = bench.received[0].exchange
        exchange.startEvents()
        exchange.sendEvent(data: "before")
        var isDrained = false
        bench.server.drain { isDrained = true }
        try bench.run {
            idle.receive()
            return idle.isEnded && bench.server.connectionCount == 1
        }
        #expect(throws: SocketClient.Refused.self) { try SocketClient(port: bench.port) }
        #expect(!isDrained)
        exchange.sendEvent(data: "after")
        exchange.finish()
        try bench.run {
            client.receive()
            return client.isEnded
        }
        #expect(client.text.hasSuffix("data: after\n\n\r\n0\r\n\r\n"))
        client.close()
        try bench.run { isDrained }
        try bench.loop.close()
    }

    @Test func deadlineOfADrainClosesTheRest() throws {
        let bench = try ServerBench()
        let client = try SocketClient(port: bench.port)
        try client.send(get)
        try bench.run { bench.received.count == 1 }
        var reasons: [ClientGoneReason] = []
        var drains = 0
        bench.received[0].exchange.onClientGone = { reasons.append($0) }
        bench.server.drain { drains += 1 }
        bench.server.closeAll()
        try bench.run { drains > 0 }
        #expect(reasons == [.serverClosed])
        #expect(drains == 1)
        try bench.loop.close()
    }

    @Test func drainOfAnEmptyServerIsCalledBackLater() throws {
        let bench = try ServerBench()
        var isDrained = false
        bench.server.drain { isDrained = true }
        #expect(!isDrained)
        try bench.run { isDrained }
        try bench.loop.close()
    }

    @Test func connectionBeyondTheLimitIsToldSoOrTakesAnIdlePlace() throws {
        var limits = HTTPLimits()
        limits.maxConnections = 2
        let bench = try ServerBench(limits: limits)
        let busy = try (0..<2).map { _ in try SocketClient(port: bench.port) }
        for client in busy { try client.send(get) }
        try bench.run { bench.received.count == 2 }
        let refused = try SocketClient(port: bench.port)
        try bench.run {
            refused.receive()
            return refused.isEnded
        }
        #expect(refused.statuses == ["503"])
        #expect(refused.text.contains("\r\nretry-after: 1\r\n"))
        refused.close()
        try bench.run { bench.server.connectionCount == 2 }
        bench.received[0].exchange.respond(status: 200)
        let next = try SocketClient(port: bench.port)
        try next.send(get)
        try bench.run { bench.received.count == 3 }
        #expect(bench.server.counters.refused == 1)
        try bench.close()
    }

    @Test func floodOfConnectionsIsBounded() throws {
        var limits = HTTPLimits()
        limits.maxConnections = 2
        let bench = try ServerBench(limits: limits)
        let busy = try (0..<2).map { _ in try SocketClient(port: bench.port) }
        for client in busy { try client.send(get) }
        try bench.run { bench.received.count == 2 }
        let flood = try (0..<200).map { _ in try SocketClient(port: bench.port) }
        var peak = 0
        try bench.run {
            peak = max(peak, bench.server.connectionCount)
            return bench.server.connectionCount == 2 + 64
        }
        try bench.turn(times: 10)
        #expect(max(peak, bench.server.connectionCount) == 2 + 64)
        for client in flood { client.close() }
        try bench.run { bench.server.counters.refused == 200 }
        try bench.run { bench.server.connectionCount == 2 }
        try bench.close()
    }

    @Test func forgottenExchangeAnswers500() throws {
        let bench = try ServerBench { _, _ in }
        let client = try SocketClient(port: bench.port)
        try client.send(get)
        try bench.run(client, untilItHas: "\"code\":500}}")
        #expect(client.statuses == ["500"])
        try bench.close()
    }

    @Test func abandonedStreamIsCutOff() throws {
        let bench = try ServerBench { _, exchange in
            exchange.startStream(headers: [:])
            exchange.send(Array("part".utf8))
        }
        let client = try SocketClient(port: bench.port)
        try client.send(get)
        try bench.run {
            client.receive()
            return client.isEnded
        }
        #expect(client.text.hasSuffix("4\r\npart\r\n"))
        try bench.close()
    }

    @Test func manyPipelinedRequestsAreAnsweredInOrder() throws {
        let count = 3_000
        let bench = try ServerBench { request, exchange in
            exchange.respond(
                status: 200, headers: ["content-type": "text/plain"],
                body: Array("<\(request.path)>".utf8))
        }
        let client = try SocketClient(port: bench.port)
        var rest = (0..<count).flatMap { Array("GET /\($0) HTTP/1.1\r\nHost: a\r\n\r\n".utf8) }[...]
        try bench.run {
            let part = String(decoding: rest.prefix(20_000), as: UTF8.self)
            rest = rest.dropFirst(20_000)
            if !part.isEmpty { try? client.send(part) }
            client.receive()
            return client.text.hasSuffix("</\(count - 1)>")
        }
        let paths = client.text.split(separator: "<").dropFirst().map { $0.prefix { $0 != ">" } }
        #expect(paths.elementsEqual((0..<count).map { "/\($0)" }))
        try bench.close()
    }

    @Test func twoServersShareALoop() throws {
        let bench = try ServerBench { $1.respond(status: 200) }
        let other = try HTTPServer(loop: bench.loop) { $1.respond(status: 404) }
        let port = try other.listen(host: "127.0.0.1", port: 0)
        let client = try SocketClient(port: port)
        try client.send(get)
        try bench.run(client, untilItHas: "Content-Length: 0\r\n\r\n")
        #expect(client.statuses == ["404"])
        var isClosed = false
        other.drain { isClosed = true }
        other.closeAll()
        try bench.run { isClosed }
        try bench.close()
    }
}
