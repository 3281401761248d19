// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import HTTPServing

struct ConnectionDeadlineTests {
    private let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

    /// Five different timeouts, so that a mix-up shows.
    private static var limits: HTTPLimits {
        var limits = HTTPLimits()
        limits.headerTimeout = .seconds(10)
        limits.bodyTimeout = .seconds(20)
        limits.writeStallTimeout = .seconds(30)
        limits.idleTimeout = .seconds(40)
        limits.lingerTimeout = .seconds(2)
        return limits
    }

    @Test func silentConnectionIsClosedSilently() {
        var bench = MachineBench(limits: Self.limits)
        bench.pass(.milliseconds(9_999))
        #expect(bench.events.isEmpty)
        bench.pass(.milliseconds(1))
        #expect(bench.outline == ["close"])
    }

    @Test func slowHeadersAreRefusedHoweverTheyTrickle() {
        var bench = MachineBench(limits: Self.limits)
        for byte in Array(get.utf8).prefix(9) {
            bench.receive([byte])
            bench.pass(.seconds(1))
        }
        #expect(bench.events.isEmpty)
        bench.pass(.seconds(1))
        #expect(bench.outline == ["408", "shutdown"])
    }

    @Test func headersOfALaterRequestHaveTheirOwnTime() {
        var bench = MachineBench(limits: Self.limits)
        bench.receive(get)
        bench.pass(.seconds(39))
        bench.receive("G")
        bench.pass(.seconds(9))
        #expect(!bench.isClosed)
        bench.pass(.seconds(1))
        #expect(bench.outline == ["request GET /", "200", "408", "shutdown"])
    }

    @Test func slowBodyIsRefused() {
        var bench = MachineBench(limits: Self.limits)
        bench.receive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
        for _ in 0..<19 {
            bench.receive("x")
            bench.pass(.seconds(1))
        }
        #expect(bench.events.isEmpty)
        bench.pass(.seconds(1))
        #expect(bench.outline == ["408", "shutdown"])
    }

    @Test func restingConnectionIsClosed() {
        var bench = MachineBench(limits: Self.limits)
        bench.receive(get)
        bench.pass(.seconds(39))
        #expect(!bench.isClosed)
        bench.pass(.seconds(1))
        #expect(bench.outline == ["request GET /", "200", "close"])
    }

    @Test func handlerMayTakeAnyTime() {
        var bench = MachineBench(limits: Self.limits, answersAtOnce: false)
        bench.receive(get)
        bench.pass(.seconds(100_000))
        bench.respond()
        #expect(bench.outline == ["request GET /", "200"])
    }

    @Test func clientThatTakesNothingIsGivenUp() {
        var bench = MachineBench(limits: Self.limits, answersAtOnce: false)
        bench.receive(get)
        bench.stuckBytes = 3
        bench.startStream()
        bench.pass(.seconds(29))
        // More is sent, but still nothing is taken.
        bench.stuckBytes += 6
        bench.send("a")
        bench.pass(.seconds(1))
        #expect(bench.outline == ["request GET /", "200", "gone slowClient", "close"])
    }

    @Test func clientThatTakesALittleIsNotGivenUp() {
        var bench = MachineBench(limits: Self.limits)
        bench.stuckBytes = 60
        bench.receive(get)
        for waiting in (1..<60).reversed() {
            bench.pass(.seconds(29))
            bench.machine.wrote(buffered: waiting, at: bench.now)
        }
        #expect(bench.outline == ["request GET /", "200"])
        bench.unstick()
        bench.pass(.seconds(39))
        #expect(!bench.isClosed)
        bench.pass(.seconds(1))
        #expect(bench.isClosed)
    }

    @Test func lingeringEnds() {
        var bench = MachineBench(limits: Self.limits)
        bench.receive("bad request\r\n")
        bench.receive(String(repeating: "x", count: 10_000))
        bench.pass(.milliseconds(1_999))
        #expect(bench.outline == ["400", "shutdown"])
        bench.pass(.milliseconds(1))
        #expect(bench.outline == ["400", "shutdown", "close"])
    }
}
