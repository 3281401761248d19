// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL

/// Why a certificate and its key cannot be served.
package nonisolated struct TLSError: Error, Equatable, Sendable {
    /// Which of the two files is at fault.
    package enum Subject: Sendable, Equatable { case certificate, key }

    package let subject: Subject
    /// Completes "the file …"; holds nothing of the key.
    package let message: String

    init(_ subject: Subject, _ message: String) {
        self.subject = subject
        self.message = message
    }
}

/// A certificate with its key, ready for connections: TLS 1.2 and later, HTTP/1.1 only.
///
/// It is never changed. Connections keep the one they began with; a new certificate is a new context.
package nonisolated final class TLSContext {
    /// More bytes than these in a file are no certificate.
    package static let mostFileBytes = 1 << 20
    private static let mostCertificates = 16

    let raw: OpaquePointer
    /// Whether the certificate's time is over, or has not come.
    package let isOutOfDate: Bool

    /// Takes the certificate, with those that vouch for it behind it, and its private key, as PEM.
    package init(certificate: [UInt8], key: [UInt8]) throws(TLSError) {
        ERR_clear_error()
        defer { ERR_clear_error() }
        let chain = try Self.certificates(certificate)
        defer { for certificate in chain { X509_free(certificate) } }
        let key = try Self.privateKey(key)
        defer { EVP_PKEY_free(key) }
        guard let leaf = chain.first, X509_check_private_key(leaf, key) == 1 else {
            throw TLSError(.key, "is not the key of the certificate")
        }
        isOutOfDate =
            X509_cmp_time(X509_get0_notAfter(leaf), nil) < 0
            || X509_cmp_time(X509_get0_notBefore(leaf), nil) > 0
        guard let raw = SSL_CTX_new(TLS_server_method()) else {
            throw TLSError(.certificate, "cannot be used: \(Self.reason)")
        }
        do throws(TLSError) {
            try Self.configure(raw, chain: chain, key: key)
        } catch {
            SSL_CTX_free(raw)
            throw error
        }
        self.raw = raw
    }

    deinit { SSL_CTX_free(raw) }

    private static func configure(
        _ raw: OpaquePointer, chain: [OpaquePointer], key: OpaquePointer
    ) throws(TLSError) {
        guard burrow_ssl_set_min_version(raw, TLS1_2_VERSION) == 1 else {
            throw TLSError(.certificate, "cannot be used: \(reason)")
        }
        burrow_ssl_set_server_modes(raw)
        burrow_ssl_select_http11(raw)
        guard let leaf = chain.first, SSL_CTX_use_certificate(raw, leaf) == 1 else {
            throw TLSError(.certificate, "cannot be used: \(reason)")
        }
        guard SSL_CTX_use_PrivateKey(raw, key) == 1 else {
            throw TLSError(.key, "cannot be used: \(reason)")
        }
        for certificate in chain.dropFirst() {
            X509_up_ref(certificate)
            guard burrow_ssl_add_chain_certificate(raw, certificate) == 1 else {
                X509_free(certificate)
                throw TLSError(.certificate, "cannot be used: \(reason)")
            }
        }
    }

    /// The certificates of a PEM file, of which there is at least one; the caller frees them.
    private static func certificates(_ bytes: [UInt8]) throws(TLSError) -> [OpaquePointer] {
        let source = try reader(of: bytes, .certificate)
        defer { BIO_free(source) }
        var chain: [OpaquePointer] = []
        while chain.count < mostCertificates, let next = burrow_read_certificate(source) {
            chain.append(next)
        }
        let isAtEnd = burrow_error_reason(ERR_peek_last_error()) == PEM_R_NO_START_LINE
        ERR_clear_error()
        guard !chain.isEmpty, isAtEnd else {
            let isLong = chain.count >= mostCertificates
            for certificate in chain { X509_free(certificate) }
            throw TLSError(
                .certificate,
                isLong
                    ? "holds more than \(mostCertificates - 1) certificates"
                    : "is not a certificate in PEM, which begins with -----BEGIN CERTIFICATE-----")
        }
        return chain
    }

    private static func privateKey(_ bytes: [UInt8]) throws(TLSError) -> OpaquePointer {
        let source = try reader(of: bytes, .key)
        defer { BIO_free(source) }
        if let key = burrow_read_key(source) { return key }
        let needsPassword = String(decoding: bytes, as: UTF8.self).contains("ENCRYPTED")
        throw TLSError(
            .key,
            needsPassword
                ? "is a key with a password; write it without one"
                : "is not a private key in PEM, which begins with -----BEGIN PRIVATE KEY-----")
    }

    private static func reader(
        of bytes: [UInt8], _ subject: TLSError.Subject
    ) throws(TLSError) -> OpaquePointer {
        guard let source = burrow_memory_bio() else {
            throw TLSError(subject, "cannot be used: \(reason)")
        }
        // At the end of the text there is nothing to wait for.
        BIO_ctrl(source, BIO_C_SET_BUF_MEM_EOF_RETURN, 0, nil)
        let count = Int32(clamping: bytes.count)
        guard bytes.count <= mostFileBytes, count == 0 || BIO_write(source, bytes, count) == count
        else {
            BIO_free(source)
            throw TLSError(subject, "has more than \(mostFileBytes) bytes")
        }
        return source
    }

    private static var reason: String { TLSSession.text(of: ERR_peek_error()) }
}
