// SPDX-License-Identifier: Apache-2.0
import CLibuv
internal import Glibc

/// A connected socket on the loop; what is written goes out in order.
///
/// Whoever holds the stream must see to it that it is closed: by ``close()``, or by itself after
/// an error. Either way ``onClose`` is called exactly once and nothing is called after it.
package class LoopStream: LoopHandle {
    /// The address of the other side, as `127.0.0.1:5000` or `[::1]:5000`, or `unix`.
    package let peer: String

    /// Called with what was read; the span is valid during the call only.
    package var onBytes: ((Span<UInt8>) -> Void)?
    /// Called once when the other side will send no more; writing may still be possible.
    package var onEnd: (() -> Void)?
    /// Called when the last buffered byte was given to the system.
    package var onDrained: (() -> Void)?
    /// Called when the stream is gone, with the reason unless ``close()`` was it.
    package var onClose: ((LoopError?) -> Void)?

    private let loop: EventLoop
    private var isReading = false
    private var isEnded = false
    private var isShuttingDown = false
    private var failure: LoopError?

    /// What the system would not take at once; libuv reads it until the write's callback.
    private var inFlight: UnsafeMutableBufferPointer<UInt8>?
    /// What was written while a write was in flight.
    private var backlog: [UInt8] = []
    private let writeRequest = UnsafeMutablePointer<uv_write_t>.allocate(capacity: 1)
    private let shutdownRequest = UnsafeMutablePointer<uv_shutdown_t>.allocate(capacity: 1)

    /// Takes over a connected descriptor, and closes it when the stream cannot be made.
    init<Raw>(
        _ type: Raw.Type, loop: EventLoop, _ connection: Connection,
        initialize: (UnsafeMutablePointer<Raw>) -> Int32,
        open: (UnsafeMutablePointer<Raw>, Int32) -> Int32
    ) throws(LoopError) {
        self.loop = loop
        self.peer = connection.peer
        do throws(LoopError) {
            try super.init(type, action: "make a stream", initialize: initialize)
        } catch {
            Glibc.close(connection.descriptor)
            throw error
        }
        let opened = UVStatus(rawValue: open(pointer(to: type), connection.descriptor))
        guard !opened.isError else {
            Glibc.close(connection.descriptor)
            close()
            throw LoopError(opened, during: "take over the connection of \(peer)")
        }
    }

    /// The descriptor, which stays the stream's; below zero when it is closed.
    package var descriptor: Int32 {
        var descriptor: uv_os_fd_t = -1
        guard isOpen, uv_fileno(pointer(to: uv_handle_t.self), &descriptor) == 0 else { return -1 }
        return descriptor
    }

    // MARK: - Reading

    /// Calls ``onBytes`` with what arrives; does nothing if it already does or the input ended.
    package func startReading() {
        guard isOpen, !isReading, !isEnded else { return }
        let status = uv_read_start(
            pointer(to: uv_stream_t.self),
            { raw, _, buffer in
                guard let stream = LoopHandle.owner(of: raw, as: LoopStream.self) else { return }
                let room = stream.loop.readBuffer
                buffer?.pointee = uv_buf_t(
                    base: UnsafeMutableRawPointer(room.baseAddress)?
                        .assumingMemoryBound(to: CChar.self),
                    len: room.count)
            },
            { raw, count, _ in
                LoopHandle.owner(of: raw, as: LoopStream.self)?.didRead(count)
            })
        isReading = status == 0
        if status < 0 { fail(UVStatus(rawValue: status), during: "read from \(peer)") }
    }

    /// Leaves what arrives to the system's buffer, and so slows the sender down.
    package func stopReading() {
        guard isOpen, isReading else { return }
        isReading = false
        uv_read_stop(pointer(to: uv_stream_t.self))
    }

    private func didRead(_ count: Int) {
        guard isOpen, count != 0 else { return }
        if count > 0 {
            let bytes = UnsafeBufferPointer(rebasing: loop.readBuffer[..<count])
            onBytes?(bytes.span)
            return
        }
        let status = UVStatus(rawValue: Int32(clamping: count))
        guard status == .endOfFile else { return fail(status, during: "read from \(peer)") }
        stopReading()
        isEnded = true
        onEnd?()
    }

    // MARK: - Writing

    /// Bytes that were written but not yet taken by the system.
    package var bufferedBytes: Int {
        guard isOpen else { return 0 }
        let queued = uv_stream_get_write_queue_size(pointer(to: uv_stream_t.self))
        return queued + backlog.count
    }

    /// Sends `bytes`, at once if the system takes them, else from a queue without a bound of its
    /// own: the writer watches ``bufferedBytes``. Does nothing on a closed or shut down stream.
    package func write(_ bytes: [UInt8]) {
        guard isOpen, !isShuttingDown, !bytes.isEmpty else { return }
        guard inFlight == nil else {
            backlog += bytes
            return
        }
        bytes.withUnsafeBufferPointer { send($0) }
    }

    /// Tells the other side that nothing more comes, after what is buffered.
    package func shutdown() {
        guard isOpen, !isShuttingDown else { return }
        isShuttingDown = true
        if inFlight == nil { performShutdown() }
    }

    private func send(_ bytes: UnsafeBufferPointer<UInt8>) {
        var part = Self.buffer(of: bytes)
        let sent = uv_try_write(pointer(to: uv_stream_t.self), &part, 1)
        let status = UVStatus(rawValue: min(sent, 0))
        guard !status.isError || status == .tryAgain else {
            return fail(status, during: "write to \(peer)")
        }
        let rest = bytes[max(Int(sent), 0)...]
        if !rest.isEmpty { enqueue(UnsafeBufferPointer(rebasing: rest)) }
    }

    private func enqueue(_ bytes: UnsafeBufferPointer<UInt8>) {
        let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count)
        _ = copy.initialize(from: bytes)
        inFlight = copy
        var part = Self.buffer(of: UnsafeBufferPointer(copy))
        let stream = pointer(to: uv_stream_t.self)
        let status = uv_write(writeRequest, stream, &part, 1) { request, status in
            LoopHandle.owner(of: request?.pointee.handle, as: LoopStream.self)?.didWrite(status)
        }
        guard status == 0 else {
            releaseInFlight()
            return fail(UVStatus(rawValue: status), during: "write to \(peer)")
        }
    }

    private func didWrite(_ code: Int32) {
        releaseInFlight()
        guard isOpen else { return }
        let status = UVStatus(rawValue: code)
        guard !status.isError else { return fail(status, during: "write to \(peer)") }
        if !backlog.isEmpty {
            let next = backlog
            backlog = []
            next.withUnsafeBufferPointer { send($0) }
        }
        guard isOpen, inFlight == nil else { return }
        if isShuttingDown { performShutdown() }
        onDrained?()
    }

    private func performShutdown() {
        // The callback has nothing to add: an error means that the connection is lost, which
        // reading reports as well. Pending requests are cancelled by the close.
        uv_shutdown(shutdownRequest, pointer(to: uv_stream_t.self)) { _, _ in }
    }

    private static func buffer(of bytes: UnsafeBufferPointer<UInt8>) -> uv_buf_t {
        // libuv only reads what is written, though its type says otherwise.
        let base = UnsafeMutableRawPointer(mutating: bytes.baseAddress)
        return uv_buf_t(base: base?.assumingMemoryBound(to: CChar.self), len: bytes.count)
    }

    private func releaseInFlight() {
        inFlight?.deallocate()
        inFlight = nil
    }

    // MARK: - Closing

    private func fail(_ status: UVStatus, during action: String) {
        guard isOpen else { return }
        failure = LoopError(status, during: action)
        close()
    }

    override func willClose() {
        onBytes = nil
        onEnd = nil
        onDrained = nil
        backlog = []
    }

    override func didClose() {
        releaseInFlight()
        writeRequest.deallocate()
        shutdownRequest.deallocate()
        let onClose = onClose
        self.onClose = nil
        onClose?(failure)
    }
}

/// A connected descriptor and who is at its other end.
nonisolated struct Connection {
    let descriptor: Int32
    let peer: String
}

/// A connected TCP socket on the loop, without Nagle's delay.
package final class TCPStream: LoopStream {
    init(loop: EventLoop, _ connection: Connection) throws(LoopError) {
        try super.init(
            uv_tcp_t.self, loop: loop, connection, initialize: { uv_tcp_init(loop.raw, $0) },
            open: uv_tcp_open)
        uv_tcp_nodelay(pointer(to: uv_tcp_t.self), 1)
    }

    /// Takes over a connected descriptor, and closes it when the stream cannot be made.
    package convenience init(loop: EventLoop, descriptor: Int32, peer: String) throws(LoopError) {
        try self.init(loop: loop, Connection(descriptor: descriptor, peer: peer))
    }
}

/// A connected Unix socket on the loop.
package final class UnixStream: LoopStream {
    init(loop: EventLoop, _ connection: Connection) throws(LoopError) {
        try super.init(
            uv_pipe_t.self, loop: loop, connection,
            initialize: { uv_pipe_init(loop.raw, $0, 0) }, open: uv_pipe_open)
    }
}
