// SPDX-License-Identifier: Apache-2.0
import CLibuv
internal import Glibc

/// The descriptor of a listening TCP or Unix socket.
///
/// The system calls are made here and not by libuv, whose listener cannot be paused: when the
/// process has no descriptor left, it accepts and drops whoever waits, uncounted.
nonisolated struct ListeningSocket {
    enum Accepted {
        /// The caller owns the descriptor now.
        case connection(Connection)
        case nobodyWaits
        /// The client left while it waited, or the network failed it; the next one may be well.
        case lostClient
        /// The process cannot take a connection now; the client still waits.
        case failed(UVStatus)
    }

    let descriptor: Int32
    /// The port that was bound, which the system chose if 0 was asked for; 0 for a Unix socket.
    let port: Int
    /// The file of a Unix socket, which goes away with it.
    private let file: UnixSocketFile?

    init(host: String, port: Int, backlog: Int) throws(LoopError) {
        let address = try SocketAddress(host: host, port: port)
        let action = "listen on \(address.text)"
        let kind = Int32(SOCK_STREAM.rawValue) | Self.flags
        let descriptor = socket(address.family, kind, 0)
        guard descriptor >= 0 else { throw LoopError(UVStatus(errno: errno), during: action) }
        var yes: Int32 = 1
        setsockopt(
            descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        let isBound = address.withRaw { raw, length in bind(descriptor, raw, length) == 0 }
        let queue = Int32(clamping: max(backlog, 1))
        guard isBound, listen(descriptor, queue) == 0,
            let bound = SocketAddress(filledBy: { getsockname(descriptor, $0, &$1) })
        else {
            let status = UVStatus(errno: errno)
            Glibc.close(descriptor)
            throw LoopError(status, during: action)
        }
        self.descriptor = descriptor
        self.port = bound.port
        self.file = nil
    }

    /// Takes over a TCP socket that listens already.
    init(inherited descriptor: Int32) throws(LoopError) {
        guard let bound = SocketAddress(filledBy: { getsockname(descriptor, $0, &$1) }) else {
            throw LoopError(UVStatus(errno: errno), during: "take over the listening socket")
        }
        // Nobody else may wait in accept, and no child may keep it.
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        self.descriptor = descriptor
        self.port = bound.port
        self.file = nil
    }

    /// Listens on a Unix socket that only the owner may connect to.
    init(path: String, backlog: Int) throws(LoopError) {
        let action = "listen on \(path)"
        let address = try UnixAddress(path: path)
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Self.flags, 0)
        guard descriptor >= 0 else { throw LoopError(UVStatus(errno: errno), during: action) }
        do throws(LoopError) {
            // The file gets the mode that the descriptor has when it is bound.
            guard fchmod(descriptor, 0o600) == 0 else {
                throw LoopError(UVStatus(errno: errno), during: action)
            }
            try address.bind(descriptor)
            guard listen(descriptor, Int32(clamping: max(backlog, 1))) == 0 else {
                throw LoopError(UVStatus(errno: errno), during: action)
            }
        } catch {
            Glibc.close(descriptor)
            throw error
        }
        self.descriptor = descriptor
        self.port = 0
        self.file = UnixSocketFile(path: path)
    }

    func accept() -> Accepted {
        var accepted: Int32 = -1
        let peer = SocketAddress { raw, length in
            accepted = accept4(descriptor, raw, &length, Self.flags)
            return accepted
        }
        if let peer {
            let name = peer.family == AF_UNIX ? "unix" : peer.text
            return .connection(Connection(descriptor: accepted, peer: name))
        }
        let status = UVStatus(errno: errno)
        switch status {
        case .tryAgain:
            return .nobodyWaits
        case .tooManyFilesInProcess, .tooManyFilesInSystem, .noBuffers, .noMemory:
            return .failed(status)
        default:
            // accept(2): errors of the new socket's own network are to be treated as a retry.
            return .lostClient
        }
    }

    /// Lets nobody find it any more.
    func removeFile() { file?.remove() }

    func close() { Glibc.close(descriptor) }

    private static var flags: Int32 {
        Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    }
}
