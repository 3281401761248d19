// SPDX-License-Identifier: Apache-2.0

internal import Inference
internal import ModelLoading
internal import Tokenization

/// Why adapters could not be composed, where in the input, and what to change.
package struct CompositionError: Error, Equatable, CustomStringConvertible {
    package enum Code: String, Sendable, CaseIterable, Codable {
        /// A setting is out of range, or another one is missing with it.
        case invalidSetting
        /// The adapters cannot be composed by this method: their ranks or their sites differ.
        case incompatible
        /// A matrix, a file or a number of things is over a limit.
        case tooLarge
        /// The base model, an adapter or its files are at fault.
        case unreadable
        /// A line of the examples is at fault, or there are none.
        case invalidExamples
        /// A decomposition or a solution was not found.
        case notSolvable
        /// The folder could not be written.
        case notWritten
    }

    package let code: Code
    package let message: String
    /// The adapter, the file or the site that it is about.
    package let place: String?

    package init(_ code: Code, _ message: String, at place: String? = nil) {
        self.code = code
        self.message = message
        self.place = place
    }

    package var description: String {
        place.map { "\($0): \(message)" } ?? message
    }

    init(_ error: ModelLoadingError) {
        self.init(error.code == .unwritable ? .notWritten : .unreadable, error.description)
    }

    init(_ error: InferenceError) {
        self.init(error.code == .tooLarge ? .tooLarge : .unreadable, error.description)
    }

    init(_ error: TokenizationError, at place: String? = nil) {
        self.init(.invalidExamples, error.description, at: place)
    }
}

/// Runs `body`, and puts what reading models throws into this module's words.
func reading<Value>(
    _ body: () throws(ModelLoadingError) -> Value
) throws(CompositionError) -> Value {
    do {
        return try body()
    } catch {
        throw CompositionError(error)
    }
}
