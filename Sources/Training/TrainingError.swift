// SPDX-License-Identifier: Apache-2.0

package import ModelLoading

/// Why something cannot be trained, where in the input, and what to change.
package struct TrainingError: Error, Equatable, CustomStringConvertible {
    package enum Code: String, Sendable, CaseIterable, Codable {
        /// A number of the settings is out of range, or two of them exclude each other.
        case invalidSettings
        /// A line of the data is not what is trained on, or there is no line.
        case invalidExample
        /// A file could not be opened or read.
        case unreadable
        /// A file could not be written.
        case unwritable
        /// A checkpoint is of another run, or is damaged.
        case wrongCheckpoint
        /// The model, an adapter or its tokenizer could not be loaded.
        case notLoaded
        /// The loss has become infinite: the learning rate is too high.
        case diverged
    }

    package let code: Code
    package let message: String
    /// The file, with the line where it is about one.
    package let place: String?

    package init(_ code: Code, _ message: String, at place: String? = nil) {
        self.code = code
        self.message = message
        self.place = place
    }

    package init(_ error: ModelLoadingError) {
        self.init(.notLoaded, error.description)
    }

    package var description: String { place.map { "\($0): \(message)" } ?? message }
}
