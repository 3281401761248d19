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
            return try SmallFile.read(file.value, limit: TLSContext.mostFileBytes)
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

/// A file of at most some bytes, read whole.
nonisolated enum SmallFile {
    struct Failure: Error {
        let reason: String

        init(_ reason: String) { self.reason = reason }
        init(_ code: Int32) { reason = String(cString: strerror(code)) }
    }

    /// Reads a regular file; one that is secret must not be for everybody to read.
    static func read(
        _ path: String, limit: Int, isSecret: Bool = false
    ) throws(Failure) -> [UInt8] {
        // A pipe would hold the open up until somebody writes.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Failure(errno) }
        defer { close(descriptor) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0 else { throw Failure(errno) }
        guard facts.st_mode & S_IFMT == S_IFREG else { throw Failure("it is not a file") }
        guard !isSecret || facts.st_mode & 0o007 == 0 else {
            throw Failure("everybody may read it: take that away with `chmod o= \(path)`")
        }
        guard facts.st_size <= limit else { throw Failure("it has more than \(limit) bytes") }
        var bytes: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 16 << 10)
        while bytes.count <= limit {
            let count = Foundation.read(descriptor, &room, room.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Failure(errno) }
            if count == 0 { return bytes }
            bytes += room[..<count]
        }
        throw Failure("it has more than \(limit) bytes")
    }
}
