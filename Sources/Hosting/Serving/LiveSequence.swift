// SPDX-License-Identifier: Apache-2.0

internal import HTTPServing
internal import Inference
internal import ModelLoading
internal import PolicyKit
internal import Tokenization

/// What a sequence needs to know of the host it runs in.
struct SequenceSetting {
    let model: ServedModel
    let maximumTokens: Int
    /// Used where the request names no seed.
    let seed: UInt64

    init(model: ServedModel, maximumTokens: Int) {
        self.model = model
        self.maximumTokens = maximumTokens
        self.seed = UInt64.random(in: 0...UInt64.max)
    }
}

/// One choice that is being generated: its tokens, and everything that turns them into text.
final class LiveSequence {
    let id: RequestID
    let choice: Int
    let generation: Generation
    /// The prompt and what was generated: what a recomputation needs.
    private(set) var tokens: [Int32]
    let promptCount: Int
    /// Nobody listens any more.
    var isAbandoned = false
    /// Why it was given up, from then until its client has been told.
    var refusal: APIError?
    var firstStep: Instant?
    /// Tokens of the prompt that were computed already when it began.
    var cachedTokens = 0
    var lastToken: Instant?
    private(set) var finish: ChoiceDelta.Finish?

    /// Goes with each step that computes the sequence.
    let sampler: SequenceSampler
    /// What may follow `tokens`, to be verified by the next step.
    private(set) var draft: ArraySlice<Int32> = []

    /// Weights of a mixture's experts, summed over the tokens that were computed.
    private var gateSums: [Double] = []
    private var gatedTokens = 0

    private let setting: SequenceSetting
    private var stops: StopMatcher
    private var detokenizer: IncrementalDetokenizer?

    private static let detokenizedContext = 6

    var generatedCount: Int { tokens.count - promptCount }

    /// Whether it verifies guesses, so that it is not known before a step's end how far it gets.
    var speculates: Bool { generation.job.speculation != nil }

    /// Guesses anew what may follow `tokens`.
    ///
    /// - Returns: how many tokens were guessed.
    func guess() -> Int {
        draft = generation.job.speculation?.guess(after: tokens) ?? []
        return draft.count
    }

    /// - Throws: what the sampler refuses, as a 400 that names the field.
    init(
        id: RequestID, choice: Int, generation: Generation, prompt: [Int32],
        in setting: SequenceSetting
    ) throws(APIError) {
        self.id = id
        self.choice = choice
        self.generation = generation
        self.tokens = prompt
        self.promptCount = prompt.count
        self.setting = setting
        let job = generation.job
        do {
            sampler = SequenceSampler(
                try Sampler(
                    job.sampling, prompt: prompt,
                    vocabularySize: setting.model.configuration.vocabularySize,
                    fallbackSeed: setting.seed, choice: choice))
            stops = try StopMatcher(job.stopStrings, includesStop: job.includesStop)
        } catch {
            throw APIError(.badRequest, error.description, parameter: error.parameter)
        }
        // The end of the prompt decides whether the answer keeps a leading space, as in vLLM.
        detokenizer = setting.model.tokenizer.map {
            IncrementalDetokenizer(
                $0, skipSpecialTokens: job.skipsSpecialTokens,
                after: prompt.suffix(Self.detokenizedContext))
        }
    }

    /// Takes note of the mean weights of a mixture's experts over `tokens` tokens.
    func weighed(_ means: [Float], over tokens: Int) {
        if gateSums.isEmpty { gateSums = Array(repeating: 0, count: means.count) }
        for (index, mean) in means.enumerated() where gateSums.indices.contains(index) {
            gateSums[index] += Double(mean) * Double(tokens)
        }
        gatedTokens += tokens
    }

    /// What the experts of its mixture have counted so far; `nil` where it has none.
    var gate: [ExpertWeight]? {
        guard let mixture = generation.job.mixture else { return nil }
        let means = gateSums.map { $0 / Double(max(1, gatedTokens)) }
        return mixture.named(mixture.fixed ?? means)
    }

    /// Takes the next tokens, up to one that ends the choice, and says what they add to it.
    func take(_ drawn: Result<[DrawnToken], SamplingError>) -> ChoiceDelta {
        var delta = ChoiceDelta(choice: choice, text: "", tokens: [], logprobs: [], finish: nil)
        switch drawn {
        case .failure:
            finish = ChoiceDelta.Finish(reason: .error, stop: nil)
            delta.text = stops.finish()
        case .success(let run):
            for drawn in run where finish == nil {
                tokens.append(drawn.sampled.token)
                delta.tokens.append(drawn.sampled.token)
                if generation.job.logprobs != nil {
                    delta.logprobs.append(logprob(of: drawn.sampled))
                }
                delta.text += advance(with: drawn.sampled.token, stop: drawn.stop)
            }
        }
        draft = []
        delta.finish = finish
        if finish != nil, generation.job.mixture?.reportsGate == true { delta.gate = gate }
        return delta
    }

    /// Text that can be shown after `token`; sets `finish` where it ends the choice.
    private func advance(with token: Int32, stop: TokenStop?) -> String {
        if let stop {
            let isShown = generation.job.includesStop && stop != .end
            let last = isShown ? detokenizer?.push(token) ?? "" : ""
            switch stop {
            case .end: finish = ChoiceDelta.Finish(reason: .stop, stop: nil)
            case .requested(let token):
                finish = ChoiceDelta.Finish(reason: .stop, stop: .token(Int(token)))
            }
            return flush(after: last)
        }
        let piece = detokenizer?.push(token) ?? ""
        let text: String
        // As vLLM: the token that reaches `min_tokens` is not searched either.
        let minimum = generation.job.sampling.minTokens
        if minimum > 0, generatedCount <= minimum {
            text = stops.pass(piece)
        } else {
            let output = stops.feed(piece)
            text = output.text
            if let stop = output.stop {
                finish = ChoiceDelta.Finish(reason: .stop, stop: .text(stop))
                return text
            }
        }
        guard generatedCount >= setting.maximumTokens else { return text }
        finish = ChoiceDelta.Finish(reason: .length, stop: nil)
        return text + flush(after: "")
    }

    /// The rest of the text when no further token will come.
    private func flush(after piece: String) -> String {
        let rest = piece + (detokenizer?.finish() ?? "")
        let output = stops.feed(rest)
        if let stop = output.stop, finish?.reason == .length {
            finish = ChoiceDelta.Finish(reason: .stop, stop: .text(stop))
        }
        return output.stop == nil ? output.text + stops.finish() : output.text
    }

    // MARK: - Logprobs

    private func logprob(of sampled: SampledToken) -> TokenLogprob {
        TokenLogprob(
            text: text(of: sampled.token), bytes: bytes(of: sampled.token),
            logprob: sampled.logprob ?? -.infinity,
            likeliest: sampled.top.map {
                TokenLogprob.Alternative(
                    text: text(of: $0.token), bytes: bytes(of: $0.token), logprob: $0.logprob)
            })
    }

    /// A model without a tokenizer names tokens as vLLM's `return_tokens_as_token_ids` does.
    private func text(of token: Int32) -> String {
        setting.model.tokenizer?.tokenText(token) ?? "token_id:\(token)"
    }

    private func bytes(of token: Int32) -> [UInt8] {
        setting.model.tokenizer?.tokenBytes(token) ?? []
    }
}
