// SPDX-License-Identifier: Apache-2.0

/// Why a tokenizer or a chat template could not be loaded or applied.
package struct TokenizationError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The closed list of reasons.
    package enum Code: String, Sendable {
        /// A file is missing or cannot be read.
        case unreadableFile
        /// The text is not JSON.
        case malformedJSON
        /// `tokenizer.json` or `tokenizer_config.json` lacks something or contradicts itself.
        case malformedTokenizer
        /// A feature that would change the result is not implemented.
        case unsupportedFeature
        /// The chat template is not valid Jinja.
        case malformedTemplate
        /// The chat template uses something outside the supported subset.
        case unsupportedTemplate
        /// The template itself refused the conversation with `raise_exception`.
        case templateRaised
        /// The template failed on these values, for example on an undefined variable.
        case templateFailed
        /// A bound on size, depth or work was reached.
        case limitExceeded
    }

    package let code: Code
    /// What is wrong and what to change.
    package let message: String
    /// Where in the input: a file, a path inside the JSON, or a line and column of the template.
    package let location: String?

    package init(_ code: Code, _ message: String, at location: String? = nil) {
        self.code = code
        self.message = message
        self.location = location
    }

    package var description: String {
        location.map { "\($0): \(message)" } ?? message
    }

    /// The same error with `prefix` put before its location.
    func located(in prefix: String) -> TokenizationError {
        TokenizationError(code, message, at: location.map { "\(prefix): \($0)" } ?? prefix)
    }
}
