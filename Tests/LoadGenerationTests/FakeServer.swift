// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// A server that answers as a test says: a thread for each connection, blocking calls.
final class FakeServer: Sendable {
    /// One request with the way to its client.
    struct Exchange {
        var method: String
        var path: String
        /// Names in lower case.
        var headers: [String: String]
        var body: [UInt8]
        fileprivate var descriptor: Int32

        /// Sends bytes as they are; a client that left is none of the server's business.
        func send(_ text: String) {
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes {
                    Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                guard count > 0 else { return }
                rest = rest.dropFirst(count)
            }
        }

        func reply(_ status: Int = 200, _ body: String) {
            send(
                "HTTP/1.1 \(status) Status\r\nContent-Type: application/json\r\n"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
        }

        /// Streams events, each in a chunk of its own.
        func stream(_ events: [String]) {
            beginStream()
            for event in events { chunk("data: \(event)\n\n") }
            send("0\r\n\r\n")
        }

        func beginStream() {
            send(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                    + "Transfer-Encoding: chunked\r\n\r\n")
        }

        func chunk(_ text: String) {
            send(String(text.utf8.count, radix: 16) + "\r\n\(text)\r\n")
        }

        /// Ends the connection, in the middle of whatever it was.
        func hangUp() { shutdown(descriptor, Int32(SHUT_RDWR)) }
    }

    let port: Int
    private let listener: Int32
    private let seen: Counter

    private final class Counter: Sendable {
        let count = Mutex(0)
    }

    /// Listens until the value goes away.
    init(_ answer: @escaping @Sendable (Exchange) -> Void) {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        self.listener = listener
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        port = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                precondition(bind(listener, address, length) == 0 && listen(listener, 512) == 0)
                getsockname(listener, address, &length)
            }
            return Int(UInt16(bigEndian: pointer.pointee.sin_port))
        }
        let seen = Counter()
        self.seen = seen
        Thread {
            while case let descriptor = accept(listener, nil, nil), descriptor >= 0 {
                let thread = Thread {
                    while let exchange = Self.read(descriptor) {
                        seen.count.withLock { $0 += 1 }
                        answer(exchange)
                    }
                    close(descriptor)
                }
                thread.start()
            }
            // Here and not in `deinit`, so that no other socket gets the number in between.
            close(listener)
        }.start()
    }

    deinit { shutdown(listener, Int32(SHUT_RDWR)) }

    var address: String { "http://127.0.0.1:\(port)" }
    /// Requests that have come in.
    var requestCount: Int { seen.count.withLock { $0 } }

    private static func read(_ descriptor: Int32) -> Exchange? {
        var bytes: [UInt8] = []
        let end = Array("\r\n\r\n".utf8)
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        func fill() -> Bool {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count > 0 { bytes += buffer[..<count] }
            return count > 0
        }
        var head: Int?
        while head == nil {
            guard fill() else { return nil }
            head = bytes.indices.dropLast(3).first { bytes[$0..<$0 + 4].elementsEqual(end) }
        }
        let lines = String(decoding: bytes[..<(head ?? 0)], as: UTF8.self)
            .components(separatedBy: "\r\n")
        let words = lines[0].split(separator: " ").map(String.init)
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let pair = line.split(separator: ":", maxSplits: 1).map(String.init)
            headers[pair[0].lowercased()] = pair.last?.trimmingCharacters(in: .whitespaces)
        }
        bytes.removeFirst((head ?? 0) + 4)
        let length = headers["content-length"].flatMap { Int($0) } ?? 0
        while bytes.count < length { guard fill() else { return nil } }
        return Exchange(
            method: words[0], path: words[1], headers: headers, body: bytes, descriptor: descriptor)
    }
}

/// Lets nobody past before it is opened.
final class Gate: Sendable {
    private let group = DispatchGroup()

    init() { group.enter() }

    func open() { group.leave() }

    func wait() { group.wait() }
}

/// Events of a completion.
enum Events {
    static func token(_ text: String, finish: String? = nil) -> String {
        let reason = finish.map { "\"\($0)\"" } ?? "null"
        return """
            {"choices":[{"index":0,"text":"\(text)","finish_reason":\(reason)}],"usage":null}
            """
    }

    static func usage(prompt: Int, output: Int) -> String {
        """
        {"choices":[],"usage":{"prompt_tokens":\(prompt),"completion_tokens":\(output)}}
        """
    }

    /// A whole answer of `count` tokens.
    static func answer(_ count: Int, prompt: Int = 7) -> [String] {
        (0..<count).map { token("t", finish: $0 == count - 1 ? "length" : nil) }
            + [usage(prompt: prompt, output: count), "[DONE]"]
    }
}
