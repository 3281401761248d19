// SPDX-License-Identifier: Apache-2.0
import COpenSSL
import TestSupport
import Testing

@testable import HTTPServing

/// A TLS client over a socket that never blocks; it trusts everybody.
@MainActor
final class TLSClient {
    let socket: SocketClient
    private(set) var bytes: [UInt8] = []
    /// Whether the server has said that nothing more comes.
    private(set) var isEnded = false
    /// Whether the handshake was refused, or a record was no record.
    private(set) var hasFailed = false
    private var fed = 0
    private let context: OpaquePointer
    private let ssl: OpaquePointer
    private let input: OpaquePointer
    private let output: OpaquePointer

    /// `pieces` is how many bytes go to the socket at a time; 0 is all there are.
    private let pieces: Int

    init(
        port: Int, pieces: Int = 0, protocols: [String] = ["h2", "http/1.1"],
        version: Int32? = nil
    ) throws {
        socket = try SocketClient(port: port)
        self.pieces = pieces
        context = try #require(SSL_CTX_new(TLS_client_method()))
        ssl = try #require(SSL_new(context))
        input = try #require(burrow_memory_bio())
        output = try #require(burrow_memory_bio())
        SSL_set_bio(ssl, input, output)
        SSL_set_connect_state(ssl)
        if let version {
            // The limits are set by control numbers; the macros are not to be had here.
            SSL_ctrl(ssl, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(version), nil)
            SSL_ctrl(ssl, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(version), nil)
            // Versions that are out of date are not spoken at the usual level.
            SSL_set_security_level(ssl, 0)
        }
        let offer = protocols.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
        if !offer.isEmpty { SSL_set_alpn_protos(ssl, offer, UInt32(offer.count)) }
        SSL_do_handshake(ssl)
    }

    isolated deinit {
        SSL_free(ssl)
        SSL_CTX_free(context)
    }

    var text: String { String(decoding: bytes, as: UTF8.self) }
    var isEstablished: Bool { SSL_is_init_finished(ssl) == 1 }
    var version: String { String(cString: SSL_get_version(ssl)) }

    var chosenProtocol: String {
        var start: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &start, &count)
        return String(decoding: UnsafeBufferPointer(start: start, count: Int(count)), as: UTF8.self)
    }

    /// The common name of the server's certificate.
    var certificateName: String {
        guard let certificate = SSL_get1_peer_certificate(ssl) else { return "" }
        defer { X509_free(certificate) }
        var name = [CChar](repeating: 0, count: 64)
        let subject = X509_get_subject_name(certificate)
        let count = X509_NAME_get_text_by_NID(subject, NID_commonName, &name, 64)
        return String(decoding: name.prefix(Int(max(0, count))).map(UInt8.init), as: UTF8.self)
    }

    /// Encrypts `text`; it leaves with the next ``step()``s.
    func send(_ text: String) {
        let bytes = Array(text.utf8)
        #expect(SSL_write(ssl, bytes, Int32(bytes.count)) == Int32(bytes.count))
    }

    /// Takes out what would be sent first.
    func firstFlight() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: BIO_ctrl_pending(output))
        BIO_read(output, &bytes, Int32(bytes.count))
        return bytes
    }

    /// Says that nothing more comes.
    func end() { SSL_shutdown(ssl) }

    /// Sends a piece of what waits, and takes what has come.
    func step() {
        let waiting = BIO_ctrl_pending(output)
        let count = pieces > 0 ? min(pieces, waiting) : waiting
        if count > 0 {
            var part = [UInt8](repeating: 0, count: count)
            BIO_read(output, &part, Int32(count))
            socket.sendSome(part)
        }
        socket.receive()
        let new = Array(socket.bytes[fed...])
        fed = socket.bytes.count
        if !new.isEmpty { BIO_write(input, new, Int32(new.count)) }
        take()
    }

    private func take() {
        guard !hasFailed, !isEnded else { return }
        var room = [UInt8](repeating: 0, count: 16_384)
        while true {
            ERR_clear_error()
            let count = SSL_read(ssl, &room, Int32(room.count))
            if count > 0 {
                bytes += room[..<Int(count)]
                continue
            }
            switch SSL_get_error(ssl, count) {
            case SSL_ERROR_ZERO_RETURN: isEnded = true
            case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: break
            default: hasFailed = true
            }
            return
        }
    }
}

extension TLSContext {
    /// A context with a certificate of that name.
    static func test(name: String = "burrow") throws -> TLSContext {
        let made = try SelfSignedCertificate(name: name)
        return try TLSContext(certificate: made.certificate, key: made.key)
    }
}

extension ServerBench {
    /// A bench that speaks TLS.
    convenience init(
        tls: TLSContext, limits: HTTPLimits = HTTPLimits(),
        answer: ((HTTPRequest, HTTPExchange) -> Void)? = nil
    ) throws {
        try self.init(limits: limits, answer: answer)
        server.tls = tls
    }

    /// Runs the loop and `client` until `condition` holds.
    func run(
        _ client: TLSClient, until condition: () -> Bool,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try run(
            until: {
                client.step()
                return condition()
            }, sourceLocation: sourceLocation)
    }
}
