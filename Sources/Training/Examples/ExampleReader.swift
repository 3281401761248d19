// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import StrictJSON
package import Tokenization

/// Reads what is learnt from: a JSON object on each line with a `prompt` and its `answer`; other
/// members are passed over.
///
/// The prompt goes through the model's chat template as one message of the user; what is learnt is
/// the answer and the token that ends it.
package struct ExampleReader {
    /// Larger files are refused.
    package static let limitBytes = 256 << 20
    private static let lineLimits = JSONLimits(byteCount: 1 << 20)

    private let tokenizer: Tokenizer
    private let endToken: Int32
    private let contextLength: Int
    private let vocabularySize: Int
    private let clock: TemplateClock

    /// A reader for one model: `endToken` ends its answers, a prompt with its answer may have
    /// `contextLength` tokens, and templates that ask for the time see `clock`.
    package init(
        _ tokenizer: Tokenizer, endToken: Int32, contextLength: Int, vocabularySize: Int,
        clock: TemplateClock = TemplateClock(localSeconds: 0)
    ) {
        self.tokenizer = tokenizer
        self.endToken = endToken
        self.contextLength = contextLength
        self.vocabularySize = vocabularySize
        self.clock = clock
    }

    /// All examples of a file.
    ///
    /// - Throws: `unreadable`, or `invalidExample` with the line.
    package func examples(path: String) throws(TrainingError) -> [TrainingSequence] {
        let contents: Data
        do {
            let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            defer { try? file.close() }
            contents = try file.read(upToCount: Self.limitBytes + 1) ?? Data()
        } catch {
            throw TrainingError(.unreadable, error.localizedDescription, at: path)
        }
        guard contents.count <= Self.limitBytes else {
            throw TrainingError(.unreadable, "is over \(Self.limitBytes) bytes", at: path)
        }
        var examples: [TrainingSequence] = []
        let lines = contents.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (number, line) in lines.enumerated() {
            guard line.contains(where: { $0 != 0x20 && $0 != 0x0D && $0 != 0x09 }) else { continue }
            do throws(TrainingError) {
                examples.append(try example([UInt8](line)))
            } catch {
                throw TrainingError(error.code, error.message, at: "\(path):\(number + 1)")
            }
        }
        guard !examples.isEmpty else {
            throw TrainingError(.invalidExample, "holds no example", at: path)
        }
        return examples
    }

    /// The example of a line.
    func example(_ line: [UInt8]) throws(TrainingError) -> TrainingSequence {
        let value: JSONValue
        do {
            value = try JSONValue(parsing: line, limits: Self.lineLimits)
        } catch {
            throw TrainingError(.invalidExample, "not valid JSON: \(error.message)")
        }
        guard case .object(let object) = value else {
            throw TrainingError(.invalidExample, "expected an object, found \(value.kind)")
        }
        func text(_ key: String) throws(TrainingError) -> String {
            guard let text = object[key]?.string, !text.isEmpty else {
                throw TrainingError(
                    .invalidExample,
                    "'\(key)' must be a text that is not empty, found "
                        + (object[key]?.shown ?? "nothing"))
            }
            return text
        }
        return try sequence(prompt: try text("prompt"), answer: try text("answer"))
    }

    /// The tokens of a prompt with its answer.
    package func sequence(
        prompt: String, answer: String
    ) throws(TrainingError) -> TrainingSequence {
        let promptTokens: [Int32]
        let answerTokens: [Int32]
        do {
            let message = TemplateValue.object([
                .init("role", .string("user")), .init("content", .string(prompt)),
            ])
            promptTokens = try tokenizer.encodeChat(
                try tokenizer.renderChat(
                    messages: [message], tools: nil, addGenerationPrompt: true, clock: clock))
            answerTokens = try tokenizer.encode(answer, addSpecialTokens: false) + [endToken]
        } catch {
            throw TrainingError(.invalidExample, error.description)
        }
        let tokens = promptTokens + answerTokens
        guard !promptTokens.isEmpty, tokens.count <= contextLength else {
            throw TrainingError(
                .invalidExample,
                "has \(promptTokens.count) tokens of a prompt and \(answerTokens.count) of an "
                    + "answer; the model's context is \(contextLength)")
        }
        guard tokens.allSatisfy({ (0..<Int32(clamping: vocabularySize)).contains($0) }) else {
            throw TrainingError(
                .invalidExample, "has tokens that are not among the model's \(vocabularySize)")
        }
        return TrainingSequence(tokens: tokens, promptTokens: promptTokens.count)
    }
}
