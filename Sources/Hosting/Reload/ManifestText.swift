// SPDX-License-Identifier: Apache-2.0

internal import Foundation
package import ManifestLoading

/// A manifest as bytes, with the name that messages show and the folder that its paths start from.
nonisolated package struct ManifestText: Sendable, Equatable {
    package var bytes: [UInt8]

    /// As the user wrote it; a path where the bytes come from a file.
    package var file: String

    /// Absolute.
    package var directory: String

    package init(_ bytes: [UInt8], file: String, directory: String) {
        self.bytes = bytes
        self.file = file
        self.directory = directory
    }

    /// Reads a manifest that is checked later.
    ///
    /// - Throws: `HostError` where the file cannot be read.
    package init(contentsOf path: String) throws(HostError) {
        do throws(ManifestError) {
            bytes = try ManifestDocument.bytes(of: path)
        } catch {
            throw HostError(error.diagnostics)
        }
        file = path
        directory = Self.directory(of: path)
    }

    /// The folder of the file at `path`, absolute and without symbolic links, so that it is the same
    /// however it is named. A link at the file's own place is not followed.
    package static func directory(of path: String) -> String {
        let current = FileManager.default.currentDirectoryPath
        let absolute = path.hasPrefix("/") ? path : "\(current)/\(path)"
        let folder = "/" + absolute.split(separator: "/").dropLast().joined(separator: "/")
        guard let resolved = realpath(folder, nil) else { return folder }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// The document, with the environment of this process.
    package var document: ManifestDocument {
        ManifestDocument(
            bytes, file: file, directory: directory,
            environment: ProcessInfo.processInfo.environment)
    }
}
