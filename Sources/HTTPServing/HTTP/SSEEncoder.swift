// SPDX-License-Identifier: Apache-2.0

/// Writes server-sent events (WHATWG HTML §9.2, "Interpreting an event stream").
package nonisolated enum SSEEncoder {
    /// A comment, which clients skip and which keeps proxies from giving the stream up.
    package static let keepAlive = Array(":\n\n".utf8)

    /// One event; each line of `data` gets a field of its own, so that no line end can forge one.
    package static func event(data: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(data.count + 8)
        output += "data: ".utf8
        var afterReturn = false
        for byte in data {
            // A line ends with CR, LF or both.
            if byte == 0x0d || (byte == 0x0a && !afterReturn) {
                output += "\ndata: ".utf8
            } else if byte != 0x0a {
                output.append(byte)
            }
            afterReturn = byte == 0x0d
        }
        output += "\n\n".utf8
        return output
    }
}
