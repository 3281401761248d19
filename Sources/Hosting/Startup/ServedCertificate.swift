// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import HTTPServing
internal import Logging
package import ManifestLoading

/// Where the certificate of a host lies, and how it is read: at the start, and again on request.
nonisolated package struct ServedCertificate {
    private let files: Manifest.TLS
    private let document: ManifestDocument?

    /// `nil` where the manifest has none. The document gives faults their place.
    package init?(of manifest: Manifest, in document: ManifestDocument? = nil) {
        guard let tls = manifest.spec.server.tls else { return nil }
        files = tls
        self.document = document
    }

    /// As ``read()``, and warns of a certificate that is out of date.
    func load(_ log: Logger) throws(HostError) -> TLSContext {
        let context = try read()
        if context.isOutOfDate {
            log.warning("the certificate \(files.certificate.value) is out of date")
        }
        return context
    }

    /// Reads both files and checks that they belong together.
    func read() throws(HostError) -> TLSContext {
        let certificate = try read(files.certificate, .certificate)
        let key = try read(files.key, .key)
        do {
            return try TLSContext(certificate: certificate, key: key)
        } catch {
            throw fault(of: error.subject, "the file \(path(of: error.subject)) \(error.message)")
        }
    }

    private func read(
        _ file: Located<String>, _ subject: TLSError.Subject
    ) throws(HostError) -> [UInt8] {
        do {
            return try FileContents.readWhole(file.value, limit: TLSContext.mostFileBytes)
        } catch {
            throw fault(of: subject, "the file \(file.value) cannot be read: \(error.reason)")
        }
    }

    private func path(of subject: TLSError.Subject) -> String {
        subject == .key ? files.key.value : files.certificate.value
    }

    private func fault(of subject: TLSError.Subject, _ message: String) -> HostError {
        let (key, file) =
            subject == .key ? ("key", files.key) : ("certificate", files.certificate)
        guard let document else { return HostError(.badConfiguration, message) }
        return HostError([
            document.diagnostic(message, at: file.position, path: "spec.server.tls.\(key)")
        ])
    }
}
