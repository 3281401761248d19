// SPDX-License-Identifier: Apache-2.0
@testable import HTTPServing

/// A connection machine with a handler, and a journal of what came out.
struct MachineBench {
    enum Event: Equatable, CustomStringConvertible {
        case request(String)
        case wrote(String)
        case gone(ClientGoneReason)
        case shutdown
        case close

        var description: String {
            switch self {
            case .request(let text): "request \(text)"
            case .wrote(let text): "wrote \(text.debugDescription)"
            case .gone(let reason): "gone \(reason)"
            case .shutdown: "shutdown"
            case .close: "close"
            }
        }
    }

    static let date = "Thu, 01 Jan 1970 00:00:00 GMT"

    var machine: ConnectionMachine
    var now: UInt64 = 1_000_000_000
    private(set) var events: [Event] = []
    private(set) var requests: [HTTPRequest] = []
    /// Bytes that the socket will not take, as if the client did not read.
    var stuckBytes = 0
    /// Whether each request is answered 200 at once, its body being "ok".
    let answersAtOnce: Bool

    init(limits: HTTPLimits = HTTPLimits(), answersAtOnce: Bool = true) {
        self.answersAtOnce = answersAtOnce
        machine = ConnectionMachine(limits: limits, at: now) { Self.date }
    }

    mutating func receive(_ text: String) { receive(Array(text.utf8)) }

    mutating func receive(_ bytes: [UInt8]) {
        bytes.withUnsafeBufferPointer { machine.received($0, at: now) }
        perform()
    }

    mutating func respond(
        _ status: Int = 200, headers: HTTPHeaders = [:], body: String = "ok"
    ) {
        machine.respond(
            status: status, headers: headers, body: Array(body.utf8), date: Self.date, at: now)
        perform()
    }

    mutating func startStream(headers: HTTPHeaders = ["content-type": "text/plain"]) {
        machine.startStream(status: 200, headers: headers, date: Self.date)
        perform()
    }

    mutating func send(_ text: String) {
        machine.send(Array(text.utf8))
        perform()
    }

    mutating func finish() {
        machine.finish(at: now)
        perform()
    }

    mutating func change(_ body: (inout ConnectionMachine) -> Void) {
        body(&machine)
        perform()
    }

    mutating func pass(_ duration: Duration) {
        now += duration.clampedNanoseconds
        machine.tick(at: now)
        perform()
    }

    /// The client takes what waited for it.
    mutating func unstick() {
        stuckBytes = 0
        machine.wrote(buffered: 0, at: now)
        perform()
    }

    /// The journal without the text of the writes, each status line apart.
    var outline: [String] {
        events.flatMap { event -> [String] in
            guard case .wrote(let text) = event else { return ["\(event)"] }
            return text.split(separator: "HTTP/1.1 ").map { String($0.prefix(3)) }
        }
    }

    var written: String {
        events.map { if case .wrote(let text) = $0 { text } else { "" } }.joined()
    }

    var isClosed: Bool { events.last == .close }

    private mutating func perform() {
        while let action = machine.next(at: now) {
            switch action {
            case .dispatch(let request, _):
                requests.append(request)
                events.append(.request(request.summary))
                if answersAtOnce {
                    machine.respond(
                        status: 200, headers: ["content-type": "text/plain"],
                        body: Array("ok".utf8), date: Self.date, at: now)
                }
            case .write(let bytes):
                append(String(decoding: bytes, as: UTF8.self))
                machine.wrote(buffered: stuckBytes, at: now)
            case .clientGone(let reason): events.append(.gone(reason))
            case .shutdown: events.append(.shutdown)
            case .close: events.append(.close)
            }
        }
    }

    /// Writes that follow each other count as one.
    private mutating func append(_ text: String) {
        if case .wrote(let before)? = events.last {
            events[events.count - 1] = .wrote(before + text)
        } else {
            events.append(.wrote(text))
        }
    }
}

extension HTTPRequest {
    /// The request on one line.
    var summary: String {
        var text = "\(method) \(path)"
        if !query.isEmpty { text += "?\(query)" }
        for field in headers.fields where field.name != "host" {
            text += " \(field.name)=\(field.value)"
        }
        return body.isEmpty ? text : text + " [\(String(decoding: body, as: UTF8.self))]"
    }
}
