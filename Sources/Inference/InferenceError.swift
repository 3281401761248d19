// SPDX-License-Identifier: Apache-2.0

/// Why the executor refused its input, where in the input, and what to change.
package struct InferenceError: Error, Equatable, CustomStringConvertible {
    package enum Code: String, Sendable, CaseIterable, Codable {
        /// A size or count of the configuration is out of range.
        case invalidConfiguration
        /// The system gave no memory, or a size does not fit in an integer.
        case outOfMemory
        /// The system started no thread.
        case noThread
        /// The processor has not got the instruction set that was asked for.
        case unsupportedProcessor
        /// The model's shape is outside what the kernels can do.
        case unsupportedModel
        /// An adapter or merged copy belongs to another base model.
        case wrongModel
        /// An adapter's file could not be read to its end, or holds an infinity or a NaN.
        case unreadableAdapter
        /// The experts or the gate of a mixture do not fit each other or the model.
        case invalidMixture
        /// A mixture cannot be merged into the weights: its experts count differently for each
        /// token.
        case notMergeable
        /// A gate threw, or gave weights that cannot be used.
        case gateFailed
        /// A packed model could not be kept for the next start.
        case notKept
        /// A step breaks a limit of the configuration.
        case tooLarge
        /// A token, position, page or factor of a step is wrong.
        case invalidStep
    }

    package let code: Code
    package let message: String
    /// The index of the chunk of a step, if it is about one.
    package let chunk: Int?

    package init(_ code: Code, _ message: String, chunk: Int? = nil) {
        self.code = code
        self.message = message
        self.chunk = chunk
    }

    package var description: String {
        chunk.map { "chunk \($0): \(message)" } ?? message
    }
}
