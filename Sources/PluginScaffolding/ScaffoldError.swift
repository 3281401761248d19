// SPDX-License-Identifier: Apache-2.0

/// Why no package can be written, or none be found.
package struct ScaffoldError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kinds of refusal.
    package enum Code: Sendable {
        /// The name cannot be that of a policy.
        case invalidName
        /// The folder of the package is there already.
        case exists
        /// PolicyKit's sources were not found.
        case missingSDK
        /// A file or a folder cannot be written.
        case unwritable
    }

    package let code: Code

    /// What is wrong and what to do about it.
    package let description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
