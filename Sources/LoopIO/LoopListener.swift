// SPDX-License-Identifier: Apache-2.0
import CLibuv

/// A listening socket that hands each new connection to a callback.
package class LoopListener: LoopHandle {
    /// How many connections one turn accepts, so that a flood of them cannot starve the others.
    private static let acceptsPerTurn = 32
    /// How long to wait for descriptors or memory to become free before the next attempt.
    private static let retryDelay = Duration.milliseconds(100)

    /// Called when a connection could not be accepted for want of descriptors or memory.
    ///
    /// Its client keeps waiting, and accepting goes on after a tenth of a second.
    package var onAcceptError: ((LoopError) -> Void)?

    let socket: ListeningSocket
    private let retry: LoopTimer
    private var onConnection: ((Connection) throws(LoopError) -> Void)?
    private var isPaused = false

    /// Takes over a listening socket and starts to accept.
    init(
        loop: EventLoop, socket: ListeningSocket,
        onConnection: @escaping (Connection) throws(LoopError) -> Void
    ) throws(LoopError) {
        let retry: LoopTimer
        do throws(LoopError) {
            retry = try LoopTimer(loop: loop)
        } catch {
            socket.close()
            throw error
        }
        self.socket = socket
        self.retry = retry
        self.onConnection = onConnection
        do throws(LoopError) {
            try super.init(uv_poll_t.self, action: "poll the listening socket") { raw in
                uv_poll_init(loop.raw, raw, socket.descriptor)
            }
        } catch {
            retry.close()
            socket.close()
            throw error
        }
        startPolling()
    }

    /// Lets new clients wait in the system's backlog until ``resume()``.
    package func pause() {
        guard isOpen, !isPaused else { return }
        isPaused = true
        retry.cancel()
        stopPolling()
    }

    /// Accepts again after ``pause()``.
    package func resume() {
        guard isOpen, isPaused else { return }
        isPaused = false
        startPolling()
    }

    private func startPolling() {
        uv_poll_start(pointer(to: uv_poll_t.self), Int32(UV_READABLE.rawValue)) { raw, _, _ in
            LoopHandle.owner(of: raw, as: LoopListener.self)?.acceptWaiting()
        }
    }

    private func stopPolling() { uv_poll_stop(pointer(to: uv_poll_t.self)) }

    private func acceptWaiting() {
        for _ in 0..<Self.acceptsPerTurn where isOpen && !isPaused {
            switch socket.accept() {
            case .connection(let connection): adopt(connection)
            case .nobodyWaits:
                return
            case .lostClient:
                continue
            case .failed(let status):
                // The socket stays readable, so polling it would spin until something is freed.
                stopPolling()
                retry.start(after: Self.retryDelay) { [weak self] in self?.startPolling() }
                onAcceptError?(LoopError(status, during: "accept a connection"))
                return
            }
        }
    }

    private func adopt(_ connection: Connection) {
        do throws(LoopError) {
            try onConnection?(connection)
        } catch {
            onAcceptError?(error)
        }
    }

    override func willClose() {
        socket.removeFile()
        onConnection = nil
        onAcceptError = nil
        retry.close()
    }

    override func didClose() { socket.close() }
}

/// A listening TCP socket.
package final class TCPListener: LoopListener {
    /// The port that is listened on; the one that the system chose when 0 was asked for.
    package var port: Int { socket.port }

    /// The descriptor, which stays the listener's.
    package var descriptor: Int32 { socket.descriptor }

    /// Takes over a socket that listens already, and starts to accept.
    package init(
        loop: EventLoop, inherited descriptor: Int32,
        onConnection: @escaping (TCPStream) -> Void
    ) throws(LoopError) {
        let socket = try ListeningSocket(inherited: descriptor)
        try super.init(loop: loop, socket: socket) { (connection) throws(LoopError) in
            onConnection(try TCPStream(loop: loop, connection))
        }
    }

    /// Listens on a numeric IPv4 or IPv6 address (or `localhost`) and starts to accept.
    ///
    /// - Parameters:
    ///   - loop: the loop that accepts.
    ///   - host: the address.
    ///   - port: in 0...65535; 0 lets the system choose.
    ///   - backlog: how many clients the system lets wait to be accepted.
    ///   - onConnection: owns the stream that it is given and must close it.
    /// - Throws: ``LoopError``, among others `invalidAddress`, `addressInUse`, `permissionDenied`.
    package init(
        loop: EventLoop, host: String, port: Int, backlog: Int = 512,
        onConnection: @escaping (TCPStream) -> Void
    ) throws(LoopError) {
        let socket = try ListeningSocket(host: host, port: port, backlog: backlog)
        try super.init(loop: loop, socket: socket) { (connection) throws(LoopError) in
            onConnection(try TCPStream(loop: loop, connection))
        }
    }
}

/// A listening Unix socket that only its owner may connect to; its file goes away with it.
package final class UnixListener: LoopListener {
    /// Listens at `path` and starts to accept; a socket there that nobody answers on is replaced.
    ///
    /// `onConnection` owns the stream that it is given and must close it.
    ///
    /// - Throws: ``LoopError``, among others `invalidAddress` for a path that is too long or names
    ///   something else than a socket, `addressInUse` where somebody answers.
    package init(
        loop: EventLoop, path: String, onConnection: @escaping (UnixStream) -> Void
    ) throws(LoopError) {
        let socket = try ListeningSocket(path: path, backlog: 16)
        try super.init(loop: loop, socket: socket) { (connection) throws(LoopError) in
            onConnection(try UnixStream(loop: loop, connection))
        }
    }
}
