// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc

/// One end of the socket between a host and its supervisor. It owns its descriptor.
package final class ControlSocket {
    /// What came, with the descriptor that came with it, which is the receiver's.
    package struct Received {
        package var message: ControlMessage
        package var descriptor: Int32?
    }

    /// For `poll`, and for a child to inherit.
    package let descriptor: Int32

    package init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Two ends; `nil` where the system has no descriptors left.
    package static func pair() -> (ControlSocket, ControlSocket)? {
        var ends: [Int32] = [-1, -1]
        guard burrow_message_sockets(&ends) == 0 else { return nil }
        return (ControlSocket(descriptor: ends[0]), ControlSocket(descriptor: ends[1]))
    }

    /// Sends a message and a copy of a descriptor; waits while the other side is behind.
    ///
    /// - Returns: whether the other side is there.
    @discardableResult
    package func send(_ message: ControlMessage, with descriptor: Int32? = nil) -> Bool {
        let bytes = message.bytes
        var descriptors = descriptor.map { [$0] } ?? []
        return burrow_send(
            self.descriptor, bytes, bytes.count, &descriptors, Int32(descriptors.count)) > 0
    }

    /// Sends a request in parts.
    package func send(_ request: [UInt8], of id: UInt64) {
        var rest = request[...]
        repeat {
            let part = rest.prefix(ControlMessage.mostPart)
            rest = rest.dropFirst(part.count)
            send(.asked(id: id, part: Array(part), isLast: rest.isEmpty))
        } while !rest.isEmpty
    }

    /// Sends bytes of a request that is not whole.
    package func sendRead(_ bytes: [UInt8], of id: UInt64) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = rest.prefix(ControlMessage.mostPart)
            rest = rest.dropFirst(part.count)
            send(.reading(id: id, part: Array(part)))
        }
    }

    /// Waits for a message.
    ///
    /// - Returns: `nil` when the other side is gone; what is no message is passed over.
    package func receive() -> Received? {
        var bytes = [UInt8](repeating: 0, count: ControlMessage.mostBytes)
        while true {
            var descriptors: [Int32] = [-1]
            var count: Int32 = 1
            let length = burrow_receive(descriptor, &bytes, bytes.count, &descriptors, &count)
            if length == -Int(EMSGSIZE) { continue }
            guard length > 0 else { return nil }
            let attached = count > 0 ? descriptors[0] : nil
            if let message = ControlMessage(Array(bytes[..<length])) {
                return Received(message: message, descriptor: attached)
            }
            if let attached { close(attached) }
        }
    }
}
