// SPDX-License-Identifier: Apache-2.0
internal import LoopIO

/// TLS over a socket of the loop, with the callbacks of the socket.
///
/// A handshake that takes too long is ended by the connection above, for which nothing has come.
final class TLSStream: ByteStream {
    /// What is encrypted at a time, a record of TLS.
    private static let recordBytes = 16 * 1024

    var onBytes: ((Span<UInt8>) -> Void)?
    var onEnd: (() -> Void)?
    var onDrained: (() -> Void)?
    var onClose: ((LoopError?) -> Void)?
    /// Called once when the handshake has failed.
    var onFailure: (() -> Void)?

    private let transport: LoopStream
    private let session: TLSSession
    /// What was written before the handshake was over: a refusal, never more than one response.
    private var early: [UInt8] = []
    private var isShutDown = false
    private var hasFailed = false
    private var peerHasEnded = false
    /// Whether the handshake was over once.
    private var wasUsed = false

    init(_ transport: LoopStream, session: TLSSession) {
        self.transport = transport
        self.session = session
        transport.onBytes = { [self] bytes in bytes.withUnsafeBufferPointer { take($0) } }
        transport.onEnd = { [self] in end() }
        transport.onDrained = { [self] in onDrained?() }
        transport.onClose = { [self] error in
            let onClose = onClose
            forget()
            self.onClose = nil
            onClose?(error)
        }
    }

    var peer: String { transport.peer }
    var bufferedBytes: Int { transport.bufferedBytes + early.count }

    func startReading() { transport.startReading() }
    func stopReading() { transport.stopReading() }

    // MARK: - Reading

    private func take(_ bytes: UnsafeBufferPointer<UInt8>) {
        // What comes after a failure is thrown away, so that the client can read what it was told.
        guard !hasFailed, !peerHasEnded else { return }
        guard session.receive(bytes) else { return transport.close() }
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.recordBytes) { room in
            while transport.isOpen, step(room) {}
        }
    }

    /// Takes one step; false where there is nothing more to do.
    private func step(_ room: UnsafeMutableBufferPointer<UInt8>) -> Bool {
        let outcome = session.read(into: room)
        flush()
        if !early.isEmpty, session.isEstablished { sendEarly() }
        switch outcome {
        case .bytes(let count):
            onBytes?(UnsafeBufferPointer(rebasing: room[..<count]).span)
            return true
        case .wantsInput: return false
        case .ended:
            end()
            return false
        case .failed(let failure):
            fail(failure)
            return false
        }
    }

    private func end() {
        guard !peerHasEnded else { return }
        peerHasEnded = true
        onEnd?()
    }

    private func fail(_ failure: TLSSession.Failure) {
        hasFailed = true
        early = []
        guard !wasUsed else { return transport.close() }
        if failure == .plainHTTP {
            let fault = HTTPFault.badRequest("this port speaks TLS: use https")
            transport.write(Self.plainReply(fault))
        }
        transport.shutdown()
        onFailure?()
    }

    private static func plainReply(_ fault: HTTPFault) -> [UInt8] {
        let head =
            "HTTP/1.1 \(fault.status) Bad Request\r\nContent-Type: application/json\r\n"
            + "Content-Length: \(fault.body.count)\r\nConnection: close\r\n\r\n"
        return Array(head.utf8) + fault.body
    }

    // MARK: - Writing

    func write(_ bytes: [UInt8]) {
        guard transport.isOpen, !hasFailed, !isShutDown else { return }
        guard session.isEstablished else {
            early += bytes
            return
        }
        encrypt(bytes)
    }

    func shutdown() {
        guard transport.isOpen, !isShutDown else { return }
        isShutDown = true
        guard early.isEmpty else { return }
        endOutput()
    }

    func close() {
        // A client that has ended is told that nothing was cut off.
        if peerHasEnded, !hasFailed {
            session.end()
            flush()
        }
        forget()
        transport.close()
    }

    private func sendEarly() {
        let bytes = early
        early = []
        encrypt(bytes)
        if isShutDown { endOutput() }
    }

    private func encrypt(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty, transport.isOpen {
            let part = Array(rest.prefix(Self.recordBytes))
            rest = rest.dropFirst(part.count)
            guard session.write(part) else { return transport.close() }
            flush()
        }
    }

    private func endOutput() {
        session.end()
        flush()
        transport.shutdown()
    }

    private func flush() {
        if session.isEstablished { wasUsed = true }
        let bytes = session.takeOutput()
        if !bytes.isEmpty { transport.write(bytes) }
    }

    private func forget() {
        onBytes = nil
        onEnd = nil
        onDrained = nil
        onFailure = nil
        early = []
    }
}
