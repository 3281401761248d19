// SPDX-License-Identifier: Apache-2.0
import Glibc
import LoopIO
import Testing

@testable import HTTPServing

/// A server on a loop of its own, run in turns until something holds, and closed without leaks.
@MainActor
final class ServerBench {
    let loop: EventLoop
    let server: HTTPServer
    let port: Int
    /// The requests that came, with their exchanges, for tests that answer later.
    var received: [(request: HTTPRequest, exchange: HTTPExchange)] = []

    /// Answers each request by `answer` at once, or keeps it in `received` if there is none.
    init(
        limits: HTTPLimits = HTTPLimits(), answer: ((HTTPRequest, HTTPExchange) -> Void)? = nil
    ) throws {
        loop = try EventLoop(servesMainQueue: false)
        var keep: (HTTPRequest, HTTPExchange) -> Void = { _, _ in }
        server = try HTTPServer(loop: loop, limits: limits) { request, exchange in
            if let answer { answer(request, exchange) } else { keep(request, exchange) }
        }
        port = try server.listen(host: "127.0.0.1", port: 0)
        keep = { [weak self] request, exchange in self?.received.append((request, exchange)) }
    }

    /// Runs the loop until `condition` holds; gives up after twenty seconds.
    func run(
        until condition: () -> Bool, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let tick = try LoopTimer(loop: loop)
        tick.start(after: .milliseconds(1), every: .milliseconds(1)) {}
        defer { tick.close() }
        let deadline = loop.now + 20_000_000_000
        while !condition() {
            guard loop.now < deadline else {
                Issue.record("the condition never held", sourceLocation: sourceLocation)
                return
            }
            loop.runTurn()
        }
    }

    /// Lets the loop turn that often, without waiting for something to happen.
    func turn(times: Int) throws {
        var turns = 0
        try run {
            turns += 1
            return turns > times
        }
    }

    /// Ends the server at once and the loop with it, which must have nothing left.
    func close() throws {
        received = []
        server.closeAll()
        try run { server.connectionCount == 0 && loop.handleCount == 1 }
        try loop.close()
    }

    /// Runs the loop until `client` has received `text` in its last bytes.
    func run(
        _ client: SocketClient, untilItHas text: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try run(
            until: {
                client.receive()
                return client.text.hasSuffix(text)
            }, sourceLocation: sourceLocation)
    }
}

/// A client socket that never blocks after it is connected.
@MainActor
final class SocketClient {
    private(set) var bytes: [UInt8] = []
    /// Whether the server has sent its end, or a reset.
    private(set) var isEnded = false
    private var descriptor: Int32

    /// Connects, with a receive buffer of its own choice if the client is to read slowly.
    init(port: Int, receiveBufferBytes: Int32? = nil) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        if var size = receiveBufferBytes {
            setsockopt(
                descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let status = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                connect(descriptor, raw, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { throw Refused() }
    }

    /// Nobody listens there.
    struct Refused: Error {}

    deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

    var text: String { String(decoding: bytes, as: UTF8.self) }

    /// The status codes of the responses so far.
    var statuses: [String] {
        text.split(separator: "HTTP/1.1 ", omittingEmptySubsequences: true).map {
            String($0.prefix(3))
        }
    }

    /// Sends all of `text`, which must fit into the system's buffer.
    func send(_ text: String) throws {
        let bytes = Array(text.utf8)
        let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
        try #require(Glibc.send(descriptor, bytes, bytes.count, flags) == bytes.count)
    }

    /// Sends what the system takes now; false when the connection is gone.
    @discardableResult
    func sendSome(_ bytes: [UInt8]) -> Bool {
        let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
        return Glibc.send(descriptor, bytes, bytes.count, flags) >= 0 || errno == EAGAIN
    }

    /// Takes what has arrived.
    func receive() {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count > 0 {
                bytes += buffer[..<count]
            } else {
                if count == 0 || errno != EAGAIN { isEnded = true }
                return
            }
        }
    }

    func close() {
        Glibc.close(descriptor)
        descriptor = -1
    }
}
