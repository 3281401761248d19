// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import ManifestLoading
import PluginLoading
import TestSupport
import Testing

@testable import Hosting

/// A host that speaks TLS, asked by curl.
@Suite struct TLSHostTests {
    /// A certificate and its key as files.
    struct Files {
        let folder: TestFolder
        let certificate: String
        let key: String

        init() throws {
            folder = try TestFolder()
            let made = try SelfSignedCertificate()
            certificate = try folder.write(
                "c.pem", String(decoding: made.certificate, as: UTF8.self))
            key = try folder.write("k.pem", String(decoding: made.key, as: UTF8.self))
        }

        var manifest: ServedManifest {
            var manifest = ServedManifest()
            manifest.server = ["tls: {certificate: \(certificate), key: \(key)}"]
            return manifest
        }

        func curl(_ server: BurrowProcess, _ path: String, _ more: String...) async throws
            -> CommandResult
        {
            try await run(
                "/usr/bin/curl",
                ["--silent", "--show-error", "--cacert", certificate]
                    + more + ["https://127.0.0.1:\(server.port)\(path)"])
        }
    }

    @Test func chatsAreAnsweredAndStreamedOverTLS() async throws {
        let files = try Files()
        let server = try await BurrowProcess.start(files.manifest)
        #expect(server.greeting.contains("at https://127.0.0.1:"))
        let body = SampleModel.chat("roman", "Write 47 as a Roman numeral.")
        let whole = try await files.curl(
            server, "/v1/chat/completions", "--data", String(decoding: body.bytes, as: UTF8.self))
        #expect(try JSON(parsing: whole.output)["choices"][0]["message"]["content"] == "XLVII")
        let stream = SampleModel.chat("roman", "Write 47 as a Roman numeral.", ["stream": true])
        let events = try await files.curl(
            server, "/v1/chat/completions", "--data", String(decoding: stream.bytes, as: UTF8.self))
        #expect(events.output.hasSuffix("data: [DONE]\n\n") && events.errors.isEmpty)
        let ready = try await files.curl(server, "/readyz", "--write-out", " %{http_code}")
        #expect(ready.output == #"{"status":"serving"} 200"#)
        let plain = try await run(
            "/usr/bin/curl", ["--silent", "http://127.0.0.1:\(server.port)/health"])
        #expect(plain.output.contains("use https"))
        try await server.stop()
    }

    @Test func aCertificateThatIsReplacedIsServedWithTheNextReload() async throws {
        let files = try Files()
        let server = try await BurrowProcess.start(files.manifest)
        let admin = AdminSocketClient(server)
        let next = try SelfSignedCertificate()
        let certificate = String(decoding: next.certificate, as: UTF8.self)
        try files.folder.write("c.pem", certificate)
        // Half of it is there: the two do not belong together, and the old one goes on.
        let half = try await admin.ask("POST", "/admin/reload")
        #expect(half.status == 422)
        let refused = try await files.curl(server, "/health")
        #expect(refused.status != 0, "the file holds another certificate than is served")
        try files.folder.write("k.pem", String(decoding: next.key, as: UTF8.self))
        let whole = try await admin.ask("POST", "/admin/reload")
        #expect(try whole.json["outcome"] == "live")
        #expect(try whole.json["changes"].list.count == 2)
        let health = try await files.curl(server, "/health", "--write-out", "%{http_code}")
        #expect(health.output == "200", "\(health)")
        server.signal(SIGTERM)
        #expect(try await server.end().status == 0)
    }

    @Test func filesAtFaultAreNamedWithTheirPlace() async throws {
        let files = try Files()
        let other = try SelfSignedCertificate()
        func serve(_ certificate: String, _ key: String) async throws -> CommandResult {
            var manifest = ServedManifest()
            manifest.server = ["tls: {certificate: \(certificate), key: \(key)}"]
            let path = try files.folder.write("m.yaml", manifest.text)
            return try await run(Built.burrow, ["serve", path, "--listen", "127.0.0.1:0"])
        }
        let text = try files.folder.write("x.pem", "no certificate")
        let wrong = try files.folder.write("o.pem", String(decoding: other.key, as: UTF8.self))
        for (certificate, key, message) in [
            (
                "/nowhere.pem", files.key,
                "certificate: the file /nowhere.pem cannot be read: No such"
            ),
            (text, files.key, "certificate: the file \(text) is not a certificate in PEM"),
            (files.certificate, text, "key: the file \(text) is not a private key in PEM"),
            (files.certificate, wrong, "key: the file \(wrong) is not the key of the certificate"),
        ] {
            let result = try await serve(certificate, key)
            #expect(result.status == 78)
            #expect(
                result.errors.contains("error: spec.server.tls.\(message)"), "\(result.errors)")
            #expect(result.errors.contains("m.yaml:5:"), "\(result.errors)")
        }
    }
}

/// The certificate as it is read, and read again.
@MainActor
@Suite struct ServedCertificateTests {
    @Test func filesAreReadAgainEachTime() throws {
        let files = try TLSHostTests.Files()
        let document = ManifestDocument(
            Array(files.manifest.text.utf8), file: "m.yaml", directory: "/")
        let policies = try ManifestReader.registry(searching: []).descriptions
        let validation = document.validate(policies: policies.map(KnownPolicy.init(_:)))
        let manifest = try #require(validation.manifest, "\(validation.diagnostics)")
        let certificate = try #require(ServedCertificate(of: manifest, in: document))
        let log = Logger(label: "test")
        _ = try certificate.load(log)
        let next = try SelfSignedCertificate()
        try next.certificate.write(to: files.certificate)
        let error = #expect(throws: HostError.self) { try certificate.load(log) }
        #expect(error?.description.contains("spec.server.tls.key: the file") == true)
        #expect(error?.description.hasPrefix("m.yaml:5:") == true)
        try next.key.write(to: files.key)
        _ = try certificate.load(log)
        let same = try #require(ServedCertificate(of: manifest))
        _ = try same.load(log)
    }
}

extension [UInt8] {
    fileprivate func write(to path: String) throws {
        try Data(self).write(to: URL(fileURLWithPath: path))
    }
}
