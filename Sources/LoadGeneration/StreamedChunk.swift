// SPDX-License-Identifier: Apache-2.0

internal import StrictJSON

/// What one event of a streamed completion or chat says to a client that only counts.
package enum StreamedChunk: Equatable, Sendable {
    /// `tokens` is nil where the server does not say how many there are.
    case choices(hasContent: Bool, tokens: Int?, isFinished: Bool, usage: StreamedUsage?)
    case done
    case error(String)
    case malformed(String)

    /// Reads the data of an event.
    package init(_ data: [UInt8]) {
        if data.elementsEqual("[DONE]".utf8) {
            self = .done
            return
        }
        let value: JSONValue
        do {
            value = try JSONValue(parsing: data)
        } catch {
            self = .malformed(error.message)
            return
        }
        guard case .object(let object) = value else {
            self = .malformed("an event is \(value.kind), not an object")
            return
        }
        if let failure = object["error"], failure != .null {
            self = .error(Self.message(of: failure))
            return
        }
        guard case .array(let choices) = object["choices"] ?? .null else {
            self = .malformed("an event has no 'choices'")
            return
        }
        self = Self.counted(choices, usage: StreamedUsage(object["usage"] ?? .null))
    }

    /// The message of OpenAI's error object, or of what others put in its place.
    static func message(of failure: JSONValue) -> String {
        if case .object(let fields) = failure {
            return (fields["message"]?.string ?? "an error without a message").excerpt(300)
        }
        return failure.string?.excerpt(300) ?? failure.shown
    }

    private static func counted(_ choices: [JSONValue], usage: StreamedUsage?) -> StreamedChunk {
        var hasContent = false
        var isFinished = false
        var tokens: Int?
        for case .object(let choice) in choices {
            if let reason = choice["finish_reason"], reason != .null { isFinished = true }
            if case .array(let ids) = choice["token_ids"] ?? .null {
                tokens = (tokens ?? 0) + ids.count
                hasContent = hasContent || !ids.isEmpty
            }
            var texts = [choice["text"]]
            if case .object(let delta) = choice["delta"] ?? .null {
                texts += ["content", "reasoning_content", "reasoning"].map { delta[$0] }
                if case .array(let calls) = delta["tool_calls"] ?? .null, !calls.isEmpty {
                    hasContent = true
                }
            }
            hasContent = hasContent || texts.contains { !($0?.string ?? "").isEmpty }
        }
        return .choices(
            hasContent: hasContent, tokens: tokens, isFinished: isFinished, usage: usage)
    }
}

/// The `usage` of a reply.
package struct StreamedUsage: Equatable, Sendable {
    package var promptTokens: Int
    package var outputTokens: Int

    package init(promptTokens: Int, outputTokens: Int) {
        self.promptTokens = promptTokens
        self.outputTokens = outputTokens
    }

    /// Nil where it is none, or its numbers make no sense.
    init?(_ value: JSONValue) {
        guard case .object(let fields) = value,
            let prompt = fields["prompt_tokens"]?.exactInteger,
            let output = fields["completion_tokens"]?.exactInteger,
            (0...Int(Int32.max)).contains(prompt), (0...Int(Int32.max)).contains(output)
        else { return nil }
        promptTokens = prompt
        outputTokens = output
    }
}
