// SPDX-License-Identifier: Apache-2.0

internal import CLibCrypto

/// SHA-256 digests, in hexadecimal, by libcrypto.
package enum SHA256 {
    private static let partBytes = 1 << 20

    /// The digest of the whole contents of a file.
    ///
    /// - Throws: `notFound` or `unreadable`.
    package static func digest(ofFile path: String) throws(ModelLoadingError) -> String {
        let file = StoredFile(try OpenedFile(path: path))
        let hash = try Hash()
        var offset = 0
        while offset < file.byteCount {
            let part = try file.copy(offset..<min(file.byteCount, offset + partBytes))
            try withExtendedLifetime(part) { () throws(ModelLoadingError) in
                try hash.add(part.bytes)
            }
            offset += part.bytes.count
        }
        return try hash.finish()
    }

    /// The digest of a text in UTF-8.
    ///
    /// - Throws: `unreadable` where libcrypto refuses, as for lack of memory.
    package static func digest(of text: String) throws(ModelLoadingError) -> String {
        let hash = try Hash()
        let bytes = Array(text.utf8)
        var failure: ModelLoadingError?
        bytes.withUnsafeBytes { bytes in
            do throws(ModelLoadingError) { try hash.add(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
        return try hash.finish()
    }
}

/// A digest that is being computed; owns its context of libcrypto.
private final class Hash {
    private let context: OpaquePointer

    init() throws(ModelLoadingError) {
        guard let context = EVP_MD_CTX_new() else { throw Self.refused }
        self.context = context
        guard EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else { throw Self.refused }
    }

    deinit { EVP_MD_CTX_free(context) }

    func add(_ bytes: UnsafeRawBufferPointer) throws(ModelLoadingError) {
        guard EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1 else {
            throw Self.refused
        }
    }

    /// The digest of what was added; nothing may be added afterwards.
    func finish() throws(ModelLoadingError) -> String {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        guard EVP_DigestFinal_ex(context, &digest, &count) == 1 else { throw Self.refused }
        let digits = Array("0123456789abcdef".utf8)
        return String(
            decoding: digest.prefix(Int(count)).flatMap {
                [digits[Int($0 >> 4)], digits[Int($0 & 15)]]
            },
            as: UTF8.self)
    }

    private static let refused = ModelLoadingError(
        .unreadable, "libcrypto could not compute a SHA-256 digest")
}
