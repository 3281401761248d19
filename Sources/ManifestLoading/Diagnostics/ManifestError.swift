// SPDX-License-Identifier: Apache-2.0

/// Why a file that a manifest names cannot be used.
package struct ManifestError: Error, Sendable, CustomStringConvertible {
    package enum Code: Sendable {
        /// The file system refuses.
        case unreadable
        /// The file is there, and faulty.
        case invalid
    }

    package let code: Code
    /// At least one, in the order of the file.
    package let diagnostics: [Diagnostic]

    package var description: String {
        diagnostics.map(\.rendered).joined(separator: "\n")
    }
}
