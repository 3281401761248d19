// SPDX-License-Identifier: Apache-2.0
import CLibuv
internal import Glibc

/// The socket on which whoever started the process is told how it stands: datagrams, one way.
package nonisolated struct NotifySocket: Sendable {
    private let address: UnixAddress

    /// - Parameter path: absolute, or with `@` before the name of an abstract socket.
    /// - Throws: ``LoopError`` with `invalidAddress` for any other.
    package init(path: String) throws(LoopError) {
        guard path.hasPrefix("/") || path.hasPrefix("@"), path.utf8.count > 1 else {
            throw LoopError(
                .invalidAddress, "a notify socket is an absolute path or begins with @: \(path)")
        }
        address =
            path.hasPrefix("@")
            ? try UnixAddress(abstractName: String(path.dropFirst()))
            : try UnixAddress(path: path)
    }

    /// Sends one datagram and waits for nothing.
    package func send(_ text: String) throws(LoopError) {
        let action = "tell \(address.path) how the process stands"
        let kind = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_UNIX, kind | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw LoopError(UVStatus(errno: errno), during: action) }
        defer { Glibc.close(descriptor) }
        let bytes = Array(text.utf8)
        let sent = address.withRaw {
            sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, $1)
        }
        guard sent == bytes.count else {
            throw LoopError(UVStatus(errno: errno), during: action)
        }
    }
}
