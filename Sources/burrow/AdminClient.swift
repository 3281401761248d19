// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation

/// Asks the admin surface of a host over its Unix socket, one question to a connection.
struct AdminClient {
    let path: String
    /// What is thrown for a message.
    private let refuse: (String) -> any Error

    /// By default what goes wrong is told at once.
    init(path: String, refuse: @escaping (String) -> any Error = { fail($0) }) {
        self.path = path
        self.refuse = refuse
    }

    /// A whole reply, whatever its status.
    struct Reply {
        var status: Int
        var body: Data
    }

    /// Sends a request with a body and waits so many seconds for each piece of the reply.
    func ask(
        _ method: String, _ target: String, headers: [String: String] = [:], body: [UInt8] = [],
        within seconds: Int = 120
    ) throws -> Reply {
        var head = "\(method) \(target) HTTP/1.0\r\nHost: burrow\r\n"
        for (name, value) in headers.sorted(by: { $0.key < $1.key }) {
            head += "\(name): \(value)\r\n"
        }
        head += "Content-Length: \(body.count)\r\n\r\n"
        var reply = Data()
        let status = try exchange(Array(head.utf8) + body, within: seconds, isWanted: { _ in true })
        { reply.append($0) }
        return Reply(status: status, body: reply)
    }

    /// What the host says when something is wrong.
    private struct Refusal: Decodable {
        struct Fault: Decodable { let message: String }
        let error: Fault
    }

    /// The whole body of a reply.
    func get(_ target: String) throws -> Data {
        var body = Data()
        try get(target, within: 10) { body.append($0) }
        return body
    }

    /// Hands each piece of the body on as it comes, and waits so many seconds for each; without a
    /// number for ever.
    func get(_ target: String, within seconds: Int?, _ receive: (Data) throws -> Void) throws {
        let request = Array("GET \(target) HTTP/1.0\r\nHost: burrow\r\n\r\n".utf8)
        var refusal = Data()
        var isGood = true
        let status = try exchange(
            request, within: seconds,
            isWanted: {
                isGood = $0 == 200
                return true
            }
        ) { piece in
            if isGood { try receive(piece) } else { refusal.append(piece) }
        }
        guard status == 200 else { throw fail(Self.message(of: refusal)) }
    }

    /// Sends a request, and hands on the body of the reply if its status is wanted.
    ///
    /// - Returns: the status.
    private func exchange(
        _ request: [UInt8], within seconds: Int?, isWanted: (Int) -> Bool,
        _ receive: (Data) throws -> Void
    ) throws -> Int {
        let descriptor = try connected()
        defer { close(descriptor) }
        if let seconds {
            var time = timeval(tv_sec: seconds, tv_usec: 0)
            setsockopt(
                descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        }
        try send(request, to: descriptor)
        var head = Data()
        var status: Int?
        var takes = false
        while let piece = try read(descriptor) {
            guard status == nil else {
                if takes { try receive(piece) }
                continue
            }
            head.append(piece)
            guard let end = head.range(of: Data("\r\n\r\n".utf8)) else { continue }
            let first = String(decoding: head[..<end.lowerBound].prefix(64), as: UTF8.self)
            let code = first.split(separator: " ").dropFirst().first.flatMap { Int($0.prefix(3)) }
            status = code
            takes = isWanted(code ?? 0)
            let rest = head[end.upperBound...]
            if takes, !rest.isEmpty { try receive(Data(rest)) }
        }
        guard let status else { throw refuse(Self.message(of: head)) }
        return status
    }

    static func message(of body: Data) -> String {
        let refusal = try? JSONDecoder().decode(Refusal.self, from: body)
        return refusal?.error.message ?? "the host gave no answer that can be read"
    }

    /// Whether nobody will answer: the host has left its socket behind, or has gone with it by now.
    var isAbandoned: Bool {
        // A host whose queue of connections is full is there; it is not waited for.
        switch attempt(flags: Int32(SOCK_NONBLOCK.rawValue)) {
        case .open(let descriptor):
            close(descriptor)
            return false
        case .failed(let code): return code == ECONNREFUSED || code == ENOENT
        }
    }

    private func connected() throws -> Int32 {
        switch attempt() {
        case .open(let descriptor): return descriptor
        case .failed(ENAMETOOLONG):
            throw refuse("the path of a socket has 1 to \(Self.room - 1) bytes: \(path)")
        case .failed(ENOENT):
            throw refuse("no host runs: there is nothing at \(path)")
        case .failed(ECONNREFUSED):
            throw refuse("no host answers at \(path): the last one did not end well")
        case .failed(EACCES), .failed(EPERM):
            throw refuse("\(path) belongs to another user, and only they may ask")
        case .failed(let code):
            throw refuse("cannot connect to \(path): \(String(cString: strerror(code)))")
        }
    }

    /// What came of asking for a connection.
    private enum Attempt {
        case open(Int32)
        /// With the system's error number.
        case failed(Int32)
    }

    /// The bytes of a path, with the zero behind it.
    private static let room = MemoryLayout.size(ofValue: sockaddr_un().sun_path)

    private func attempt(flags: Int32 = 0) -> Attempt {
        guard !path.isEmpty, path.utf8.count < Self.room else { return .failed(ENAMETOOLONG) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | flags, 0)
        guard descriptor >= 0 else { return .failed(errno) }
        let answer = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard answer == 0 else {
            let code = errno
            close(descriptor)
            return .failed(code)
        }
        return .open(descriptor)
    }

    private func send(_ request: [UInt8], to descriptor: Int32) throws {
        var bytes = request[...]
        while !bytes.isEmpty {
            let sent = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if sent < 0, errno == EINTR { continue }
            guard sent > 0 else { throw refuse("cannot ask the host: \(Self.reason)") }
            bytes = bytes.dropFirst(sent)
        }
    }

    /// What came next, or `nil` at the end.
    private func read(_ descriptor: Int32) throws -> Data? {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count > 0 { return Data(buffer[..<count]) }
            if count == 0 { return nil }
            if errno == EINTR { continue }
            throw refuse(
                errno == EAGAIN
                    ? "the host at \(path) does not answer" : "the host went away: \(Self.reason)")
        }
    }

    private static var reason: String { String(cString: strerror(errno)) }
}

/// Complains, and gives what is to be thrown.
func fail(_ message: String) -> ExitCode {
    complain(message)
    return .failure
}
