// SPDX-License-Identifier: Apache-2.0

/// A token with its log-probability under the model.
package struct TokenScore: Sendable, Equatable, Codable {
    package var token: Int32
    /// Natural logarithm, never positive.
    package var logprob: Float

    package init(token: Int32, logprob: Float) {
        self.token = token
        self.logprob = logprob
    }
}

/// What was chosen, and what the model thought of it.
package struct SampledToken: Sendable, Equatable {
    package var token: Int32
    /// Of the model's own logits, before penalties and temperature; nil unless asked for. Negative
    /// infinity for a token that the model excludes and a bias cannot bring back does not occur.
    package var logprob: Float?
    /// The likeliest tokens of the model, descending; as many as asked for, or as there are.
    package var top: [TokenScore]
}

/// Why a token ends its text.
package enum TokenStop: Sendable, Equatable {
    /// One of the model's end tokens.
    case end
    /// One of the request's stop tokens.
    case requested(Int32)
}

/// Memory that sampling works in; keep one per thread, any sampler can use it.
package struct SamplingScratch {
    var logits: [Float] = []
    var weights: [Float] = []
    var blockSums: [Double] = []
    var candidates = TokenCandidates()

    package init() {}
}

/// Chooses the tokens of one sequence.
///
/// The steps and their order are vLLM's (class `Sampler` of `vllm/v1/sample/sampler.py`):
/// 1. logprobs of the raw logits, if asked for;
/// 2. before `minTokens`, end and stop tokens are excluded;
/// 3. logit bias;
/// 4. repetition, frequency, then presence penalty;
/// 5. if greedy, the lowest of the likeliest tokens;
/// 6. temperature, min-p, top-k, top-p, and a draw from what is left.
///
/// A sampler is a plain value that holds all of a sequence's sampling state: copied or encoded, it
/// goes on elsewhere with the same tokens.
package struct Sampler: Sendable, Equatable, Codable {
    package let parameters: SamplingParameters
    package let vocabularySize: Int
    /// The seed in use: the request's, or the one the host drew, made different for each choice.
    package let seed: UInt64
    /// Tokens that were chosen so far.
    package private(set) var outputCount = 0
    /// Occurrences in the output; kept only if a penalty is in force.
    private var outputCounts: [Int32: Int32] = [:]
    /// Tokens of the prompt; kept only if the repetition penalty is in force.
    private var promptTokens: Set<Int32> = []

    /// A sampler for a sequence of which nothing was generated yet.
    ///
    /// `fallbackSeed` is used if the request has none; `choice` counts the request's sequences.
    package init(
        _ parameters: SamplingParameters, prompt: [Int32], vocabularySize: Int,
        fallbackSeed: UInt64, choice: Int = 0
    ) throws(SamplingError) {
        try parameters.validate(vocabularySize: vocabularySize)
        self.parameters = parameters
        self.vocabularySize = vocabularySize
        seed = SequenceRandom.seed(parameters.seed ?? fallbackSeed, choice: choice)
        if parameters.repetitionPenalty != 1 {
            promptTokens = Set(prompt.filter { $0 >= 0 && $0 < vocabularySize })
        }
    }

    /// Chooses the next token from the model's `logits`, one per token of the vocabulary, and
    /// counts it; on an error nothing is counted.
    package mutating func sample(
        logits: UnsafeBufferPointer<Float>, scratch: inout SamplingScratch
    ) throws(SamplingError) -> SampledToken {
        guard logits.count == vocabularySize else {
            throw SamplingError(
                .nothingToSample,
                "\(logits.count) logits were given for a vocabulary of \(vocabularySize)")
        }
        let peak = try LogitPeak(logits)
        let index = try choose(logits, peak: peak, scratch: &scratch)
        let token = Int32(truncatingIfNeeded: index)
        let sampled = report(token, logits: logits, peak: peak, scratch: &scratch)
        record(token)
        return sampled
    }

    /// Counts a token that was chosen elsewhere, as if it had been sampled here.
    package mutating func record(_ token: Int32) {
        outputCount += 1
        if countsOutput { outputCounts[token, default: 0] += 1 }
    }

    /// Whether the token that was chosen last ends the text; ask after it was counted.
    package func stop(at token: Int32) -> TokenStop? {
        guard outputCount >= parameters.minTokens else { return nil }
        if !parameters.ignoreEndTokens && parameters.endTokens.contains(token) { return .end }
        return parameters.stopTokens.contains(token) ? .requested(token) : nil
    }

    // MARK: - Logits

    private var countsOutput: Bool {
        parameters.repetitionPenalty != 1 || parameters.frequencyPenalty != 0
            || parameters.presencePenalty != 0
    }

    private var excludesStops: Bool {
        outputCount < parameters.minTokens
            && !(parameters.endTokens.isEmpty && parameters.stopTokens.isEmpty)
    }

    private func choose(
        _ logits: UnsafeBufferPointer<Float>, peak: LogitPeak, scratch: inout SamplingScratch
    ) throws(SamplingError) -> Int {
        let isAdjusted =
            excludesStops || !parameters.logitBias.isEmpty || !outputCounts.isEmpty
            || !promptTokens.isEmpty
        guard isAdjusted else {
            return parameters.isGreedy ? peak.index : draw(logits, peak, &scratch)
        }
        // Taken out of the scratch, so that the draw may use the rest of it.
        var adjusted = scratch.logits
        scratch.logits = []
        defer { scratch.logits = adjusted }
        adjusted.removeAll(keepingCapacity: true)
        adjusted.append(contentsOf: logits)
        adjust(&adjusted)
        return try adjusted.withUnsafeBufferPointer { (adjusted) throws(SamplingError) in
            let peak = try LogitPeak(adjusted)
            return parameters.isGreedy ? peak.index : draw(adjusted, peak, &scratch)
        }
    }

    /// Steps 2 to 4. Tokens are checked here, as a sampler may have been decoded from elsewhere.
    private func adjust(_ logits: inout [Float]) {
        if excludesStops {
            for token in parameters.endTokens + parameters.stopTokens
            where logits.indices.contains(Int(token)) {
                logits[Int(token)] = -.infinity
            }
        }
        for (token, bias) in parameters.logitBias where logits.indices.contains(Int(token)) {
            logits[Int(token)] += bias
        }
        let repetition = parameters.repetitionPenalty
        if repetition != 1 {
            for token in promptTokens.union(outputCounts.keys)
            where logits.indices.contains(Int(token)) {
                let value = logits[Int(token)]
                logits[Int(token)] = value > 0 ? value / repetition : value * repetition
            }
        }
        for (token, count) in outputCounts where logits.indices.contains(Int(token)) {
            logits[Int(token)] -= parameters.frequencyPenalty * Float(count)
            logits[Int(token)] -= parameters.presencePenalty
        }
    }

    // MARK: - Reporting

    private func report(
        _ token: Int32, logits: UnsafeBufferPointer<Float>, peak: LogitPeak,
        scratch: inout SamplingScratch
    ) -> SampledToken {
        guard let count = parameters.logprobs else {
            return SampledToken(token: token, logprob: nil, top: [])
        }
        LogitArithmetic.exponentials(
            of: logits, below: peak.value, scale: 1, into: &scratch.weights,
            blockSums: &scratch.blockSums)
        // Relative to the peak: the sum is at least 1, and no precision is lost on large logits.
        let logSum = LogitArithmetic.logarithm(scratch.blockSums.reduce(0, +))
        func logprob(_ logit: Float) -> Float {
            Float(Double(logit) - Double(peak.value) - logSum)
        }
        var top: [TokenScore] = []
        if count > 0 {
            for depth in [3, 6, 12, 32, Float.infinity] {
                let threshold = max(peak.value - depth, -.greatestFiniteMagnitude)
                scratch.candidates.gather(logits, atLeast: threshold)
                if scratch.candidates.kept.count >= count { break }
            }
            top = scratch.candidates.ranked(count).map {
                TokenScore(token: $0.token, logprob: logprob($0.weight))
            }
        }
        return SampledToken(token: token, logprob: logprob(logits[Int(token)]), top: top)
    }

    // MARK: - Drawing

    /// Step 6.
    private func draw(
        _ logits: UnsafeBufferPointer<Float>, _ peak: LogitPeak, _ scratch: inout SamplingScratch
    ) -> Int {
        let temperature = max(parameters.temperature, SamplingParameters.lowestTemperature)
        LogitArithmetic.exponentials(
            of: logits, below: peak.value, scale: 1 / temperature, into: &scratch.weights,
            blockSums: &scratch.blockSums)
        let uniform = SequenceRandom.uniform(seed: seed, position: outputCount)
        let topK = parameters.topK
        let limit = topK > 0 && topK < vocabularySize ? topK : nil
        let isFiltered = limit != nil || parameters.topP < 1 || parameters.minP > 0
        guard isFiltered else {
            return Self.pick(uniform, scratch.weights, blockSums: scratch.blockSums) ?? peak.index
        }
        filter(limit: limit, &scratch)
        return Self.pick(uniform, scratch.candidates) ?? peak.index
    }

    /// Leaves in `scratch.candidates` what min-p, top-k and top-p keep. The likeliest token has
    /// weight 1, so that weights are what min-p compares.
    func filter(limit: Int?, _ scratch: inout SamplingScratch) {
        let floor = max(parameters.minP, .leastNonzeroMagnitude)
        let isPeaked = parameters.minP > 0
        let total = scratch.blockSums.reduce(0, +)
        // Most of the vocabulary is far below the peak; look deeper only while that is too little.
        for level: Float in [0x1p-8, 0x1p-16, 0x1p-32, 0] {
            let threshold = max(level, floor)
            scratch.weights.withUnsafeBufferPointer {
                scratch.candidates.gather($0, atLeast: threshold)
            }
            if threshold == floor { break }
            if let limit, scratch.candidates.kept.count >= limit { break }
            if limit == nil, !isPeaked,
                scratch.candidates.mass >= Double(parameters.topP) * total
            {
                break
            }
        }
        if let limit { scratch.candidates.keepLikeliest(limit) }
        guard parameters.topP < 1 else { return }
        let base = limit == nil && !isPeaked ? total : scratch.candidates.mass
        scratch.candidates.keepMass(Double(parameters.topP) * base)
    }

    /// The token at which the running sum of the weights passes the share `uniform` of their total.
    private static func pick(
        _ uniform: Double, _ weights: [Float], blockSums: [Double]
    ) -> Int? {
        var rest = uniform * blockSums.reduce(0, +)
        var last: Int?
        for (block, sum) in blockSums.enumerated() where sum > 0 {
            let start = block * LogitArithmetic.blockSize
            let end = min(start + LogitArithmetic.blockSize, weights.count)
            // A later block may take the draw, but rounding may leave it with none to take it.
            if rest >= sum && block + 1 < blockSums.count {
                rest -= sum
                last = weights[start..<end].lastIndex { $0 > 0 }
                continue
            }
            for index in start..<end where weights[index] > 0 {
                last = index
                rest -= Double(weights[index])
                if rest < 0 { return index }
            }
        }
        return last
    }

    private static func pick(_ uniform: Double, _ candidates: TokenCandidates) -> Int? {
        var rest = uniform * candidates.mass
        for candidate in candidates.kept {
            rest -= Double(candidate.weight)
            if rest < 0 { return Int(candidate.token) }
        }
        return candidates.kept.last.map { Int($0.token) }
    }
}
