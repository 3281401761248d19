// SPDX-License-Identifier: Apache-2.0

/// A chat template: the subset of Jinja that published models use, read as transformers reads it
/// (`trim_blocks`, `lstrip_blocks`, loop controls, nothing escaped).
///
/// What is not supported is refused when the template is read, with line and column. Rendering is
/// bounded in steps, output and recursion, and has no access to clock, files or environment.
package struct ChatTemplate: Sendable {
    private let body: [TemplateStatement]
    /// What errors call the template.
    private let name: String

    /// Parses `source`. Throws `malformedTemplate`, `unsupportedTemplate` or `limitExceeded`.
    package init(source: String, name: String = "chat_template") throws(TokenizationError) {
        do {
            body = try TemplateParser.parse(source)
        } catch {
            throw error.located(in: name)
        }
        self.name = name
    }

    /// Renders with the variables of `context`; of two with the same name the later counts.
    ///
    /// Throws `templateRaised` with the template's own message when it calls `raise_exception`,
    /// which is the client's fault, and `templateFailed` when the values do not fit.
    package func render(
        _ context: [TemplateValue.Member], clock: TemplateClock
    ) throws(TokenizationError) -> String {
        try render(context, clock: clock, stepLimit: TemplateInterpreter.usualStepLimit)
    }

    /// Renders in at most so many steps.
    func render(
        _ context: [TemplateValue.Member], clock: TemplateClock, stepLimit: Int
    ) throws(TokenizationError) -> String {
        do {
            return try TemplateInterpreter(clock: clock, stepLimit: stepLimit)
                .run(body, context: context)
        } catch {
            throw error.located(in: name)
        }
    }
}

extension Tokenizer {
    /// The prompt for a conversation, to be given to ``encodeChat(_:)``.
    ///
    /// The template sees `messages`, `tools` when there are any, `add_generation_prompt`, the
    /// special tokens of the configuration (`bos_token`, `eos_token`, …) and `extra`, which goes
    /// before all others. Throws `unsupportedTemplate` when the model has no template.
    package func renderChat(
        messages: [TemplateValue], tools: [TemplateValue]?, addGenerationPrompt: Bool,
        extra: [TemplateValue.Member] = [], clock: TemplateClock
    ) throws(TokenizationError) -> String {
        let chosen = tools == nil ? chatTemplate : toolUseTemplate ?? chatTemplate
        guard let template = chosen else {
            throw TokenizationError(
                .unsupportedTemplate,
                "the model has no chat template; use completions, or add chat_template.jinja")
        }
        var context = configuration.specialTokens.map {
            TemplateValue.Member($0.name, .string($0.content))
        }
        if !configuration.additionalTokens.isEmpty {
            let list = configuration.additionalTokens.map { TemplateValue.string($0) }
            context.append(TemplateValue.Member("additional_special_tokens", .array(list)))
        }
        context.append(TemplateValue.Member("messages", .array(messages)))
        context.append(
            TemplateValue.Member("tools", tools.map { TemplateValue.array($0) } ?? .null))
        context.append(TemplateValue.Member("documents", .null))
        context.append(TemplateValue.Member("add_generation_prompt", .bool(addGenerationPrompt)))
        return try template.render(context + extra, clock: clock)
    }
}
