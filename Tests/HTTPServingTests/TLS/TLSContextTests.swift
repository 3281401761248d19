// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import HTTPServing

@Suite struct TLSContextTests {
    /// What is loaded as the certificate and as its key.
    enum Fault: CaseIterable {
        case noCertificate, keyAsCertificate, garbledCertificate, longChain
        case noKey, certificateAsKey, lockedKey, otherKey, largeFile

        func files() throws -> (certificate: [UInt8], key: [UInt8]) {
            let one = try SelfSignedCertificate()
            let garbled = Array(
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".utf8)
            switch self {
            case .noCertificate: return ([], one.key)
            case .keyAsCertificate: return (one.key, one.key)
            case .garbledCertificate: return (one.certificate + garbled, one.key)
            case .longChain:
                return (Array(repeatElement(one.certificate, count: 16).joined()), one.key)
            case .noKey: return (one.certificate, [])
            case .certificateAsKey: return (one.certificate, one.certificate)
            case .lockedKey: return (one.certificate, one.lockedKey)
            case .otherKey: return (one.certificate, try SelfSignedCertificate().key)
            case .largeFile:
                return (one.certificate, [UInt8](repeating: 10, count: 1 + (1 << 20)))
            }
        }

        var error: TLSError {
            let certificate =
                "is not a certificate in PEM, which begins with -----BEGIN CERTIFICATE-----"
            let key = "is not a private key in PEM, which begins with -----BEGIN PRIVATE KEY-----"
            return switch self {
            case .noCertificate, .keyAsCertificate, .garbledCertificate:
                TLSError(.certificate, certificate)
            case .longChain: TLSError(.certificate, "holds more than 15 certificates")
            case .noKey, .certificateAsKey: TLSError(.key, key)
            case .lockedKey: TLSError(.key, "is a key with a password; write it without one")
            case .otherKey: TLSError(.key, "is not the key of the certificate")
            case .largeFile: TLSError(.key, "has more than 1048576 bytes")
            }
        }
    }

    @Test(arguments: Fault.allCases) func faultsAreNamed(_ fault: Fault) throws {
        let files = try fault.files()
        #expect(throws: fault.error) {
            try TLSContext(certificate: files.certificate, key: files.key)
        }
    }

    @Test func goodOnesAreTaken() throws {
        let made = try SelfSignedCertificate()
        let other = try SelfSignedCertificate()
        let chain = made.certificate + other.certificate
        #expect(try !TLSContext(certificate: chain, key: made.key).isOutOfDate)
        let old = try SelfSignedCertificate(days: 0)
        #expect(try TLSContext(certificate: old.certificate, key: old.key).isOutOfDate)
    }

    /// What a client begins with.
    @MainActor
    private static func hello() throws -> [UInt8] {
        let bench = try ServerBench(tls: .test())
        defer { try? bench.close() }
        return try TLSClient(port: bench.port).firstFlight()
    }

    @Test func noHelloTrapsASession() async throws {
        let context = try TLSContext.test()
        let hello = try await Self.hello()
        #expect(hello.count > 100 && hello[0] == 0x16)
        var random = SeededRandom(seed: 11)
        for _ in 0..<400 {
            let session = try #require(TLSSession(context))
            var bytes = hello
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(
                    in: 0...255, using: &random)
            }
            let cut = Int.random(in: 0...bytes.count, using: &random)
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { room in
                for part in [bytes[..<cut], bytes[cut...]] {
                    _ = Array(part).withUnsafeBufferPointer { session.receive($0) }
                    let outcome = session.read(into: room)
                    #expect(outcome != .ended)
                    if case .bytes = outcome { Issue.record("bytes before the handshake") }
                }
            }
            #expect(session.takeOutput().count < 16_384)
        }
    }

    @Test func noBytesTrapASession() throws {
        let context = try TLSContext.test()
        var random = SeededRandom(seed: 7)
        for round in 0..<400 {
            let session = try #require(TLSSession(context))
            // A record's head now and then, so that what follows is looked at.
            var bytes: [UInt8] = round.isMultiple(of: 2) ? [0x16, 3, UInt8(round % 5), 0, 60] : []
            bytes += (0..<Int.random(in: 0...400, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            _ = bytes.withUnsafeBufferPointer { session.receive($0) }
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { room in
                for _ in 0..<3 { _ = session.read(into: room) }
            }
            _ = session.write([1, 2, 3])
            session.end()
            #expect(session.takeOutput().count < 16_384)
        }
    }
}
