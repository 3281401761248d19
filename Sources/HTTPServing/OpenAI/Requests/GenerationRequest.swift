// SPDX-License-Identifier: Apache-2.0

package import StrictJSON

/// One decoded and validated request of `/v1/completions` or `/v1/chat/completions`.
///
/// Whatever would need the model (vocabulary, context length, template) is not checked yet.
nonisolated package struct GenerationRequest: Sendable, Equatable {
    /// The base, adapter or mixture to use; nil means the base.
    package var model: String?
    package var input: GenerationInput
    package var sampling: SamplingFields
    package var stopping: StoppingFields
    package var output: OutputFields
    /// How many choices to generate for each prompt.
    package var choicesPerPrompt: Int
    /// Whether the tokenizer adds its own special tokens: by default to a prompt, not to a chat.
    package var addsSpecialTokens: Bool
    /// What the request says about the mixture that `model` names.
    package var mixture: MixtureFields?
    /// How tokens are guessed ahead; nil where none are. It changes nothing but the time.
    package var speculation: SpeculationFields?
    /// The manifest's service class that the request asks for; nil leaves it to the tenant's or the
    /// adapter's.
    package var serviceClass: String?
    /// OpenAI's opaque end-user name.
    package var user: String?

    /// The route that the request came by, which fixes the shape of the reply.
    package var endpoint: GenerationEndpoint {
        switch input {
        case .prompts: .completions
        case .chat: .chatCompletions
        }
    }

    /// The number of choices in the reply; choice `prompt * choicesPerPrompt + k` is the k-th of
    /// its prompt.
    package var choiceCount: Int {
        switch input {
        case .prompts(let prompts): prompts.count * choicesPerPrompt
        case .chat: choicesPerPrompt
        }
    }
}

/// The two shapes of a generation reply.
nonisolated package enum GenerationEndpoint: Sendable, Equatable, CaseIterable {
    case completions
    case chatCompletions

    /// What the id of a reply begins with.
    package var idPrefix: String {
        switch self {
        case .completions: "cmpl-"
        case .chatCompletions: "chatcmpl-"
        }
    }
}

/// What the model continues.
nonisolated package enum GenerationInput: Sendable, Equatable {
    /// At least one prompt, in the order of their choices.
    case prompts([PromptInput])
    case chat(ChatInput)
}

/// One prompt, as text or already as token ids of at least one token.
nonisolated package enum PromptInput: Sendable, Equatable {
    case text(String)
    case tokens([Int])
}

/// The messages of a chat and what its template is told.
nonisolated package struct ChatInput: Sendable, Equatable {
    package var messages: [ChatMessage]
    package var addsGenerationPrompt: Bool
    /// `chat_template_kwargs`, in the order of the request.
    package var templateArguments: JSONObject
}

/// One message of a chat.
nonisolated package struct ChatMessage: Sendable, Equatable {
    /// Who speaks.
    package enum Role: String, Sendable, CaseIterable {
        case system, developer, user, assistant, tool
    }

    package var role: Role
    package var content: ChatContent
    package var name: String?
    /// Which call a `tool` message answers.
    package var toolCallID: String?
    /// The calls that an earlier `assistant` message made, for the template.
    package var toolCalls: [JSONValue]
}

/// The content of a message.
nonisolated package enum ChatContent: Sendable, Equatable {
    /// An assistant message that only calls tools.
    case none
    case text(String)
    /// The texts of content parts, in order.
    case parts([String])

    /// The content as one string; parts are joined by line breaks, as vLLM does.
    package var text: String? {
        switch self {
        case .none: nil
        case .text(let text): text
        case .parts(let parts): parts.joined(separator: "\n")
        }
    }
}

/// How the next token is drawn; nil leaves it to the model's own default, then OpenAI's.
nonisolated package struct SamplingFields: Sendable, Equatable {
    /// 0…100; OpenAI's default is 1, and 0 is greedy.
    package var temperature: Double?
    /// Above 0, up to 1; the default is 1.
    package var topP: Double?
    /// At least 1; 0 and −1 of the request, which mean all tokens, become 0.
    package var topK: Int?
    /// 0…1; the default is 0.
    package var minP: Double?
    package var seed: Int64?
    /// −2…2; the default is 0.
    package var presencePenalty: Double?
    /// −2…2; the default is 0.
    package var frequencyPenalty: Double?
    /// Above 0, up to 100; the default is 1.
    package var repetitionPenalty: Double?
    /// Ascending by token, each token once, each bias in −100…100.
    package var logitBias: [TokenBias] = []

    package init() {}
}

/// What is added to one token's logit.
nonisolated package struct TokenBias: Sendable, Equatable {
    package var token: Int
    package var bias: Double
}

/// When generation ends.
nonisolated package struct StoppingFields: Sendable, Equatable {
    /// At least 1; nil means to the end of the context. `/v1/completions` has 16 by default.
    package var maxTokens: Int?
    /// Before so many tokens neither the end token nor a stop ends it.
    package var minTokens = 0
    /// None is empty.
    package var stop: [String] = []
    package var stopTokenIDs: [Int] = []
    package var ignoresEndToken = false
    package var includesStop = false

    package init() {}
}

/// What the reply holds.
nonisolated package struct OutputFields: Sendable, Equatable {
    package var streams = false
    /// Ends the stream with a chunk that has usage and no choices.
    package var includesUsage = false
    /// Adds the usage so far to every chunk.
    package var includesUsageInEachChunk = false
    /// How many alternatives to report beside the drawn token; nil reports no logprobs.
    package var logprobs: Int?
    package var skipsSpecialTokens = true
    package var returnsTokenIDs = false

    package init() {}
}

/// What a request says about a mixture of experts.
nonisolated package struct MixtureFields: Sendable, Equatable {
    /// Names of experts that are left out, their weight to the others.
    package var mask: [String] = []
    /// Whether the reply says how much each expert has counted.
    package var reportsGate = false

    package init() {}
}

/// How a request guesses its next tokens, from earlier ones of prompt and output.
nonisolated package struct SpeculationFields: Sendable, Equatable {
    /// The most tokens to guess at a time.
    package var tokens = 5
    /// How many of the last tokens must have occurred before.
    package var ngram = 3

    package init() {}
}

/// The bounds on one generation request.
nonisolated package struct RequestLimits: Sendable, Equatable {
    package var json = JSONLimits()
    /// Prompts in one request.
    package var prompts = 256
    /// `n`.
    package var choicesPerPrompt = 128
    /// Prompts times `n`.
    package var choices = 256
    package var messages = 4096
    package var stops = 16
    package var stopBytes = 1024
    package var stopTokenIDs = 256
    package var logitBiases = 1024
    /// `logprobs` and `top_logprobs`.
    package var logprobs = 20
    /// Names in `mixture.mask`.
    package var experts = 64
    /// `speculation.tokens` and `speculation.ngram`.
    package var speculatedTokens = 16
    package var speculationNgram = 16

    package init() {}
}
