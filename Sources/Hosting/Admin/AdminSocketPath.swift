// SPDX-License-Identifier: Apache-2.0

internal import Foundation
package import ManifestLoading

/// Where the admin surface of a host is, as `serve` opens it and `status` looks for it.
nonisolated package struct AdminSocketPath: Sendable, Equatable {
    package let path: String

    /// Whether it lies in the user's run-time folder, which is made where it is not there.
    package let isDefault: Bool

    /// `nil` where the manifest has none.
    package init?(of manifest: Manifest) {
        switch manifest.spec.server.admin.value {
        case .off: return nil
        case .path(let path):
            self.path = path
            isDefault = false
        case .automatic:
            path = Self.defaultPath(named: manifest.metadata.name.value)
            isDefault = true
        }
    }

    /// `burrow-UID` in `$XDG_RUNTIME_DIR`, or in `/tmp`.
    package static var defaultFolder: String {
        let runtime = ProcessInfo.processInfo.environment["XDG_RUNTIME_DIR"]
        let parent = runtime.flatMap { $0.hasPrefix("/") ? $0 : nil } ?? "/tmp"
        return "\(parent.hasSuffix("/") ? String(parent.dropLast()) : parent)/burrow-\(getuid())"
    }

    /// The socket of a host; names may have slashes, files may not.
    package static func defaultPath(named name: String) -> String {
        "\(defaultFolder)/\(name.replacing("/", with: "-")).sock"
    }

    /// The sockets in the default folder, by name; whether anybody answers is not looked at.
    package static var all: [String] {
        let names = try? FileManager.default.contentsOfDirectory(atPath: defaultFolder)
        return (names ?? []).filter { $0.hasSuffix(".sock") }.sorted()
            .map { "\(defaultFolder)/\($0)" }
    }

    /// Makes the default folder, which nobody else may enter.
    ///
    /// - Throws: `HostError` where it belongs to somebody else or others may enter it.
    package func prepare() throws(HostError) {
        guard isDefault else { return }
        try Self.prepare(folder: Self.defaultFolder)
    }

    /// As ``prepare()``, for any folder.
    package static func prepare(folder: String) throws(HostError) {
        if mkdir(folder, 0o700) != 0, errno != EEXIST {
            throw refusal("cannot make \(folder): \(String(cString: strerror(errno)))")
        }
        var facts = stat()
        guard lstat(folder, &facts) == 0 else {
            throw refusal("cannot look at \(folder): \(String(cString: strerror(errno)))")
        }
        guard facts.st_mode & S_IFMT == S_IFDIR else {
            throw refusal("\(folder) is no folder: move it away")
        }
        guard facts.st_uid == getuid() else {
            throw refusal("\(folder) belongs to user \(facts.st_uid), not to \(getuid())")
        }
        guard facts.st_mode & 0o077 == 0 else {
            throw refusal("others may enter \(folder): take that away with `chmod 700 \(folder)`")
        }
    }

    private static func refusal(_ reason: String) -> HostError {
        HostError(
            .cannotStart,
            "the admin surface has no safe place: \(reason); or set spec.server.admin to a path of "
                + "yours or to off")
    }
}
