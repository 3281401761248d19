// SPDX-License-Identifier: Apache-2.0

package import HTTPServing
package import Inference
package import PolicyKit

/// A request after `model`, prompts and limits have been resolved: what the engine runs.
nonisolated package struct GenerationJob: Sendable {
    /// The name that the request used.
    package var model: String
    package var adapter: AdapterID
    package var tenant: TenantID
    /// The tenant's share of service, relative to others.
    package var tenantWeight: Double
    /// From arrival to the first token, where a service class promises it.
    package var firstTokenTarget: Duration?
    /// Token ids; choice `prompt * choicesPerPrompt + k` is the k-th of its prompt.
    package var prompts: [[Int32]]
    package var choicesPerPrompt: Int
    /// Of each choice; `nil` is as many as the context holds.
    package var maximumTokens: Int?
    package var sampling: SamplingParameters
    package var stopStrings: [String]
    package var includesStop: Bool
    package var skipsSpecialTokens: Bool
    /// How many alternatives to report beside each token; `nil` reports no logprobs.
    package var logprobs: Int?
    /// How tokens are guessed ahead; `nil` where none are.
    package var speculation: PromptLookup?
    /// What it asks of the mixture that `model` names.
    package var mixture: MixtureJob?

    package init(model: String, adapter: AdapterID, prompts: [[Int32]]) {
        self.model = model
        self.adapter = adapter
        self.tenant = TenantID(rawValue: 0)
        self.tenantWeight = 1
        self.firstTokenTarget = nil
        self.prompts = prompts
        self.choicesPerPrompt = 1
        self.maximumTokens = nil
        self.sampling = SamplingParameters()
        self.stopStrings = []
        self.includesStop = false
        self.skipsSpecialTokens = true
        self.logprobs = nil
        self.speculation = nil
        self.mixture = nil
    }

    /// Whether a gate weighs experts for it: it names a mixture and keeps more than one.
    var isGated: Bool { mixture.map { $0.fixed == nil } ?? false }
}

/// A request of a mixture.
nonisolated package struct MixtureJob: Sendable, Equatable {
    /// The experts, in the order of the gate's weights.
    package var experts: [String]
    /// Those that are left out, the lowest bit for the first.
    package var masked: UInt64 = 0
    /// Whether its prompt must be computed in one piece.
    package var needsWholePrompt = false
    /// Whether the weights are told.
    package var reportsGate = false
    /// The weights where no gate is needed to know them: with one expert the mixture is that
    /// adapter, with none the base.
    package var fixed: [Double]?

    package init(experts: [String]) { self.experts = experts }

    /// Weights by name.
    func named(_ weights: [Double]) -> [ExpertWeight] {
        zip(experts, weights).map { ExpertWeight(expert: $0, weight: $1) }
    }
}

/// What one iteration adds to a choice.
nonisolated package struct ChoiceDelta: Sendable {
    package var choice: Int
    /// Text that can be shown; may lag behind `tokens` by what could begin a stop string or is half
    /// a character.
    package var text: String
    package var tokens: [Int32]
    /// One for each of `tokens`, when they were asked for.
    package var logprobs: [TokenLogprob]
    package var finish: Finish?
    /// What the experts of a mixture have counted, at the end of a choice that asked for it.
    package var gate: [ExpertWeight]?

    /// How a choice ended.
    package struct Finish: Sendable, Equatable {
        package var reason: FinishReason
        package var stop: StopReason?
    }
}

/// What a generation tells the one who asked for it, on the loop.
nonisolated package enum GenerationEvent: Sendable {
    case delta(ChoiceDelta)
    /// Every choice has ended.
    case finished
    /// It cannot go on; nothing follows.
    case failed(APIError)
}
