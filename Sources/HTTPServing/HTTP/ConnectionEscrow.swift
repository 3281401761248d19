// SPDX-License-Identifier: Apache-2.0

/// How a response reaches its end, for whoever would have to end it in the server's place.
package nonisolated enum ResponseEnding: Sendable, Equatable {
    /// By itself, or not at all.
    case whole
    /// By a last event in a chunk of its own.
    case chunkedEvents
    /// By a last event and the end of the connection.
    case plainEvents
}

/// Hears what a server is about to do with each connection, before it does it, so that somebody
/// else can go on where it stops.
package struct ConnectionEscrow {
    /// A client is there, at this descriptor.
    package var opened: (_ id: Int, _ descriptor: Int32, _ peer: String) -> Void
    /// Bytes of a request that is not whole yet, as they came.
    package var reading: (_ id: Int, _ bytes: [UInt8]) -> Void
    /// A whole request, as bytes that mean the same.
    package var asked: (_ id: Int, _ request: [UInt8]) -> Void
    /// The first bytes of a response are about to go out.
    package var began: (_ id: Int, _ ending: ResponseEnding) -> Void
    /// The last bytes of the response are with the system.
    package var answered: (_ id: Int) -> Void
    package var closed: (_ id: Int) -> Void

    package init(
        opened: @escaping (_ id: Int, _ descriptor: Int32, _ peer: String) -> Void,
        reading: @escaping (_ id: Int, _ bytes: [UInt8]) -> Void,
        asked: @escaping (_ id: Int, _ request: [UInt8]) -> Void,
        began: @escaping (_ id: Int, _ ending: ResponseEnding) -> Void,
        answered: @escaping (_ id: Int) -> Void, closed: @escaping (_ id: Int) -> Void
    ) {
        self.opened = opened
        self.reading = reading
        self.asked = asked
        self.began = began
        self.answered = answered
        self.closed = closed
    }
}

extension HTTPRequest {
    /// A request over HTTP/1.1 that means the same, whatever this one was.
    var replay: [UInt8] {
        let target = Self.encoded(path) + (query.isEmpty ? "" : "?\(query)")
        var head = "\(method) \(target) HTTP/1.1\r\n"
        for field in headers.fields where !Self.framing.contains(field.name) {
            head += "\(field.name): \(field.value)\r\n"
        }
        head += "content-length: \(body.count)\r\n\r\n"
        return Array(head.utf8) + body
    }

    private static let framing: Set<String> = ["content-length", "transfer-encoding", "expect"]

    /// The path with everything but letters, digits and a few marks in per cent.
    private static func encoded(_ path: String) -> String {
        var text = ""
        for byte in path.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x2f, 0x5f, 0x7e, 0x3a, 0x2a:
                text.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                text += digits.count == 1 ? "%0\(digits)" : "%\(digits)"
            }
        }
        return text
    }
}
