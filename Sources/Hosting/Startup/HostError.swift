// SPDX-License-Identifier: Apache-2.0

package import ManifestLoading

/// Why a host could not start.
nonisolated package struct HostError: Error, Sendable, CustomStringConvertible {
    package enum Code: Sendable {
        /// The manifest, or something that it names, is at fault.
        case badConfiguration
        /// The machine is: an address in use, no memory.
        case cannotStart
    }

    package let code: Code
    /// With positions in the manifest where they are known.
    package let diagnostics: [Diagnostic]
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
        self.diagnostics = []
    }

    package init(_ diagnostics: [Diagnostic]) {
        self.code = .badConfiguration
        self.diagnostics = diagnostics
        self.message = ""
    }

    /// Every fault on lines of its own.
    package var description: String {
        diagnostics.isEmpty ? message : diagnostics.map(\.rendered).joined(separator: "\n")
    }
}
