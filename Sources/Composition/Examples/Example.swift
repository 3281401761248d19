// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import StrictJSON

/// A prompt and the answer that is wanted: a line of a `.jsonl` file with `prompt`, `answer` and
/// perhaps `task`.
package struct Example: Sendable, Equatable {
    package let prompt: String
    package let answer: String
    /// What the line is an example of.
    package let task: String?

    package init(prompt: String, answer: String, task: String? = nil) {
        self.prompt = prompt
        self.answer = answer
        self.task = task
    }

    package static let maximumFileBytes = 64 << 20
    package static let maximumCount = 100_000

    /// The examples of a file, in order; empty lines are passed over.
    ///
    /// - Throws: `invalidExamples` with the line, and `tooLarge`.
    package static func read(path: String) throws(CompositionError) -> [Example] {
        let bytes: [UInt8]
        do {
            let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            defer { try? file.close() }
            bytes = [UInt8](try file.read(upToCount: maximumFileBytes + 1) ?? Data())
        } catch {
            throw CompositionError(.invalidExamples, error.localizedDescription, at: path)
        }
        guard bytes.count <= maximumFileBytes else {
            throw CompositionError(
                .tooLarge, "is over the limit of \(maximumFileBytes) bytes", at: path)
        }
        var examples: [Example] = []
        let lines = bytes.split(
            separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() where !line.allSatisfy({ $0 <= 0x20 }) {
            do {
                examples.append(try Example(line: Array(line)))
            } catch {
                throw CompositionError(
                    error.code, error.message, at: "\(path):\(index + 1)")
            }
            guard examples.count <= maximumCount else {
                throw CompositionError(.tooLarge, "has over \(maximumCount) examples", at: path)
            }
        }
        guard !examples.isEmpty else {
            throw CompositionError(.invalidExamples, "holds no example", at: path)
        }
        return examples
    }

    private init(line: [UInt8]) throws(CompositionError) {
        let value: JSONValue
        do {
            value = try JSONValue(parsing: line)
        } catch {
            throw CompositionError(.invalidExamples, "not valid JSON: \(error.description)")
        }
        guard case .object(let object) = value, let prompt = object["prompt"]?.string,
            let answer = object["answer"]?.string, !answer.isEmpty
        else {
            throw CompositionError(
                .invalidExamples,
                "must be an object with the strings \"prompt\" and \"answer\", the latter not empty"
            )
        }
        self.init(prompt: prompt, answer: answer, task: object["task"]?.string)
    }
}
