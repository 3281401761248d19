// SPDX-License-Identifier: Apache-2.0
import CHTTPParser

/// Writes the heads and chunks of responses.
nonisolated enum ResponseEncoder {
    /// How the client finds the end of the body.
    enum Framing {
        case length(Int)
        case chunked
        case untilClose
        /// There is none, and the status says so.
        case none
    }

    /// What the connection adds to a head.
    struct Context {
        var framing: Framing
        var isHTTP10: Bool
        var keepsAlive: Bool
        /// As ``HTTPDate`` writes it.
        var date: String
    }

    /// The fields that the connection writes itself, whatever a handler put into the headers.
    private static let ownFields: Set<String> = [
        "connection", "content-length", "date", "keep-alive", "transfer-encoding",
    ]

    static func appendHead(
        status: Int, headers: HTTPHeaders, context: Context, to output: inout [UInt8]
    ) {
        output += "HTTP/1.1 \(status) \(reason(status))\r\n".utf8
        output += "Date: \(context.date)\r\n".utf8
        for field in headers.fields where !ownFields.contains(field.name) {
            output += field.name.utf8
            output += ": ".utf8
            output += field.value.utf8
            output += "\r\n".utf8
        }
        switch context.framing {
        case .length(let count):
            if count > 0, headers["content-type"] == nil {
                output += "Content-Type: application/json\r\n".utf8
            }
            output += "Content-Length: \(count)\r\n".utf8
        case .chunked: output += "Transfer-Encoding: chunked\r\n".utf8
        case .untilClose, .none: break
        }
        if !context.keepsAlive {
            output += "Connection: close\r\n".utf8
        } else if context.isHTTP10 {
            output += "Connection: keep-alive\r\n".utf8
        }
        output += "\r\n".utf8
    }

    /// Appends one chunk; nothing for no bytes, which would end the body.
    static func appendChunk(_ bytes: [UInt8], to output: inout [UInt8]) {
        guard !bytes.isEmpty else { return }
        output += String(bytes.count, radix: 16).utf8
        output += "\r\n".utf8
        output += bytes
        output += "\r\n".utf8
    }

    static let lastChunk = Array("0\r\n\r\n".utf8)
    static let continueLine = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)

    private static func reason(_ status: Int) -> String {
        guard (100...599).contains(status),
            let text = http_status_str(http_status(UInt32(status)))
        else { return "Unknown" }
        let reason = String(cString: text)
        return reason == "<unknown>" ? "Unknown" : reason
    }
}
