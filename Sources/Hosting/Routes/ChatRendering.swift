// SPDX-License-Identifier: Apache-2.0

internal import HTTPServing
internal import Tokenization

/// Writes a chat through the model's template.
struct ChatRendering {
    let tokenizer: Tokenizer

    /// - Throws: 400 with what the template says, as through `raise_exception`.
    func text(of chat: ChatInput) throws(APIError) -> String {
        guard let template = tokenizer.chatTemplate else {
            throw APIError(
                .badRequest,
                "messages: the served model has no chat template: use /v1/completions.",
                parameter: "messages")
        }
        var context = tokenizer.templateContext
        for argument in chat.templateArguments.members {
            context.append(TemplateValue.Member(argument.name, TemplateValue(argument.value)))
        }
        context.append(TemplateValue.Member("messages", .array(chat.messages.map(Self.value))))
        context.append(
            TemplateValue.Member("add_generation_prompt", .bool(chat.addsGenerationPrompt)))
        do {
            return try template.render(.object(context))
        } catch {
            throw APIError(
                .badRequest, "messages: \(error.description)", parameter: "messages")
        }
    }

    /// A message as templates know it: content as text, members that are not set left out.
    private static func value(_ message: ChatMessage) -> TemplateValue {
        var members = [
            TemplateValue.Member("role", .string(message.role.rawValue)),
            TemplateValue.Member("content", message.content.text.map { .string($0) } ?? .null),
        ]
        if let name = message.name { members.append(.init("name", .string(name))) }
        if let id = message.toolCallID { members.append(.init("tool_call_id", .string(id))) }
        if !message.toolCalls.isEmpty {
            members.append(
                .init("tool_calls", .array(message.toolCalls.map { TemplateValue($0) })))
        }
        return .object(members)
    }
}

extension TemplateValue {
    fileprivate init(_ json: JSONValue) {
        switch json {
        case .null: self = .null
        case .boolean(let flag): self = .bool(flag)
        case .integer(let integer): self = .int(Int(integer))
        case .number(let number): self = .double(number)
        case .string(let text): self = .string(text)
        case .array(let elements): self = .array(elements.map { TemplateValue($0) })
        case .object(let object):
            self = .object(object.members.map { Member($0.name, TemplateValue($0.value)) })
        }
    }
}
