// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// What the tokens of a request cost its client.
struct Prices {
    var input: Double
    var output: Double
}

/// How far a request has been charged.
///
/// What it has been shown to reach counts at once, also where the step that takes it there is still
/// under way; what it had reached before counts once, however often it is computed.
struct Account {
    /// Of its client.
    private(set) var slot: Int

    /// The weight that its client's tokens are divided by.
    let weight: Double

    /// Tokens of its own prompt, without what a preemption has added.
    let prompt: Int

    /// Tokens of it that others had computed.
    private var shared = 0
    private var promptDone: Int
    private var outputDone: Int
    private(set) var hasRun: Bool

    /// What it would cost to charge what is done; the client has paid it.
    private var paid: Cost

    /// Whether a step that it was part of has been settled since it was shown last.
    private(set) var isSettled = false

    /// The arrangement that showed it last, and the last that let expect that it runs.
    var turn: UInt64 = 0
    var expectedTurn: UInt64 = 0

    /// Paid ahead for a step whose settlement is awaited, after the request has left.
    var advance: Cost = 0

    /// A request that is seen for the first time; what it did before is not charged.
    init(_ request: RequestSnapshot, slot: Int, weight: Double, _ prices: Prices) {
        self.slot = slot
        self.weight = weight.isFinite && weight > 0 ? weight : 1
        prompt = max(0, request.promptTokens.subtracting(request.phase, request.generatedTokens))
        promptDone = min(max(0, request.computedTokens), prompt)
        outputDone = max(0, request.generatedTokens)
        hasRun = request.phase != .waiting
        paid = 0
        paid = cost(prices)
    }

    private func cost(_ prices: Prices) -> Cost {
        let input = prices.input * Double(max(0, promptDone - shared))
        return Cost(tokens: (input + prices.output * Double(outputDone)) / weight)
    }

    private mutating func charge(_ prices: Prices) -> Cost {
        let now = cost(prices)
        defer { paid = now }
        return now - paid
    }

    /// The request stands so before the next step.
    ///
    /// - Returns: what its client has to pay.
    mutating func show(_ request: RequestSnapshot, _ prices: Prices) -> Cost {
        isSettled = false
        let (prompt, output) = (min(request.computedTokens, prompt), request.generatedTokens)
        guard prompt > promptDone || output > outputDone else { return 0 }
        promptDone = max(promptDone, prompt)
        outputDone = max(outputDone, output)
        return charge(prices)
    }

    /// A step has given it so many tokens; `request` is as it stood before.
    ///
    /// - Returns: what its client has to pay, or gets back where others had computed a part.
    mutating func settle(_ request: RequestSnapshot, tokens: Int, _ prices: Prices) -> Cost {
        if !hasRun, request.phase == .waiting {
            shared = min(max(0, request.computedTokens), prompt)
        }
        hasRun = true
        let (before, outputBefore) = (promptDone, outputDone)
        if request.phase == .decoding {
            outputDone = max(outputDone, request.generatedTokens.clampedAdding(tokens))
        } else {
            promptDone = max(promptDone, min(request.computedTokens.clampedAdding(tokens), prompt))
            let gives = tokens >= request.pendingTokens ? 1 : 0
            outputDone = max(outputDone, request.generatedTokens.clampedAdding(gives))
        }
        // Where it goes no further than what was shown, the step is the one before.
        if promptDone > before || outputDone > outputBefore { isSettled = true }
        return charge(prices)
    }

    /// What the step costs that it seems to have ended with, before anybody tells.
    mutating func payAhead(_ prices: Prices) -> Cost {
        guard expectedTurn == turn else { return 0 }
        let rest = prices.input * Double(max(0, prompt - max(promptDone, shared)))
        advance = Cost(tokens: (rest + prices.output) / weight)
        return advance
    }

    /// The same account of a client in another slot.
    func moved(to slot: Int) -> Account {
        var account = self
        account.slot = slot
        return account
    }

    /// What the rest of its prompt will cost, which nobody else can have.
    func outstanding(_ prices: Prices) -> Cost {
        Cost(tokens: prices.input * Double(max(0, prompt - promptDone)) / weight)
    }
}

extension Int {
    /// The prompt without what was generated, which it holds except while decoding.
    fileprivate func subtracting(_ phase: RequestPhase, _ generated: Int) -> Int {
        guard phase != .decoding else { return self }
        let (rest, overflow) = subtractingReportingOverflow(generated)
        return overflow ? self : rest
    }

    func clampedAdding(_ other: Int) -> Int {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }

    func clampedMultiplying(_ other: Int) -> Int {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? .max : product
    }
}
