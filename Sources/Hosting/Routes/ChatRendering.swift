// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import HTTPServing
internal import StrictJSON
internal import Tokenization

/// Writes a chat through the model's template.
struct ChatRendering {
    let tokenizer: Tokenizer
    /// What `strftime_now` tells.
    let clock: TemplateClock

    /// - Throws: 400 with what the template says, as through `raise_exception`.
    func text(of chat: ChatInput) throws(APIError) -> String {
        do {
            return try tokenizer.renderChat(
                messages: chat.messages.map(Self.value), tools: nil,
                addGenerationPrompt: chat.addsGenerationPrompt,
                extra: chat.templateArguments.members.map {
                    TemplateValue.Member($0.name, TemplateValue($0.value))
                }, clock: clock)
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

extension TemplateClock {
    /// The wall clock of this machine.
    static var now: TemplateClock {
        let seconds = Int(Date().timeIntervalSince1970)
        return TemplateClock(localSeconds: seconds + TimeZone.current.secondsFromGMT())
    }
}
