// SPDX-License-Identifier: Apache-2.0

import StrictJSON

nonisolated extension RequestFields {
    /// The messages and what goes with them to the template; shared by `/tokenize`.
    func chat(limits: RequestLimits) throws(APIError) -> ChatInput {
        guard let items = try array("messages", limit: limits.messages) else {
            throw failure("messages", "is missing: send a list of messages.")
        }
        guard !items.isEmpty else {
            throw failure("messages", "is empty: send at least one message.")
        }
        var messages: [ChatMessage] = []
        for (index, item) in items.enumerated() {
            let name = "messages[\(index)]"
            guard case .object(let object) = item else { throw mismatch(name, "an object", item) }
            messages.append(try RequestFields(object, path: parameter(name)).message())
        }
        let arguments = try fields("chat_template_kwargs")?.object ?? JSONObject()
        return ChatInput(
            messages: messages,
            addsGenerationPrompt: try boolean("add_generation_prompt") ?? true,
            templateArguments: try withReasoningEffort(arguments))
    }

    /// OpenAI's `reasoning_effort` reaches the template as an argument, as in vLLM.
    private func withReasoningEffort(_ arguments: JSONObject) throws(APIError) -> JSONObject {
        guard let effort = try string("reasoning_effort") else { return arguments }
        var arguments = arguments
        _ = arguments.append("reasoning_effort", .string(effort))
        return arguments
    }

    private func message() throws(APIError) -> ChatMessage {
        let known = ChatMessage.Role.allCases.map(\.rawValue).joined(separator: ", ")
        guard let name = try string("role") else {
            throw failure("role", "is missing: send one of \(known).")
        }
        guard let role = ChatMessage.Role(rawValue: name) else {
            throw mismatch("role", "one of \(known)", .string(name))
        }
        let calls = try array("tool_calls", limit: 1024) ?? []
        return ChatMessage(
            role: role,
            content: try content(mayBeAbsent: role == .assistant && !calls.isEmpty),
            name: try string("name"), toolCallID: try string("tool_call_id"), toolCalls: calls)
    }

    private func content(mayBeAbsent: Bool) throws(APIError) -> ChatContent {
        switch self["content"] {
        case nil:
            if mayBeAbsent { return .none }
            throw failure("content", "is missing: send a string or a list of text parts.")
        case .string(let text)?: return .text(text)
        case .array(let items)?:
            var parts: [String] = []
            for (index, item) in items.enumerated() {
                parts.append(try part(item, "content[\(index)]"))
            }
            return .parts(parts)
        case let value?: throw mismatch("content", "a string or a list of text parts", value)
        }
    }

    private func part(_ item: JSONValue, _ name: String) throws(APIError) -> String {
        guard case .object(let object) = item else { throw mismatch(name, "an object", item) }
        let part = RequestFields(object, path: parameter(name))
        let type = try part.string("type")
        guard type == "text" else {
            throw part.failure(
                "type",
                "is \(type.map { "\"\($0.excerpt(40))\"" } ?? "missing"): this model "
                    + "reads text only, send parts of type \"text\".")
        }
        guard let text = try part.string("text", byteLimit: .max) else {
            throw part.failure("text", "is missing.")
        }
        return text
    }
}
