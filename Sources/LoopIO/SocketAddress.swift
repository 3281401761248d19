// SPDX-License-Identifier: Apache-2.0
import CLibuv
internal import Glibc

/// A numeric IPv4 or IPv6 address with a port, in the form that the system calls take.
nonisolated struct SocketAddress {
    private var storage: sockaddr_storage

    /// Reads `host`, a numeric address (IPv6 without brackets) or `localhost` for 127.0.0.1.
    init(host: String, port: Int) throws(LoopError) {
        guard let number = UInt16(exactly: port) else {
            throw LoopError(.invalidAddress, "port \(port) is not in 0...65535")
        }
        let text = host == "localhost" ? "127.0.0.1" : host
        var storage = sockaddr_storage()
        let isRead = withUnsafeMutablePointer(to: &storage) { pointer in
            let raw = UnsafeMutableRawPointer(pointer)
            let v4 = raw.assumingMemoryBound(to: sockaddr_in.self)
            if uv_ip4_addr(text, Int32(number), v4) == 0 { return true }
            let v6 = raw.assumingMemoryBound(to: sockaddr_in6.self)
            return uv_ip6_addr(text, Int32(number), v6) == 0
        }
        guard isRead else {
            throw LoopError(
                .invalidAddress,
                "'\(host)' is not a numeric address; use one like 127.0.0.1, 0.0.0.0 or ::1")
        }
        self.storage = storage
    }

    /// Takes what `fill` writes, such as `getsockname`, unless it returns an error.
    init?(filledBy fill: (UnsafeMutablePointer<sockaddr>, inout socklen_t) -> Int32) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutablePointer(to: &storage) { pointer in
            let raw = UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: sockaddr.self)
            return fill(raw, &length)
        }
        guard status >= 0 else { return nil }
        self.storage = storage
    }

    var family: Int32 { Int32(storage.ss_family) }

    var port: Int {
        withUnsafeBytes(of: storage) { bytes in
            // Both families hold the port in network order after the two bytes of the family.
            Int(bytes[2]) << 8 | Int(bytes[3])
        }
    }

    /// The address and port as text, `127.0.0.1:80` or `[::1]:80`.
    var text: String {
        withRaw { raw, _ in
            withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
                guard let base = buffer.baseAddress, uv_ip_name(raw, base, 64) == 0 else {
                    return "unknown"
                }
                let host = String(cString: base)
                return family == AF_INET6 ? "[\(host)]:\(port)" : "\(host):\(port)"
            }
        }
    }

    func withRaw<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        let isV6 = family == AF_INET6
        let size = isV6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
        return withUnsafePointer(to: storage) { pointer in
            let raw = UnsafeRawPointer(pointer).assumingMemoryBound(to: sockaddr.self)
            return body(raw, socklen_t(size))
        }
    }
}
