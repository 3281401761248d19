// SPDX-License-Identifier: Apache-2.0
import Glibc
import LoopIO
import Testing

/// A loop for one test, run in turns until something holds, and closed without leaks at the end.
@MainActor
struct LoopBench {
    let loop: EventLoop

    init() throws { loop = try EventLoop(servesMainQueue: false) }

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

    func close() throws { try loop.close() }
}

/// A client socket that never blocks after it is connected.
struct RawClient: ~Copyable {
    let descriptor: Int32

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let status = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                connect(descriptor, raw, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(status == 0)
    }

    deinit { Glibc.close(descriptor) }

    /// Sends what the system takes now and returns how much that was.
    @discardableResult
    func send(_ bytes: [UInt8]) -> Int {
        Glibc.send(
            descriptor, bytes, bytes.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
    }

    /// What has arrived, nothing at the end of the stream, or nil when there is nothing yet.
    func receive(atMost limit: Int = 65_536) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = recv(descriptor, &buffer, limit, Int32(MSG_DONTWAIT))
        guard count >= 0 else { return errno == EAGAIN ? nil : [] }
        return Array(buffer[..<count])
    }

    /// Makes the close send a reset instead of an orderly end.
    func resetOnClose() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    func endWriting() { shutdown(descriptor, Int32(SHUT_WR)) }
}
