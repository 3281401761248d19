// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What goes wrong between a test and the server.
enum WireFault: Error, CustomStringConvertible {
    case system(String, Int32)
    case deadline(String)
    /// The server closed where more was due.
    case ended(String)
    case malformed(String)

    /// Whether nobody listens at the address.
    var isRefused: Bool { if case .system(_, ECONNREFUSED) = self { true } else { false } }

    var description: String {
        switch self {
        case .system(let what, let number): "\(what): \(String(cString: strerror(number)))"
        case .deadline(let what): "not in time: \(what)"
        case .ended(let what): "the connection ended: \(what)"
        case .malformed(let what): "malformed: \(what)"
        }
    }
}

/// A TCP connection to the server, byte by byte: blocking calls with a deadline each.
///
/// Unchecked, as only one thread at a time uses a connection: tests hand it on, never share it.
final class WireConnection: @unchecked Sendable {
    static let deadlineMilliseconds: Int32 = 120_000

    private let descriptor: Int32
    private var buffer: [UInt8] = []
    private var start = 0
    private(set) var hasEnded = false

    /// Connects; the system keeps about `receiveBuffer` bytes for a reader who is slow.
    init(port: Int, receiveBuffer: Int32? = nil) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw WireFault.system("socket", errno) }
        if var size = receiveBuffer {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, 4)
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        // Everything is initialised, so that a throw runs `deinit`, which closes the socket.
        guard status == 0 else { throw WireFault.system("connect", errno) }
    }

    /// Connects to a Unix socket.
    init(socket path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw WireFault.system("socket", errno) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(107)) }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0 else { throw WireFault.system("connect", errno) }
    }

    deinit { Glibc.close(descriptor) }

    /// Says that nothing more will be sent or read; the server sees the client leave.
    func leave() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw WireFault.system("send", errno) }
            rest = rest.dropFirst(count)
        }
    }

    // MARK: - Reading

    /// Reads what has come, waiting for at least a byte.
    ///
    /// - Returns: whether there was any; not at the end of the connection.
    private func fill() throws -> Bool {
        guard !hasEnded else { return false }
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        switch poll(&waiting, 1, Self.deadlineMilliseconds) {
        case 0: throw WireFault.deadline("bytes from the server")
        case ..<0: throw WireFault.system("poll", errno)
        default: break
        }
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        if count <= 0 {
            // A reset is an end as well: the server has closed with bytes unread.
            guard count == 0 || errno == ECONNRESET else { throw WireFault.system("recv", errno) }
            hasEnded = true
            return false
        }
        if start > 0 {
            buffer.removeSubrange(..<start)
            start = 0
        }
        buffer += bytes[..<count]
        return true
    }

    /// A line without its CR LF.
    func line() throws -> String {
        var searched = 0
        while true {
            let rest = buffer[(start + searched)...]
            if let end = rest.firstIndex(of: 0x0A) {
                let line = buffer[start..<end]
                start = end + 1
                return String(decoding: line.last == 0x0D ? line.dropLast() : line, as: UTF8.self)
            }
            searched = buffer.count - start
            guard try fill() else { throw WireFault.ended("in a line") }
        }
    }

    func bytes(_ count: Int) throws -> [UInt8] {
        while buffer.count - start < count {
            guard try fill() else {
                throw WireFault.ended("\(buffer.count - start) of \(count) bytes came")
            }
        }
        defer { start += count }
        return Array(buffer[start..<start + count])
    }

    /// Everything to the end of the connection.
    func rest() throws -> [UInt8] {
        while try fill() {}
        defer { start = buffer.count }
        return Array(buffer[start...])
    }
}
