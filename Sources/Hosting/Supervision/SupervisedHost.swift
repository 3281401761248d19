// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import HTTPServing
internal import LoopIO
package import Supervision

/// What a host that runs under a supervisor was started with.
nonisolated package struct SupervisionTerms: Sendable {
    /// Whether there is a supervisor at the other end of ``HostDescriptor/control``.
    package var isSupervised = false
    /// Whether the listening socket is there already.
    package var inheritsListener = false
    /// How many hosts there were before.
    package var startNumber = 0
    package var quarantines: [Quarantine] = []

    package init() {}
}

/// A host's end of the line to its supervisor. Loop thread only.
final class SupervisedHost {
    /// Connections of one host have these many numbers to themselves, as those of the hosts before
    /// keep theirs.
    private static let numbersEach = 1 << 32

    private let control: ControlSocket
    private let server: HTTPServer
    private let loop: EventLoop
    private var watcher: DescriptorWatcher?

    /// Clients that are taken over and whose request is still on its way.
    private var arriving: [UInt64: (descriptor: Int32, peer: String, bytes: [UInt8])] = [:]
    private var order: [UInt64] = []

    init(server: HTTPServer, loop: EventLoop, startNumber: Int) throws(LoopError) {
        server.number(from: min(startNumber, 1 << 24) * Self.numbersEach + 1)
        let control = ControlSocket(descriptor: HostDescriptor.control)
        self.control = control
        self.server = server
        self.loop = loop
        server.escrow = ConnectionEscrow(
            opened: { control.send(.opened(id: UInt64($0), peer: $2), with: $1) },
            reading: { control.sendRead($1, of: UInt64($0)) },
            asked: { control.send($1, of: UInt64($0)) },
            began: { control.send(.began(id: UInt64($0), ResponseForm($1))) },
            answered: { control.send(.answered(id: UInt64($0))) },
            closed: { control.send(.closed(id: UInt64($0))) })
        server.onListening = { control.send(.listening, with: $0) }
        watcher = try DescriptorWatcher(loop: loop, descriptor: control.descriptor) {
            [weak self] in self?.receive()
        }
    }

    /// The host serves: clients of the one before come now.
    func ready() { control.send(.ready) }

    func close() {
        watcher?.close()
        watcher = nil
        for client in arriving.values { Glibc.close(client.descriptor) }
        arriving = [:]
    }

    private func receive() {
        guard let received = control.receive() else {
            // The supervisor is gone, and with it those who could take the clients over.
            watcher?.close()
            watcher = nil
            server.escrow = nil
            return
        }
        switch received.message {
        case .opened(let id, let peer):
            guard let descriptor = received.descriptor else { return }
            arriving[id] = (descriptor, peer, [])
            order.append(id)
        case .asked(let id, let part, _): arriving[id]?.bytes += part
        case .handedOver: adopt()
        default: if let stray = received.descriptor { Glibc.close(stray) }
        }
    }

    private func adopt() {
        for id in order {
            guard let client = arriving.removeValue(forKey: id) else { continue }
            do throws(LoopError) {
                let stream = try TCPStream(
                    loop: loop, descriptor: client.descriptor, peer: client.peer)
                server.adopt(stream, id: Int(id), bytes: client.bytes)
            } catch {
                control.send(.closed(id: id))
            }
        }
        order = []
    }
}

nonisolated extension ResponseForm {
    fileprivate init(_ ending: ResponseEnding) {
        self =
            switch ending {
            case .whole: .whole
            case .chunkedEvents: .chunkedEvents
            case .plainEvents: .plainEvents
            }
    }
}
