// SPDX-License-Identifier: Apache-2.0

internal import Tokenization

/// An example as tokens: what is given, and what is to follow.
package struct TokenizedExample: Sendable, Equatable {
    package let prompt: [Int32]
    /// With the token that ends the answer; not empty.
    package let completion: [Int32]

    /// Tokens that are known already; neither list is empty.
    package init(prompt: [Int32], completion: [Int32]) {
        precondition(!prompt.isEmpty && !completion.isEmpty, "an example without tokens")
        self.prompt = prompt
        self.completion = completion
    }

    /// The prompt goes through the chat template, or stands as it is where the model has none;
    /// `endToken` ends the answer, unless the model names none.
    init(
        _ example: Example, tokenizer: Tokenizer, endToken: Int32?, clock: TemplateClock
    ) throws(CompositionError) {
        do {
            if tokenizer.chatTemplate != nil {
                let message = TemplateValue.object([
                    TemplateValue.Member("role", .string("user")),
                    TemplateValue.Member("content", .string(example.prompt)),
                ])
                prompt = try tokenizer.encodeChat(
                    tokenizer.renderChat(
                        messages: [message], tools: nil, addGenerationPrompt: true, clock: clock))
            } else {
                prompt = try tokenizer.encode(example.prompt, addSpecialTokens: true)
            }
            completion =
                try tokenizer.encode(example.answer, addSpecialTokens: false)
                + (endToken.map { [$0] } ?? [])
        } catch {
            throw CompositionError(error, at: "\"\(example.prompt.prefix(40))\"")
        }
        guard !prompt.isEmpty, !completion.isEmpty else {
            throw CompositionError(
                .invalidExamples, "has no tokens", at: "\"\(example.prompt.prefix(40))\"")
        }
    }

    /// Examples by the tokenizer and the chat template of a model's folder.
    ///
    /// Templates that tell the date tell the same one every time, so that the outcome does not depend
    /// on the day.
    package static func all(
        _ examples: [Example], modelFolder: String, endToken: Int32?
    ) throws(CompositionError) -> [TokenizedExample] {
        let tokenizer: Tokenizer
        do {
            tokenizer = try Tokenizer.load(folder: modelFolder)
        } catch {
            throw CompositionError(.unreadable, error.description)
        }
        var all: [TokenizedExample] = []
        for example in examples {
            all.append(
                try TokenizedExample(
                    example, tokenizer: tokenizer, endToken: endToken,
                    clock: TemplateClock(localSeconds: 0)))
        }
        return all
    }

    /// All tokens that the model reads: of the answer all but the last.
    var input: [Int32] { prompt + completion.dropLast() }
}
