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
    private(set) var weight: Double

    /// Tokens of its own prompt, without what a preemption has added.
    private(set) var prompt: Int

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

    /// No request has more; what says otherwise counts as that.
    static let mostTokens = 1 << 40

    /// A request that is seen for the first time; what it did before is not charged.
    init(_ request: RequestSnapshot, slot: Int, weight: Double, _ prices: Prices) {
        self.slot = slot
        self.weight = weight.isFinite && weight > 0 ? weight : 1
        let prompt = request.promptTokens.subtracting(request.phase, request.generatedTokens)
        self.prompt = min(max(0, prompt), Self.mostTokens)
        promptDone = min(max(0, request.computedTokens), self.prompt)
        outputDone = min(max(0, request.generatedTokens), Self.mostTokens)
        hasRun = request.phase != .waiting
        paid = 0
        paid = cost(prices)
    }

    // MARK: - State

    /// How many words ``words`` is.
    static let wordCount = 11

    /// Everything but what it has paid, which follows from the prices.
    var words: [Int64] {
        [
            Int64(slot), Int64(bitPattern: weight.bitPattern), Int64(prompt), Int64(shared),
            Int64(promptDone), Int64(outputDone), hasRun ? 1 : 0, isSettled ? 1 : 0,
            Int64(bitPattern: turn), Int64(bitPattern: expectedTurn), advance,
        ]
    }

    /// - Returns: `nil` where the words are those of no account of one of `slots` clients.
    init?(words: ArraySlice<Int64>, slots: Int, _ prices: Prices) {
        let words = Array(words)
        let counts = 0...Int64(1) << 40
        guard words.count == Self.wordCount, (0..<Int64(slots)).contains(words[0]),
            words[2...5].allSatisfy({ counts.contains($0) }),
            words[6...7].allSatisfy({ (0...1).contains($0) }),
            words[8...9].allSatisfy({ counts.contains($0) }),
            (0...Int64(1) << 60).contains(words[10])
        else { return nil }
        slot = Int(words[0])
        weight = Double(bitPattern: UInt64(bitPattern: words[1]))
        guard weight.isFinite, weight > 0 else { return nil }
        prompt = Int(words[2])
        shared = Int(words[3])
        promptDone = Int(words[4])
        outputDone = Int(words[5])
        hasRun = words[6] == 1
        isSettled = words[7] == 1
        turn = UInt64(words[8])
        expectedTurn = UInt64(words[9])
        advance = words[10]
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
        outputDone = min(max(outputDone, output), Self.mostTokens)
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
        outputDone = min(outputDone, Self.mostTokens)
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
