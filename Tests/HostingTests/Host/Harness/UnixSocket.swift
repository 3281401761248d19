// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A Unix socket with a place in the file system, as a host's admin surface has one.
final class UnixSocket {
    private let descriptor: Int32
    private var isOpen = true

    init(path: String) throws {
        var address = sockaddr_un()
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw WireFault.malformed("a path too long for a socket: \(path)")
        }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw WireFault.system("socket", errno) }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0 else { throw WireFault.system("bind", errno) }
    }

    deinit { if isOpen { close(descriptor) } }

    /// Lets others connect, whom nobody answers.
    func listen() throws {
        guard Glibc.listen(descriptor, 8) == 0 else { throw WireFault.system("listen", errno) }
    }

    /// Closes it and leaves its file where it is, as a host does that is killed.
    func leave() throws {
        isOpen = false
        guard close(descriptor) == 0 else { throw WireFault.system("close", errno) }
    }
}
