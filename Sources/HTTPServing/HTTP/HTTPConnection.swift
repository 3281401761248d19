// SPDX-License-Identifier: Apache-2.0
internal import LoopIO

/// Performs for one socket what its ``ConnectionMachine`` decides.
final class HTTPConnection {
    let id: Int
    private let server: HTTPServer
    private let stream: any ByteStream
    private var machine: ConnectionMachine
    private weak var exchange: HTTPExchange?
    private var isPumping = false

    /// Whether a response has begun and is not with the system as a whole.
    private var isAnswering = false

    init(id: Int, server: HTTPServer, stream: any ByteStream) {
        self.id = id
        self.server = server
        self.stream = stream
        machine = ConnectionMachine(limits: server.limits, at: server.loop.now) {
            MainActor.assumeIsolated { server.dateText }
        }
    }

    /// Begins to read, with what has been read of it by another process; the stream keeps the
    /// connection until it is closed.
    func start(with bytes: [UInt8] = [], isAdopted: Bool = false) {
        stream.onBytes = { [self] bytes in
            let now = server.loop.now
            let wasResponding = machine.phase == .responding
            bytes.withUnsafeBufferPointer { machine.received($0, at: now) }
            pump()
            if !wasResponding { noteUnfinished(bytes) }
        }
        stream.onEnd = { [self] in
            machine.peerEnded()
            pump()
        }
        stream.onDrained = { [self] in
            noteProgress()
            pump()
        }
        stream.onClose = { [self] _ in
            machine.connectionLost()
            pump()
            server.remove(self)
        }
        if !isAdopted, let plain = stream as? LoopStream {
            escrow?.opened(id, plain.descriptor, stream.peer)
        }
        if !bytes.isEmpty {
            let now = server.loop.now
            bytes.withUnsafeBufferPointer { machine.received($0, at: now) }
        }
        pump()
        if !bytes.isEmpty { noteUnfinished(bytes.span) }
    }

    /// Whether nothing is on its way in either direction.
    var isIdle: Bool { machine.phase == .idle }

    /// When the connection, being idle, will have been so for too long.
    var idleDeadline: UInt64 { machine.clock.phaseDeadline }

    /// Bytes that wait for the client.
    var bufferedBytes: Int { stream.bufferedBytes + machine.output.count }

    // MARK: - The server's events

    func tick(at now: UInt64) {
        noteProgress()
        machine.tick(at: now)
        pump()
    }

    func refuse(_ fault: HTTPFault) {
        machine.refuse(fault)
        pump()
    }

    func drain() {
        machine.drain()
        pump()
    }

    func closeNow(_ reason: ClientGoneReason) {
        machine.closeNow(reason)
        pump()
    }

    // MARK: - The exchange's events

    func respond(_ number: Int, status: Int, headers: HTTPHeaders, body: [UInt8]) {
        guard number == machine.exchangeNumber else { return }
        begin(.whole)
        machine.respond(
            status: status, headers: headers, body: body, date: server.dateText,
            at: server.loop.now)
        pump()
    }

    func startStream(_ number: Int, status: Int, headers: HTTPHeaders) {
        guard number == machine.exchangeNumber else { return }
        begin(ending(of: headers))
        machine.startStream(status: status, headers: headers, date: server.dateText)
        flush()
    }

    func send(_ number: Int, _ bytes: [UInt8]) -> HTTPExchange.SendOutcome {
        guard number == machine.exchangeNumber, machine.phase == .responding else {
            return .closed
        }
        machine.send(bytes)
        flush()
        guard bufferedBytes > server.limits.writeBufferBytes else { return .accepted }
        machine.closeNow(.slowClient)
        // The handler is told when it has returned, not in the middle of what it does.
        server.loop.onNextTurn { [self] in pump() }
        return .overflow
    }

    func finish(_ number: Int) {
        guard number == machine.exchangeNumber else { return }
        machine.finish(at: server.loop.now)
        pump()
    }

    func abort(_ number: Int) {
        guard number == machine.exchangeNumber else { return }
        machine.abortResponse()
        pump()
    }

    // MARK: - Performing

    /// Performs all that is due. A handler that answers within its call comes back here; then the
    /// outer call goes on.
    private func pump() {
        guard !isPumping else { return }
        isPumping = true
        let faults = machine.faultCount
        while let action = machine.next(at: server.loop.now) { perform(action) }
        server.count(faults: machine.faultCount - faults)
        isPumping = false
        if machine.wantsInput { stream.startReading() } else { stream.stopReading() }
    }

    private func perform(_ action: ConnectionMachine.Action) {
        switch action {
        case .dispatch(var request, let number):
            request.peer = stream.peer
            escrow?.asked(id, request.replay)
            let exchange = HTTPExchange(connection: self, number: number)
            self.exchange = exchange
            server.dispatch(request, exchange)
        case .write(let bytes):
            stream.write(bytes)
            noteProgress()
        case .clientGone(let reason):
            server.count(gone: reason)
            exchange?.clientDidGo(reason)
        case .shutdown:
            stream.shutdown()
        case .close:
            stream.close()
        }
    }

    /// Writes what there is without beginning anything new.
    private func flush() {
        guard let bytes = machine.takeOutput(at: server.loop.now) else { return }
        stream.write(bytes)
        noteProgress()
    }

    private func noteProgress() {
        machine.wrote(buffered: stream.bufferedBytes, at: server.loop.now)
        guard isAnswering, stream.bufferedBytes == 0, machine.phase != .responding,
            machine.output.isEmpty
        else { return }
        isAnswering = false
        escrow?.answered(id)
    }

    // MARK: - Escrow

    /// A request whose rest has yet to come is lost with this process but for these bytes.
    private func noteUnfinished(_ bytes: Span<UInt8>) {
        guard let escrow, machine.phase == .readingHead || machine.phase == .readingBody else {
            return
        }
        escrow.reading(id, bytes.withUnsafeBufferPointer { Array($0) })
    }

    /// Who could go on with this connection: nobody where it is encrypted with keys of ours.
    private var escrow: ConnectionEscrow? { stream is LoopStream ? server.escrow : nil }

    private func begin(_ ending: ResponseEnding) {
        guard let escrow, machine.phase == .responding else { return }
        isAnswering = true
        escrow.began(id, ending)
    }

    private func ending(of headers: HTTPHeaders) -> ResponseEnding {
        guard headers["content-type"]?.hasPrefix("text/event-stream") == true else {
            return .whole
        }
        return machine.reply.isHTTP10 ? .plainEvents : .chunkedEvents
    }
}
