// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The status and the headers of a response.
struct WireHead: Sendable {
    var status: Int
    /// Names in lower case, in the order of the wire.
    var headers: [(name: String, value: String)]

    subscript(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

/// A whole response.
struct WireReply: Sendable {
    var head: WireHead
    var body: [UInt8]

    var status: Int { head.status }
    var text: String { String(decoding: body, as: UTF8.self) }
    var json: JSON { get throws { try JSON(parsing: body) } }
    /// `error.message` of a refusal.
    var message: String { (try? json["error"]["message"].text) ?? "" }
}

extension WireConnection {
    /// Sends a request; the connection stays usable for the next one.
    func request(
        _ method: String, _ path: String, headers: [String] = [], body: [UInt8] = []
    ) throws {
        var lines = ["\(method) \(path) HTTP/1.1", "Host: 127.0.0.1"] + headers
        if !body.isEmpty || method == "POST" {
            lines += ["Content-Type: application/json", "Content-Length: \(body.count)"]
        }
        try send(Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + body)
    }

    func post(_ path: String, _ json: JSON, headers: [String] = []) throws -> WireReply {
        try request("POST", path, headers: headers, body: json.bytes)
        return try reply()
    }

    func get(_ path: String) throws -> WireReply {
        try request("GET", path)
        return try reply()
    }

    func head() throws -> WireHead {
        let first = try line()
        let words = first.split(separator: " ", maxSplits: 2)
        guard words.count >= 2, words[0] == "HTTP/1.1", let status = Int(words[1]) else {
            throw WireFault.malformed(first)
        }
        var head = WireHead(status: status, headers: [])
        while case let field = try line(), !field.isEmpty {
            guard let colon = field.firstIndex(of: ":") else { throw WireFault.malformed(field) }
            let value = field[field.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            head.headers.append((field[..<colon].lowercased(), value))
        }
        return head
    }

    /// Reads a whole response, of either framing.
    func reply(toHead isHead: Bool = false) throws -> WireReply {
        let head = try head()
        if isHead || head.status == 204 { return WireReply(head: head, body: []) }
        if head["transfer-encoding"] == "chunked" {
            var body: [UInt8] = []
            while let chunk = try chunk() { body += chunk }
            return WireReply(head: head, body: body)
        }
        guard let count = head["content-length"].flatMap({ Int($0) }) else {
            return WireReply(head: head, body: try rest())
        }
        return WireReply(head: head, body: try bytes(count))
    }

    /// One chunk of a chunked body; `nil` after the last.
    func chunk() throws -> [UInt8]? {
        let size = try line()
        guard let count = Int(size, radix: 16) else { throw WireFault.malformed("chunk \(size)") }
        let chunk = try bytes(count)
        guard try line().isEmpty else { throw WireFault.malformed("the end of a chunk") }
        return count == 0 ? nil : chunk
    }
}

/// A stream of server-sent events, read as far as the test wants.
///
/// Unchecked for the reason of its connection.
final class EventStream: @unchecked Sendable {
    let head: WireHead
    private let connection: WireConnection
    private var pending: [UInt8] = []
    /// Whether `[DONE]` came.
    private(set) var isDone = false

    /// Sends the request and reads the head of the response.
    init(
        _ connection: WireConnection, _ path: String, _ json: JSON, headers: [String] = []
    ) throws {
        self.connection = connection
        var json = json
        json["stream"] = true
        try connection.request("POST", path, headers: headers, body: json.bytes)
        head = try connection.head()
        guard head.status == 200 else {
            let count = head["content-length"].flatMap { Int($0) } ?? 0
            throw WireFault.malformed(
                "\(head.status) " + String(decoding: try connection.bytes(count), as: UTF8.self))
        }
    }

    /// The next event; `nil` after `[DONE]`.
    ///
    /// - Throws: `WireFault.ended` where the stream was cut off.
    func next() throws -> JSON? {
        while true {
            if let event = takeEvent() {
                if event.hasPrefix(":") { continue }
                guard event.hasPrefix("data: ") else { throw WireFault.malformed(event) }
                let payload = event.dropFirst(6)
                guard payload == "[DONE]" else { return try JSON(parsing: String(payload)) }
                isDone = true
                guard try connection.chunk() == nil else {
                    throw WireFault.malformed("something behind [DONE]")
                }
                return nil
            }
            guard let chunk = try connection.chunk() else {
                throw WireFault.ended("without [DONE]")
            }
            pending += chunk
        }
    }

    /// The lines up to the first empty one, where that has come.
    private func takeEvent() -> String? {
        var from = pending.startIndex
        while let end = pending[from...].firstIndex(of: 0x0A), end + 1 < pending.endIndex {
            if pending[end + 1] == 0x0A {
                defer { pending.removeSubrange(...(end + 1)) }
                return String(decoding: pending[..<end], as: UTF8.self)
            }
            from = end + 1
        }
        return nil
    }

    /// The client goes away in the middle.
    func leave() { connection.leave() }

    /// Everything to the end of the connection, as it is on the wire.
    func rest() throws -> String { String(decoding: try connection.rest(), as: UTF8.self) }

    /// Every event to the end.
    func all() throws -> [JSON] {
        var events: [JSON] = []
        while let event = try next() { events.append(event) }
        return events
    }
}
