// SPDX-License-Identifier: Apache-2.0
import CLibuv
internal import Glibc

/// The path of a Unix socket, in the form that the system calls take.
nonisolated struct UnixAddress {
    /// What `sun_path` holds, less the zero at its end.
    static let longestPath = 107

    let path: String
    private var storage: sockaddr_un
    private let length: Int

    init(path: String) throws(LoopError) {
        guard !path.isEmpty, path.utf8.count <= Self.longestPath, !path.utf8.contains(0) else {
            throw LoopError(
                .invalidAddress,
                "the path of a Unix socket has 1 to \(Self.longestPath) bytes, this one has "
                    + "\(path.utf8.count): \(path); choose a shorter one")
        }
        var storage = sockaddr_un()
        storage.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &storage.sun_path) { $0.copyBytes(from: path.utf8) }
        self.path = path
        self.storage = storage
        length = MemoryLayout<sockaddr_un>.size
    }

    /// The address of an abstract socket, which has no file.
    init(abstractName name: String) throws(LoopError) {
        guard !name.isEmpty, name.utf8.count <= Self.longestPath else {
            throw LoopError(
                .invalidAddress,
                "the name of an abstract socket has 1 to \(Self.longestPath) bytes, this one has "
                    + "\(name.utf8.count)")
        }
        var storage = sockaddr_un()
        storage.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &storage.sun_path) { path in
            for (index, byte) in name.utf8.enumerated() { path[index + 1] = byte }
        }
        path = "@" + name
        self.storage = storage
        // Every byte counts, so the zeros behind are left out.
        length =
            MemoryLayout.offset(of: \sockaddr_un.sun_path).map { $0 + 1 + name.utf8.count }
            ?? MemoryLayout<sockaddr_un>.size
    }

    /// Binds the descriptor; a socket file that nobody answers on is replaced.
    func bind(_ descriptor: Int32) throws(LoopError) {
        let bound = withRaw { Glibc.bind(descriptor, $0, $1) }
        if bound == 0 { return }
        let status = UVStatus(errno: errno)
        guard status == .addressInUse else {
            throw LoopError(status, during: "listen on \(path)")
        }
        try makeRoom()
        guard withRaw({ Glibc.bind(descriptor, $0, $1) }) == 0 else {
            throw LoopError(UVStatus(errno: errno), during: "listen on \(path)")
        }
    }

    /// Removes a socket that a process left behind which did not end well.
    private func makeRoom() throws(LoopError) {
        var facts = stat()
        guard lstat(path, &facts) == 0 else {
            throw LoopError(UVStatus(errno: errno), during: "look at \(path)")
        }
        guard facts.st_mode & S_IFMT == S_IFSOCK else {
            throw LoopError(
                .invalidAddress,
                "cannot listen on \(path): a file is there that is no socket; move it away or "
                    + "choose another path")
        }
        guard try !isAnswered() else {
            throw LoopError(
                .addressInUse,
                "cannot listen on \(path): another process answers there; stop it or choose "
                    + "another path")
        }
        guard unlink(path) == 0 else {
            throw LoopError(UVStatus(errno: errno), during: "remove the stale socket \(path)")
        }
    }

    private func isAnswered() throws(LoopError) -> Bool {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let probe = socket(AF_UNIX, kind | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard probe >= 0 else {
            throw LoopError(UVStatus(errno: errno), during: "ask who answers at \(path)")
        }
        defer { Glibc.close(probe) }
        // Anything but a refusal is somebody's socket: one with a full backlog, or another user's.
        return withRaw { connect(probe, $0, $1) } == 0 || errno != ECONNREFUSED
    }

    func withRaw<Result>(
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        withUnsafePointer(to: storage) { pointer in
            let raw = UnsafeRawPointer(pointer).assumingMemoryBound(to: sockaddr.self)
            return body(raw, socklen_t(length))
        }
    }
}

/// The file of a Unix socket that this process has bound.
nonisolated struct UnixSocketFile {
    private let path: String
    private let device: dev_t
    private let inode: ino_t

    /// `nil` where somebody has taken it away already.
    init?(path: String) {
        var facts = stat()
        guard lstat(path, &facts) == 0 else { return nil }
        self.path = path
        device = facts.st_dev
        inode = facts.st_ino
    }

    /// Removes the file, unless another one is in its place.
    func remove() {
        var facts = stat()
        guard lstat(path, &facts) == 0, facts.st_dev == device, facts.st_ino == inode else {
            return
        }
        unlink(path)
    }
}
