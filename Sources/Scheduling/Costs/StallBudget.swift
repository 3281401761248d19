// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// How many prompt tokens may join an iteration so that requests which decode wait no longer for it
/// than a bound.
///
/// The cost model says how many fit. What it cannot know yet is held in check twice: a step never
/// has more than twice the prompt tokens of any that was measured, and predictions are multiplied
/// by a margin that grows with each step over the bound and shrinks with each one below it, so that
/// in the long run the share of steps over the bound stays near ``tolerance`` however wrong the
/// model is (adaptive conformal inference, Gibbs and Candès, NeurIPS'21).
package struct StallBudget: Sendable, Equatable {
    /// The longest that a step should take while requests decode.
    package let bound: Duration

    /// Prompt tokens that always may join, so that prompts come to their end under any bound.
    package static let leastPromptTokens = 16

    /// The share of steps that may be over the bound.
    package static let tolerance = 0.05

    /// By how much predictions are multiplied, from 1 to ``largestMargin``.
    package private(set) var margin = 1.0

    /// The most prompt tokens of a step that was measured.
    package private(set) var measuredPromptTokens = 0

    private static let largestMargin = 4.0
    private static let learningRate = 0.2

    package init(bound: Duration) {
        self.bound = bound
    }

    /// How many tokens of `prompts`, in their order, fit beside `rows`: at least
    /// ``leastPromptTokens``, at most `most`.
    ///
    /// `rows` are the features of the decode rows alone.
    package func promptTokens(
        beside rows: StepWork, of prompts: some Sequence<PromptPart>, most: Int,
        by costs: StepCostModel
    ) -> Int {
        let cap = min(most, max(Self.leastPromptTokens, 2 * measuredPromptTokens))
        var step = rows
        for prompt in prompts {
            let room = rows.promptTokens + cap - step.promptTokens
            if room <= 0 { break }
            let whole = min(prompt.tokens, room)
            let tokens = fitting(whole, of: prompt, in: step, by: costs)
            step.add(prompt, tokens: tokens)
            if tokens < whole { break }
        }
        return min(most, max(Self.leastPromptTokens, step.promptTokens - rows.promptTokens))
    }

    /// The most tokens of a prompt, up to `whole`, with which the step keeps to the bound.
    private func fitting(
        _ whole: Int, of prompt: PromptPart, in step: StepWork, by costs: StepCostModel
    ) -> Int {
        var (low, high) = (0, whole)
        while low < high {
            let middle = low + (high - low + 1) / 2
            var attempt = step
            attempt.add(prompt, tokens: middle)
            if let time = costs.predict(attempt), time * margin <= bound {
                low = middle
            } else {
                high = middle - 1
            }
        }
        return low
    }

    /// Learns from a step; `limit` is what ``promptTokens(beside:of:most:by:)`` had allowed it, or
    /// `nil` where nothing decoded.
    package mutating func observe(_ step: StepWork, took time: Duration, limit: Int?) {
        measuredPromptTokens = max(measuredPromptTokens, step.promptTokens)
        // Below the least there is nothing to learn: fewer tokens are never asked for.
        guard let limit, step.promptTokens > Self.leastPromptTokens else { return }
        let isOver = time > bound
        guard isOver || step.promptTokens >= limit else { return }
        let change = Self.learningRate * ((isOver ? 1 : 0) - Self.tolerance)
        margin = min(max(1, margin * (1 + change)), Self.largestMargin)
    }
}

/// A prompt that could join an iteration.
package struct PromptPart: Sendable, Equatable {
    /// Tokens that are left of it, and those before them.
    package var tokens: Int
    package var computedTokens: Int

    /// The rank of its adapter; 0 for the base, and where the adapter is merged.
    package var rank: Int

    /// Whether no row of the iteration before it has its adapter.
    package var bringsAdapter: Bool

    package init(tokens: Int, computedTokens: Int = 0, rank: Int = 0, bringsAdapter: Bool = false) {
        self.tokens = tokens
        self.computedTokens = computedTokens
        self.rank = rank
        self.bringsAdapter = bringsAdapter
    }
}

extension StepWork {
    /// Adds the first `tokens` tokens of what is left of a prompt.
    fileprivate mutating func add(_ prompt: PromptPart, tokens: Int) {
        guard tokens > 0 else { return }
        promptTokens += tokens
        attendedTokens += tokens * prompt.computedTokens + tokens * (tokens + 1) / 2
        rankTokens += tokens * prompt.rank
        if prompt.bringsAdapter { distinctRanks += prompt.rank }
    }
}
