// SPDX-License-Identifier: Apache-2.0
package import LoopIO

/// What a server has counted since it was made.
package nonisolated struct HTTPCounters: Sendable, Equatable {
    package var accepted = 0
    /// Connections beyond the limit, which were answered 503.
    package var refused = 0
    /// Connections that could not be accepted for want of descriptors or memory, in attempts.
    package var acceptErrors = 0
    /// Requests that reached the handler.
    package var requests = 0
    /// Requests that were malformed, too large or too slow, and refused connections.
    package var faults = 0
    /// Connections whose TLS handshake failed.
    package var handshakeFailures = 0
    /// Responses that lost their reader.
    package var clientsGone: [ClientGoneReason: Int] = [:]
}

/// An HTTP/1.1 server on the loop.
///
/// A server is ended by ``drain(then:)`` or ``closeAll()``, and cannot be used again.
package final class HTTPServer {
    /// Connections beyond the limit that are held to be told so; more wait in the backlog.
    private static let refusalSlots = 64

    /// Those of connections that are accepted from now on.
    package private(set) var limits: HTTPLimits
    package private(set) var counters = HTTPCounters()

    /// Who could go on with the connections; set before the first one.
    package var escrow: ConnectionEscrow?
    /// What connections at an address and port are encrypted with; those that are open keep theirs.
    package var tls: TLSContext?

    let loop: EventLoop
    private let onRequest: (HTTPRequest, HTTPExchange) -> Void
    private var listeners: [LoopListener] = []
    private var connections: [Int: HTTPConnection] = [:]
    private let sweep: LoopTimer
    private var date = HTTPDate()
    private var nextID = 1
    private var isDraining = false
    private var onDrained: (() -> Void)?

    /// - Parameters:
    ///   - loop: the loop that everything happens on.
    ///   - limits: bounds; `headerBytes` at most 65,536.
    ///   - onRequest: called for each whole request; may answer at once or keep the exchange.
    /// - Throws: `LoopError` when no timer can be made.
    package init(
        loop: EventLoop, limits: HTTPLimits = HTTPLimits(),
        onRequest: @escaping (HTTPRequest, HTTPExchange) -> Void
    ) throws(LoopError) {
        precondition(limits.headerBytes <= 65_536, "the parser takes heads up to 65,536 bytes")
        self.loop = loop
        self.limits = limits
        self.onRequest = onRequest
        sweep = try LoopTimer(loop: loop)
    }

    /// Listens on a numeric address and port; may be called for several.
    ///
    /// - Returns: the port, which the system chose if `port` is 0.
    /// - Throws: `LoopError` when the address cannot be listened on.
    @discardableResult
    package func listen(host: String, port: Int, backlog: Int = 512) throws(LoopError) -> Int {
        precondition(!isDraining, "the server was ended")
        let listener = try TCPListener(loop: loop, host: host, port: port, backlog: backlog) {
            [weak self] stream in
            guard let self else { return stream.close() }
            if let tls { accept(stream, with: tls) } else { accept(stream) }
        }
        add(listener)
        onListening?(listener.descriptor)
        return listener.port
    }

    /// Goes on listening on a TCP socket that was opened by another process.
    ///
    /// - Returns: its port.
    package func listen(inherited descriptor: Int32) throws(LoopError) -> Int {
        precondition(!isDraining, "the server was ended")
        let listener = try TCPListener(loop: loop, inherited: descriptor) { [weak self] stream in
            guard let self else { return stream.close() }
            accept(stream)
        }
        add(listener)
        return listener.port
    }

    /// Called with the descriptor of each TCP socket that is opened to listen on.
    package var onListening: ((Int32) -> Void)?

    /// Takes over a client of another process, which has sent these bytes, as client `id`.
    package func adopt(_ stream: LoopStream, id: Int, bytes: [UInt8]) {
        guard !isDraining else { return stream.close() }
        counters.accepted += 1
        let connection = HTTPConnection(id: id, server: self, stream: stream)
        connections[id] = connection
        if connections.count == 1 { startSweeping() }
        connection.start(with: bytes, isAdopted: true)
    }

    /// The least identifier that connections get from now on; those that are taken over keep theirs.
    package func number(from id: Int) { nextID = max(nextID, id) }

    /// Listens on a Unix socket that only the owner of the process may connect to.
    ///
    /// - Throws: `LoopError` when it cannot be listened on, or somebody answers there.
    package func listen(path: String) throws(LoopError) {
        precondition(!isDraining, "the server was ended")
        add(
            try UnixListener(loop: loop, path: path) { [weak self] stream in
                guard let self else { return stream.close() }
                accept(stream)
            })
    }

    private func add(_ listener: LoopListener) {
        listener.onAcceptError = { [weak self] _ in self?.counters.acceptErrors += 1 }
        listeners.append(listener)
    }

    /// Bounds connections that are accepted from now on; those that are open keep theirs.
    package func limit(to limits: HTTPLimits) {
        precondition(limits.headerBytes <= 65_536, "the parser takes heads up to 65,536 bytes")
        guard limits != self.limits else { return }
        self.limits = limits
        if !connections.isEmpty { startSweeping() }
        if connections.count < limits.maxConnections + Self.refusalSlots {
            for listener in listeners { listener.resume() }
        }
    }

    /// The number of connections, including those that are about to close.
    package var connectionCount: Int { connections.count }

    /// Stops listening, closes idle connections, and lets responses complete.
    ///
    /// - Parameter then: called once, on a later turn, when the last connection is gone. To set a
    ///   deadline, call ``closeAll()`` when it has passed.
    package func drain(then: @escaping () -> Void) {
        let previous = onDrained
        onDrained = {
            previous?()
            then()
        }
        stopListening()
        for connection in connections.values { connection.drain() }
        loop.onNextTurn { [self] in endIfEmpty() }
    }

    /// Stops listening and closes every connection at once; handlers see `serverClosed`.
    package func closeAll() {
        stopListening()
        for connection in connections.values { connection.closeNow(.serverClosed) }
        loop.onNextTurn { [self] in endIfEmpty() }
    }

    // MARK: - What connections need

    var dateText: String { date.text() }

    func dispatch(_ request: HTTPRequest, _ exchange: HTTPExchange) {
        counters.requests += 1
        onRequest(request, exchange)
    }

    func count(faults: Int) { counters.faults += faults }

    func count(gone reason: ClientGoneReason) { counters.clientsGone[reason, default: 0] += 1 }

    func remove(_ connection: HTTPConnection) {
        connections[connection.id] = nil
        escrow?.closed(connection.id)
        if connections.isEmpty { sweep.cancel() }
        if connections.count < limits.maxConnections + Self.refusalSlots {
            for listener in listeners { listener.resume() }
        }
        endIfEmpty()
    }

    // MARK: - Connections

    private func accept(_ stream: LoopStream, with tls: TLSContext) {
        guard let session = TLSSession(tls) else {
            counters.acceptErrors += 1
            return stream.close()
        }
        let stream = TLSStream(stream, session: session)
        stream.onFailure = { [weak self] in self?.counters.handshakeFailures += 1 }
        accept(stream)
    }

    private func accept(_ stream: any ByteStream) {
        counters.accepted += 1
        let isFull = connections.count >= limits.maxConnections
        let isRefused = isFull && !closeLongestIdle()
        let connection = HTTPConnection(id: nextID, server: self, stream: stream)
        nextID += 1
        connections[connection.id] = connection
        if connections.count == 1 { startSweeping() }
        if connections.count >= limits.maxConnections + Self.refusalSlots {
            for listener in listeners { listener.pause() }
        }
        connection.start()
        guard isRefused else { return }
        counters.refused += 1
        connection.refuse(
            HTTPFault(503, "the server has its \(limits.maxConnections) connections; try again"))
    }

    private func closeLongestIdle() -> Bool {
        let idle = connections.values.filter(\.isIdle)
        guard let longest = idle.min(by: { $0.idleDeadline < $1.idleDeadline }) else {
            return false
        }
        longest.closeNow(.serverClosed)
        return true
    }

    private func startSweeping() {
        let quarter = ConnectionTimes(limits).shortest / 4
        let interval = Duration.nanoseconds(Int64(min(max(quarter, 5_000_000), 1_000_000_000)))
        sweep.start(after: interval, every: interval) { [self] in
            let now = loop.now
            for connection in connections.values { connection.tick(at: now) }
        }
    }

    private func stopListening() {
        isDraining = true
        for listener in listeners { listener.close() }
        listeners = []
    }

    private func endIfEmpty() {
        guard isDraining, connections.isEmpty else { return }
        sweep.close()
        let onDrained = onDrained
        self.onDrained = nil
        onDrained?()
    }
}
