// SPDX-License-Identifier: Apache-2.0

/// What a supervisor knows of a host's clients: enough to go on with them when the host dies.
///
/// Messages go in; when the host is dead it says for each client what is to be done.
package struct ConnectionLedger: Sendable {
    /// What is done with a client whose host has died.
    package enum Disposition: Sendable, Equatable {
        /// The next host takes it over, and answers this request if there is one.
        case handOver(request: [UInt8]?, peer: String)
        /// An event says that the stream has ended, then the connection ends.
        case endStream(ResponseForm)
        /// The request has brought down hosts, or is too large to keep: an error answers it.
        case refuse
        /// Part of a response has gone out that nobody can complete.
        case cutOff
    }

    /// How often a request is tried again.
    package static let mostRetries = 1

    /// Bytes of requests that are kept in all; those beyond are not tried again.
    package static let mostRequestBytes = 256 << 20

    private enum Phase: Sendable, Equatable {
        case idle
        /// The request is on its way to the host.
        case reading
        /// The request is on its way to the supervisor, or with it as a whole.
        case asked(isWhole: Bool)
        case began(ResponseForm)
    }

    private struct Client: Sendable {
        var peer: String
        var phase = Phase.idle
        var request: [UInt8] = []
        var isKept = true
        var retries = 0
    }

    private var clients: [UInt64: Client] = [:]
    private(set) var requestBytes = 0

    package init() {}

    /// The clients that are there.
    package var count: Int { clients.count }

    package mutating func note(_ message: ControlMessage) {
        switch message {
        case .opened(let id, let peer):
            if clients[id] == nil { clients[id] = Client(peer: peer) }
        case .reading(let id, let part): add(part, to: id, .reading, after: [.reading])
        case .asked(let id, let part, let isLast):
            add(part, to: id, .asked(isWhole: isLast), after: [.asked(isWhole: false)])
        case .began(let id, let form): clients[id]?.phase = .began(form)
        case .answered(let id):
            clients[id]?.phase = .idle
            clients[id]?.retries = 0
            forgetRequest(of: id)
        case .closed(let id):
            forgetRequest(of: id)
            clients[id] = nil
        case .listening, .ready, .handedOver: break
        }
    }

    /// Adds a part of a request; in another phase than those before, it is the first part.
    private mutating func add(
        _ part: [UInt8], to id: UInt64, _ phase: Phase, after before: [Phase]
    ) {
        guard var client = clients[id] else { return }
        clients[id] = nil
        defer { clients[id] = client }
        if !before.contains(client.phase) {
            requestBytes -= client.request.count
            client.request = []
            client.isKept = true
        }
        client.phase = phase
        guard client.isKept, requestBytes + part.count <= Self.mostRequestBytes else {
            requestBytes -= client.request.count
            client.request = []
            client.isKept = false
            return
        }
        client.request += part
        requestBytes += part.count
    }

    private mutating func forgetRequest(of id: UInt64) {
        requestBytes -= clients[id]?.request.count ?? 0
        clients[id]?.request = []
    }

    /// The host has died; the clients that are handed over stay in the ledger as idle ones, until
    /// the next host speaks of them.
    package mutating func hostDied() -> [(id: UInt64, disposition: Disposition)] {
        var result: [(id: UInt64, disposition: Disposition)] = []
        for id in clients.keys.sorted() {
            guard let client = clients[id] else { continue }
            let disposition = Self.disposition(of: client)
            result.append((id, disposition))
            guard case .handOver(let request, _) = disposition else {
                note(.closed(id: id))
                continue
            }
            clients[id]?.phase = .idle
            if client.phase != .reading { clients[id]?.retries += request == nil ? 0 : 1 }
            forgetRequest(of: id)
        }
        return result
    }

    private static func disposition(of client: Client) -> Disposition {
        switch client.phase {
        case .idle: .handOver(request: nil, peer: client.peer)
        case .reading where client.isKept:
            .handOver(request: client.request, peer: client.peer)
        case .reading: .refuse
        case .asked(true) where client.isKept && client.retries < mostRetries:
            .handOver(request: client.request, peer: client.peer)
        case .asked: .refuse
        case .began(.whole): .cutOff
        case .began(let form): .endStream(form)
        }
    }
}
