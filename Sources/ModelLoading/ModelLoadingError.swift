// SPDX-License-Identifier: Apache-2.0

/// Why a model or an adapter could not be loaded, where in the input, and what to change.
package struct ModelLoadingError: Error, Equatable, CustomStringConvertible {
    /// What kind of fault it is, for exit codes and HTTP statuses.
    package enum Code: String, Sendable, CaseIterable, Codable {
        /// The folder or a file in it does not exist.
        case notFound
        /// The file exists but could not be opened, read or mapped.
        case unreadable
        /// A file could not be written.
        case unwritable
        /// A file, a number or a count is over a fixed limit.
        case tooLarge
        /// A JSON file is not JSON, repeats a key, or is nested too deeply.
        case malformedJSON
        /// A `.safetensors` file breaks its format.
        case malformedTensors
        /// A key holds a value of the wrong type or outside its range, or is missing.
        case invalidValue
        /// The architecture or one of its options changes the numbers and is not implemented.
        case unsupportedModel
        /// A feature of the adapter changes the numbers and is not implemented.
        case unsupportedAdapter
        /// A tensor that the configuration calls for is not in the files.
        case missingTensor
        /// A tensor that nothing would read is in the files.
        case unexpectedTensor
        /// A tensor has another shape than the configuration calls for.
        case wrongShape
        /// A tensor is stored in an element type that cannot be read.
        case wrongType
        /// A tensor holds an infinity or a NaN.
        case notFinite
        /// A name is empty, too long, or holds a slash or a control character.
        case invalidName
    }

    package let code: Code
    package let message: String
    /// The file or folder, as it was given.
    package let path: String?
    /// The JSON key (dotted) or the tensor's name.
    package let key: String?

    package init(_ code: Code, _ message: String, path: String? = nil, key: String? = nil) {
        self.code = code
        self.message = message
        self.path = path
        self.key = key
    }

    /// `path: key: message`, leaving out what is not known.
    package var description: String {
        [path, key, message].compactMap { $0 }.joined(separator: ": ")
    }

    /// The same error, naming a file if it did not name one yet.
    func at(path: String) -> ModelLoadingError {
        ModelLoadingError(code, message, path: self.path ?? path, key: key)
    }

    private static let maximumJoined = 15

    /// One error out of many: the first one's code and location, with every message.
    static func joining(_ errors: [ModelLoadingError]) -> ModelLoadingError? {
        guard let first = errors.first else { return nil }
        guard errors.count > 1 else { return first }
        let shown = errors.dropFirst().prefix(maximumJoined).map { error in
            error.key.map { "\($0): \(error.message)" } ?? error.message
        }
        let hidden = errors.count - 1 - shown.count
        let rest = hidden > 0 ? shown + ["and \(hidden) more faults"] : shown
        let message = ([first.message] + rest).joined(separator: "; ")
        return ModelLoadingError(first.code, message, path: first.path, key: first.key)
    }
}
