// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Reads small files whole.
package enum FileContents {
    package struct Failure: Error {
        package let reason: String
    }

    /// The bytes of a regular file, of which there are at most `limit` and one more; of a secret one
    /// only where not everybody may read it.
    package static func read(
        _ path: String, limit: Int, isSecret: Bool = false
    ) throws(Failure) -> [UInt8] {
        // A pipe would hold the open up until somebody writes.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Failure(errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Failure(errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw Failure(reason: "it is not a file") }
        guard !isSecret || status.st_mode & 0o007 == 0 else {
            throw Failure(
                reason: "everybody may read it: take that away with `chmod o= \(path)`")
        }
        var bytes = [UInt8](repeating: 0, count: limit + 1)
        var filled = 0
        while filled < bytes.count {
            let count = bytes.withUnsafeMutableBytes { buffer in
                Foundation.read(descriptor, buffer.baseAddress! + filled, buffer.count - filled)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Failure(errno) }
            if count == 0 { break }
            filled += count
        }
        return Array(bytes[..<filled])
    }

    /// As ``read(_:limit:isSecret:)``, for what must be whole.
    package static func readWhole(
        _ path: String, limit: Int, isSecret: Bool = false
    ) throws(Failure) -> [UInt8] {
        let bytes = try read(path, limit: limit, isSecret: isSecret)
        guard bytes.count <= limit else {
            throw Failure(reason: "it has more than \(limit) bytes")
        }
        return bytes
    }
}

extension FileContents.Failure {
    fileprivate init(_ code: Int32) {
        reason = String(cString: strerror(code))
    }
}
