// SPDX-License-Identifier: Apache-2.0

/// How the response of a connection is written, for whoever must end it in its place.
package enum ResponseForm: UInt8, Sendable, CaseIterable {
    /// In one piece, or not to be ended by anybody else.
    case whole = 0
    /// Server-sent events in chunks.
    case chunkedEvents = 1
    /// Server-sent events up to the end of the connection.
    case plainEvents = 2
}

/// What a host and its supervisor tell each other, each in a packet of its own.
package enum ControlMessage: Sendable, Equatable {
    /// Host: this is where it listens; with the descriptor.
    case listening
    /// Host: it serves.
    case ready
    /// Host: a client is there; with the descriptor. Supervisor: take this client over; likewise.
    case opened(id: UInt64, peer: String)
    /// Host: bytes of a request that has not come whole yet, as they came.
    case reading(id: UInt64, part: [UInt8])
    /// A part of the client's whole request, in place of what was read of it.
    case asked(id: UInt64, part: [UInt8], isLast: Bool)
    /// Host: the response is about to begin.
    case began(id: UInt64, ResponseForm)
    /// Host: the response is with the system.
    case answered(id: UInt64)
    /// Host: the client is gone.
    case closed(id: UInt64)
    /// Supervisor: those were all.
    case handedOver

    /// No packet is longer.
    package static let mostBytes = 48 << 10

    /// The most bytes of a request in one packet.
    package static let mostPart = 32 << 10

    private static let headerBytes = 10

    /// Kind, identifier, a flag, and what else there is.
    package var bytes: [UInt8] {
        switch self {
        case .listening: Self.packet(1)
        case .ready: Self.packet(2)
        case .opened(let id, let peer): Self.packet(3, id, 0, Array(peer.utf8.prefix(256)))
        case .asked(let id, let part, let isLast): Self.packet(4, id, isLast ? 1 : 0, part)
        case .began(let id, let form): Self.packet(5, id, form.rawValue)
        case .answered(let id): Self.packet(6, id)
        case .closed(let id): Self.packet(7, id)
        case .handedOver: Self.packet(8)
        case .reading(let id, let part): Self.packet(9, id, 0, part)
        }
    }

    private static func packet(
        _ kind: UInt8, _ id: UInt64 = 0, _ flag: UInt8 = 0, _ rest: [UInt8] = []
    ) -> [UInt8] {
        [kind] + (0..<8).map { UInt8(truncatingIfNeeded: id >> ($0 * 8)) } + [flag] + rest
    }

    /// - Returns: `nil` for bytes that are no message.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count >= Self.headerBytes, bytes.count <= Self.mostBytes else { return nil }
        let id = (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[1 + $1]) << ($1 * 8) }
        let (flag, rest) = (bytes[9], bytes[Self.headerBytes...])
        switch bytes[0] {
        case 1: self = .listening
        case 2: self = .ready
        case 3: self = .opened(id: id, peer: String(decoding: rest, as: UTF8.self))
        case 4: self = .asked(id: id, part: Array(rest), isLast: flag == 1)
        case 5:
            guard let form = ResponseForm(rawValue: flag) else { return nil }
            self = .began(id: id, form)
        case 6: self = .answered(id: id)
        case 7: self = .closed(id: id)
        case 8: self = .handedOver
        case 9: self = .reading(id: id, part: Array(rest))
        default: return nil
        }
    }
}
