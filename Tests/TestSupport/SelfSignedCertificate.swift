// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL

/// A certificate for `localhost` and 127.0.0.1 that vouches for itself, with its key, in PEM.
public struct SelfSignedCertificate: Sendable {
    public let certificate: [UInt8]
    public let key: [UInt8]
    /// The key behind a password.
    public let lockedKey: [UInt8]

    /// What OpenSSL would not do.
    struct Failure: Error {}

    /// `name` is its common name; `days` how long it holds from yesterday on.
    public init(name: String = "burrow", days: Int = 30) throws {
        guard let context = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nil) else { throw Failure() }
        defer { EVP_PKEY_CTX_free(context) }
        var made: OpaquePointer?
        guard EVP_PKEY_keygen_init(context) == 1, EVP_PKEY_keygen(context, &made) == 1,
            let pair = made, let x509 = X509_new()
        else { throw Failure() }
        defer {
            EVP_PKEY_free(pair)
            X509_free(x509)
        }
        X509_set_version(x509, 2)
        ASN1_INTEGER_set(X509_get_serialNumber(x509), Int.random(in: 1...1_000_000_000))
        X509_gmtime_adj(X509_getm_notBefore(x509), -86_400)
        X509_gmtime_adj(X509_getm_notAfter(x509), (days - 1) * 86_400)
        X509_set_pubkey(x509, pair)
        let subject = X509_get_subject_name(x509)
        X509_NAME_add_entry_by_txt(subject, "CN", Self.asciiText, name, -1, -1, 0)
        X509_set_issuer_name(x509, subject)
        guard
            let names = X509V3_EXT_conf_nid(
                nil, nil, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1"),
            X509_add_ext(x509, names, -1) == 1, X509_sign(x509, pair, nil) > 0
        else { throw Failure() }
        X509_EXTENSION_free(names)
        certificate = try Self.text { PEM_write_bio_X509($0, x509) }
        key = try Self.text { PEM_write_bio_PrivateKey($0, pair, nil, nil, 0, nil, nil) }
        lockedKey = try Self.text { bio in
            "secret".withCString {
                PEM_write_bio_PKCS8PrivateKey(
                    bio, pair, EVP_aes_128_cbc(), $0, 6, nil, nil)
            }
        }
    }

    private static let asciiText = Int32(0x1001)

    private static func text(_ write: (OpaquePointer) -> Int32) throws -> [UInt8] {
        guard let bio = BIO_new(BIO_s_mem()) else { throw Failure() }
        defer { BIO_free(bio) }
        guard write(bio) == 1 else { throw Failure() }
        let count = BIO_ctrl_pending(bio)
        return [UInt8](unsafeUninitializedCapacity: count) { room, filled in
            filled = Int(max(0, BIO_read(bio, room.baseAddress, Int32(count))))
        }
    }
}
