// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Reads small files whole.
enum FileContents {
    struct Failure: Error {
        let reason: String
    }

    /// The bytes of a regular file, of which there are at most `limit` and one more.
    static func read(_ path: String, limit: Int) throws(Failure) -> [UInt8] {
        var status = stat()
        guard stat(path, &status) == 0 else { throw Failure(errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw Failure(reason: "it is not a file") }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure(errno) }
        defer { close(descriptor) }
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
}

extension FileContents.Failure {
    fileprivate init(_ code: Int32) {
        reason = String(cString: strerror(code))
    }
}
