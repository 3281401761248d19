// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL

/// The server's half of one TLS connection, between memory and memory: no socket, no waiting.
///
/// What it takes in is decrypted at once, so it keeps less than a record; what it gives out is taken
/// from it after each call.
nonisolated final class TLSSession {
    enum Outcome: Equatable {
        /// So many bytes of the client's were decrypted.
        case bytes(Int)
        case wantsInput
        /// The client has said that it will send no more.
        case ended
        case failed(Failure)
    }

    enum Failure: Equatable {
        /// The first bytes are an HTTP request without TLS.
        case plainHTTP
        case other(String)
    }

    private let ssl: OpaquePointer
    /// Both belong to `ssl`.
    private let input: OpaquePointer
    private let output: OpaquePointer
    private var hasFailed = false
    private var hasSentEnd = false

    /// `nil` where there is no memory.
    init?(_ context: TLSContext) {
        ERR_clear_error()
        guard let ssl = SSL_new(context.raw) else { return nil }
        guard let input = burrow_memory_bio(), let output = burrow_memory_bio() else {
            SSL_free(ssl)
            return nil
        }
        SSL_set_bio(ssl, input, output)
        SSL_set_accept_state(ssl)
        self.ssl = ssl
        self.input = input
        self.output = output
    }

    deinit { SSL_free(ssl) }

    /// Whether the handshake is over, so that something can be sent.
    var isEstablished: Bool { !hasFailed && SSL_is_init_finished(ssl) == 1 }

    /// Takes in what came from the client; false where it cannot be kept.
    func receive(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        guard !hasFailed, let base = bytes.baseAddress, !bytes.isEmpty else { return !hasFailed }
        let count = Int32(clamping: bytes.count)
        return BIO_write(input, base, count) == count && bytes.count == Int(count)
    }

    /// Goes on with the handshake, then decrypts into `room` what is there.
    func read(into room: UnsafeMutableBufferPointer<UInt8>) -> Outcome {
        guard !hasFailed else { return .wantsInput }
        ERR_clear_error()
        var count = 0
        let status = SSL_read_ex(ssl, room.baseAddress, room.count, &count)
        if status == 1 { return .bytes(count) }
        switch SSL_get_error(ssl, status) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .wantsInput
        case SSL_ERROR_ZERO_RETURN: return .ended
        default:
            hasFailed = true
            let error = ERR_peek_error()
            defer { ERR_clear_error() }
            let isHTTP =
                burrow_error_library(error) == ERR_LIB_SSL
                && burrow_error_reason(error) == SSL_R_HTTP_REQUEST
            return .failed(isHTTP ? .plainHTTP : .other(Self.text(of: error)))
        }
    }

    /// Encrypts `bytes`; false where that is not possible any more.
    func write(_ bytes: [UInt8]) -> Bool {
        guard isEstablished, !hasSentEnd else { return false }
        guard !bytes.isEmpty else { return true }
        ERR_clear_error()
        var count = 0
        // The memory behind takes everything at once.
        let isWritten = SSL_write_ex(ssl, bytes, bytes.count, &count) == 1
        if !isWritten || count != bytes.count { hasFailed = true }
        ERR_clear_error()
        return !hasFailed
    }

    /// Says that nothing more will be sent.
    func end() {
        guard isEstablished, !hasSentEnd else { return }
        hasSentEnd = true
        ERR_clear_error()
        // It answers 0 where the client has not ended yet, which is not waited for.
        if SSL_shutdown(ssl) < 0 { hasFailed = true }
        ERR_clear_error()
    }

    /// Takes out what is for the client.
    func takeOutput() -> [UInt8] {
        let waiting = BIO_ctrl_pending(output)
        guard waiting > 0 else { return [] }
        return [UInt8](unsafeUninitializedCapacity: waiting) { room, filled in
            filled = Int(max(0, BIO_read(output, room.baseAddress, Int32(clamping: waiting))))
        }
    }

    /// An error of OpenSSL in its own words.
    static func text(of error: UInt) -> String {
        guard error != 0, let text = ERR_reason_error_string(error) else {
            return "no reason given"
        }
        return String(cString: text)
    }
}
