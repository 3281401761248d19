// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import HTTPServing

struct ConnectionMachineTests {
    private let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    private let date = "Date: \(MachineBench.date)\r\n"

    @Test func responseIsFramedByItsLength() {
        var bench = MachineBench(answersAtOnce: false)
        bench.receive(get)
        bench.respond(201, headers: ["X-Y": "z"], body: "{}")
        #expect(
            bench.written == "HTTP/1.1 201 Created\r\n\(date)x-y: z\r\n"
                + "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
        #expect(bench.machine.phase == .idle)
    }

    @Test func streamIsChunked() {
        var bench = MachineBench(answersAtOnce: false)
        bench.receive(get)
        bench.startStream()
        bench.send("hello, world of chunks")
        bench.send("")
        bench.send("!")
        bench.finish()
        #expect(
            bench.written == "HTTP/1.1 200 OK\r\n\(date)content-type: text/plain\r\n"
                + "Transfer-Encoding: chunked\r\n\r\n"
                + "16\r\nhello, world of chunks\r\n1\r\n!\r\n0\r\n\r\n")
        bench.receive(get)
        #expect(bench.requests.count == 2)
    }

    @Test func streamForHTTP10EndsWithTheConnection() {
        var bench = MachineBench(answersAtOnce: false)
        bench.receive("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        bench.startStream()
        bench.send("a")
        bench.finish()
        #expect(
            bench.written == "HTTP/1.1 200 OK\r\n\(date)content-type: text/plain\r\n"
                + "Connection: close\r\n\r\na")
        #expect(bench.outline == ["request GET / connection=keep-alive", "200", "shutdown"])
    }

    @Test func headHasTheHeadersAndNoBody() {
        var bench = MachineBench(answersAtOnce: false)
        bench.receive("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        bench.respond(body: "12345")
        #expect(bench.written.hasSuffix("Content-Length: 5\r\n\r\n"))
        bench.receive("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        bench.startStream()
        bench.send("12345")
        bench.finish()
        #expect(bench.written.hasSuffix("Transfer-Encoding: chunked\r\n\r\n"))
        #expect(bench.machine.phase == .idle)
    }

    @Test(arguments: [204, 304])
    func statusWithoutABodyHasNone(status: Int) {
        var bench = MachineBench(answersAtOnce: false)
        bench.receive(get)
        bench.respond(status, body: "left out")
        #expect(bench.written.hasSuffix("\(date)\r\n"))
        #expect(bench.machine.phase == .idle)
    }

    @Test(arguments: [
        ("1.1", "", true, ""), ("1.1", "Connection: close\r\n", false, "Connection: close\r\n"),
        ("1.1", "Connection: Close, x\r\n", false, "Connection: close\r\n"),
        ("1.0", "", false, "Connection: close\r\n"),
        ("1.0", "Connection: keep-alive\r\n", true, "Connection: keep-alive\r\n"),
    ])
    func connectionPersistsAsTheClientWishes(
        version: String, field: String, persists: Bool, answer: String
    ) {
        var bench = MachineBench()
        bench.receive("GET / HTTP/\(version)\r\nHost: a\r\n\(field)\r\n")
        #expect(bench.written.contains("\r\nContent-Length: 2\r\n\(answer)\r\nok"))
        #expect((bench.machine.phase == .idle) == persists)
        #expect((bench.events.last == .shutdown) == !persists)
    }

    @Test func handlerMayCloseTheConnection() {
        var bench = MachineBench(answersAtOnce: false)
        bench.receive(get)
        bench.respond(headers: ["Connection": "close"])
        #expect(bench.outline == ["request GET /", "200", "shutdown"])
        bench.receive(get)
        #expect(bench.requests.count == 1)
        bench.change { $0.peerEnded() }
        #expect(bench.isClosed)
    }

    @Test func headersCannotForgeAResponse() {
        let headers: HTTPHeaders = [
            "x": "a\r\nSet-Cookie: b\r\n\r\n<html>", "content-length": "9", "date": "now",
            "transfer-encoding": "chunked",
        ]
        var bench = MachineBench(answersAtOnce: false)
        bench.receive(get)
        bench.respond(headers: headers, body: "")
        #expect(
            bench.written == "HTTP/1.1 200 OK\r\n\(date)x: a  Set-Cookie: b    <html>\r\n"
                + "Content-Length: 0\r\n\r\n")
    }

    @Test func pipelinedRequestsAreAnsweredOneByOne() {
        var bench = MachineBench(answersAtOnce: false)
        bench.receive(get + "GET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3")
        #expect(bench.outline == ["request GET /"])
        bench.respond()
        #expect(bench.outline == ["request GET /", "request GET /2", "200"])
        bench.respond()
        #expect(bench.machine.phase == .readingHead)
        #expect(bench.machine.exchangeNumber == 2)
    }

    @Test func nextRequestWaitsUntilTheClientHasTheResponse() {
        var bench = MachineBench()
        bench.stuckBytes = 10
        bench.receive(get)
        bench.receive(get)
        #expect(bench.requests.count == 1)
        bench.unstick()
        #expect(bench.requests.count == 2)
    }

    @Test func pipelinedResponsesAreWrittenInBoundedBatches() {
        var limits = HTTPLimits()
        limits.pipelinedBytes = 1 << 20
        var bench = MachineBench(limits: limits)
        bench.stuckBytes = 1
        bench.receive(String(repeating: get, count: 10_000))
        #expect(bench.requests.count > 100)
        #expect(bench.written.utf8.count < ConnectionMachine.outputBatchBytes + 200)
        bench.unstick()
        #expect(bench.requests.count == 10_000)
    }

    @Test func pipelinedInputIsBounded() {
        var limits = HTTPLimits()
        limits.pipelinedBytes = 100
        var bench = MachineBench(limits: limits, answersAtOnce: false)
        bench.receive(get)
        bench.receive(String(repeating: "x", count: 99))
        #expect(bench.machine.wantsInput)
        bench.receive("x")
        #expect(!bench.machine.wantsInput)
        bench.respond()
        #expect(bench.outline == ["request GET /", "200", "400", "shutdown"])
    }

    @Test func continueIsSaidOnlyToAClientThatWaits() {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n"
        var bench = MachineBench()
        bench.receive(head)
        #expect(bench.written == "HTTP/1.1 100 Continue\r\n\r\n")
        bench.receive("abc")
        #expect(bench.requests.first?.body == Array("abc".utf8))
        var eager = MachineBench()
        eager.receive(head + "abc")
        #expect(eager.written.hasPrefix("HTTP/1.1 200 OK\r\n"))
        var limits = HTTPLimits()
        limits.bodyBytes = 2
        var tooLarge = MachineBench(limits: limits)
        tooLarge.receive(head)
        #expect(tooLarge.outline == ["413", "shutdown"])
    }

    @Test func clientThatLeavesIsToldOnce() {
        var bench = MachineBench(answersAtOnce: false)
        bench.receive(get)
        bench.startStream()
        bench.send("a")
        bench.change { $0.peerEnded() }
        #expect(bench.outline == ["request GET /", "200", "gone disconnected", "close"])
        bench.change { $0.connectionLost() }
        bench.send("b")
        bench.finish()
        bench.respond()
        #expect(bench.events.count == 4)
    }

    @Test func clientThatLeavesBetweenRequestsIsNoLoss() {
        var bench = MachineBench()
        bench.receive(get)
        bench.change { $0.peerEnded() }
        #expect(bench.outline == ["request GET /", "200", "close"])
    }

    @Test func clientThatEndsItsInputStillGetsWhatIsOnItsWay() {
        var bench = MachineBench()
        bench.stuckBytes = 5
        bench.receive(get)
        bench.change { $0.peerEnded() }
        #expect(!bench.isClosed)
        bench.unstick()
        #expect(bench.isClosed)
    }

    @Test func drainClosesIdleConnectionsAndFinishesTheOthers() {
        var idle = MachineBench()
        idle.receive(get)
        idle.change { $0.drain() }
        #expect(idle.isClosed)

        var busy = MachineBench(answersAtOnce: false)
        busy.receive(get)
        busy.change { $0.drain() }
        busy.respond()
        #expect(busy.written.contains("\r\nConnection: close\r\n"))
        #expect(busy.events.last == .shutdown)

        var streaming = MachineBench(answersAtOnce: false)
        streaming.receive(get)
        streaming.startStream()
        streaming.change { $0.drain() }
        streaming.send("last")
        streaming.finish()
        #expect(streaming.written.hasSuffix("4\r\nlast\r\n0\r\n\r\n"))
        #expect(streaming.events.last == .shutdown)

        var reading = MachineBench()
        reading.receive("GET /")
        reading.change { $0.drain() }
        reading.receive(" HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(reading.outline == ["request GET /", "200", "shutdown"])
    }

    @Test func closingTellsTheHandler() {
        var bench = MachineBench(answersAtOnce: false)
        bench.receive(get)
        bench.change { $0.closeNow(.serverClosed) }
        #expect(bench.outline == ["request GET /", "gone serverClosed", "close"])
    }

    @Test func refusedConnectionIsToldSo() {
        var bench = MachineBench()
        bench.change { $0.refuse(HTTPFault(503, "full \"up\"\n")) }
        #expect(bench.written.contains("\r\nretry-after: 1\r\n"))
        #expect(bench.written.contains("\"message\":\"full \\\"up\\\" \",\"type\":\"ServerError\""))
        #expect(bench.outline == ["503", "shutdown"])
    }
}
