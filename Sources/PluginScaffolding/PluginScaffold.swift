// SPDX-License-Identifier: Apache-2.0

import Foundation
package import PolicyKit

/// A new package with one policy that builds, passes the conformance kit, and can be served.
package struct PluginScaffold: Sendable {
    package let name: PluginName
    package let kind: PolicyKind
    let sdk: PolicySDK
    let template: PolicyTemplate

    /// - Throws: `invalidName`.
    package init(name: String, kind: PolicyKind, sdk: PolicySDK) throws(ScaffoldError) {
        self.name = try PluginName(name, kind: kind)
        self.kind = kind
        self.sdk = sdk
        self.template = PolicyTemplate(kind)
    }

    /// The path of the policy's source within the package.
    package var sourcePath: String {
        "Sources/\(name.swiftName)/\(name.swiftName).swift"
    }

    /// The path of its tests within the package.
    package var testPath: String {
        "Tests/\(name.swiftName)Tests/\(name.swiftName)Tests.swift"
    }

    /// The text of each file, by its path within the package.
    package var files: [String: String] {
        [
            "Package.swift": packageText,
            sourcePath: sourceText,
            testPath: testText,
            "README.md": readmeText,
            "manifest.yaml": manifestText,
            ".gitignore": ".build/\n",
        ]
    }

    /// Writes the package into a new folder.
    ///
    /// - Throws: `exists` where something of that name is there, whatever it is; `unwritable`.
    package func write(to folder: String) throws(ScaffoldError) {
        let parent = URL(fileURLWithPath: folder).deletingLastPathComponent()
        do {
            try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
        } catch {
            throw Self.unwritable(parent.path, error)
        }
        // Made by itself, so that two who write at once cannot both succeed.
        guard mkdir(folder, 0o777) == 0 else {
            let reason = errno
            if reason == EEXIST {
                throw ScaffoldError(
                    .exists,
                    "\(folder) is there already and is left as it is: choose another name, or "
                        + "another folder with `--path`")
            }
            throw ScaffoldError(
                .unwritable, "cannot make \(folder): \(String(cString: strerror(reason)))")
        }
        for (path, text) in files.sorted(by: { $0.key < $1.key }) {
            try Self.write(text, to: URL(fileURLWithPath: "\(folder)/\(path)"))
        }
    }

    private static func write(_ text: String, to file: URL) throws(ScaffoldError) {
        do {
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        } catch {
            throw unwritable(file.path, error)
        }
    }

    private static func unwritable(_ path: String, _ error: any Error) -> ScaffoldError {
        ScaffoldError(.unwritable, "cannot write \(path): \(error.localizedDescription)")
    }
}
