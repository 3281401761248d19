// SPDX-License-Identifier: Apache-2.0

/// Why a document was refused, and where.
package struct JSONSyntaxError: Error, Sendable, Equatable {
    /// What was expected and what came.
    package let message: String
    /// The line, from 1.
    package let line: Int
    /// The byte in its line, from 1.
    package let column: Int
    /// The byte in the document, from 0.
    package let byteOffset: Int

    /// The message with its position.
    package var description: String {
        "\(message) (line \(line), column \(column), byte \(byteOffset))"
    }
}
