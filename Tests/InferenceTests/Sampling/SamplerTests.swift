// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

@testable import Inference

struct SamplerTests {
    private func greedy(
        _ logits: [Float], prompt: [Int32] = [], after output: [Int32] = [],
        _ change: @escaping (inout SamplingParameters) -> Void
    ) throws -> Int32 {
        var sampler = try Sampler.make(logits.count, prompt: prompt) {
            $0.temperature = 0
            change(&$0)
        }
        for token in output { sampler.record(token) }
        return try sampler.sample(logits).token
    }

    // MARK: - Greedy and logprobs

    @Test func greedyTakesTheLowestOfTheLikeliest() throws {
        #expect(try greedy([0, 3, 1, 3]) { _ in } == 1)
        #expect(try greedy([0, 3, 1, 3]) { $0.topK = 1 } == 1)
        #expect(try greedy([-5, -.infinity, -6]) { $0.temperature = 1e-6 } == 0)
    }

    @Test func logprobsAreOfTheRawLogits() throws {
        let logits: [Float] = [1, 3, 2, 3, -4]
        let expected = softmax(logits).map { log($0) }
        for temperature: Float in [0, 0.5, 2] {
            var sampler = try Sampler.make(5, prompt: [1, 3]) {
                $0.temperature = temperature
                $0.logprobs = 3
                $0.logitBias = [2: 20]
                $0.repetitionPenalty = 1.7
            }
            let sampled = try sampler.sample(logits)
            #expect(sampled.token == 2)
            #expect(abs(Double(sampled.logprob ?? 0) - expected[2]) < 1e-6)
            #expect(sampled.top.map(\.token) == [1, 3, 2])
            for score in sampled.top {
                #expect(abs(Double(score.logprob) - expected[Int(score.token)]) < 1e-6)
            }
        }
    }

    @Test func logprobsOfLargeVocabulariesAddUp() throws {
        var random = SeededRandom(seed: 21)
        let logits = random.logits(5000, spread: 300)
        var sampler = try Sampler.make(5000) {
            $0.temperature = 0
            $0.logprobs = 20
        }
        let sampled = try sampler.sample(logits)
        let ranked = logits.enumerated().sorted { $0.element > $1.element }.prefix(20)
        #expect(sampled.top.map(\.token) == ranked.map { Int32($0.offset) })
        #expect(sampled.top[0].token == sampled.token)
        #expect(sampled.top[0].logprob == sampled.logprob)
        #expect(sampled.top.allSatisfy { $0.logprob <= 0 })
    }

    @Test func alternativesAreAsManyAsThereAre() throws {
        var sampler = try Sampler.make(4) { $0.logprobs = 20 }
        let sampled = try sampler.sample([0, -.infinity, -200, -.infinity])
        #expect(sampled.top.map(\.token) == [0, 2])
        var none = try Sampler.make(4) { $0.logprobs = 0 }
        let bare = try none.sample([0, 1, 2, 3])
        #expect(bare.top.isEmpty && bare.logprob != nil)
        var without = try Sampler.make(4)
        #expect(try without.sample([0, 1, 2, 3]).logprob == nil)
    }

    // MARK: - Penalties, bias, minimum

    /// Token 0 was in the prompt, token 1 twice in the output, token 2 nowhere.
    @Test(arguments: [
        // Repetition 2: 4 / 2 = 2 and 5 / 2 = 2.5 against 2.4; then against 2.6.
        (2.0, 0.0, 0.0, [4.0, 5.0, 2.4], 1), (2.0, 0.0, 0.0, [4.0, 5.0, 2.6], 2),
        // A negative logit is multiplied: -1 * 2 = -2 and -1.5 * 2 = -3 against -1.9; then -2.1.
        (2.0, 0.0, 0.0, [-1.0, -1.5, -1.9], 2), (2.0, 0.0, 0.0, [-1.0, -1.5, -2.1], 0),
        // Presence 1: once, however often: 5 - 1 = 4 against 3.9; then 4.1. The prompt does not count.
        (1.0, 1.0, 0.0, [0.0, 5.0, 3.9], 1), (1.0, 1.0, 0.0, [0.0, 5.0, 4.1], 2),
        (1.0, 1.0, 0.0, [4.2, 5.0, 4.1], 0),
        // Frequency 1: twice: 5 - 2 = 3 against 2.9; then 3.1.
        (1.0, 0.0, 1.0, [0.0, 5.0, 2.9], 1), (1.0, 0.0, 1.0, [0.0, 5.0, 3.1], 2),
        // All: 6 / 2 - 2 * 0.5 - 0.25 = 1.75 against 1.7; then 1.8.
        (2.0, 0.25, 0.5, [0.0, 6.0, 1.7], 1), (2.0, 0.25, 0.5, [0.0, 6.0, 1.8], 2),
        // Negative ones reward: 1 + 2 * 1 + 0.5 = 3.5 against 3.4.
        (1.0, -0.5, -1.0, [0.0, 1.0, 3.4], 1),
    ])
    func penaltiesAreThoseComputedByHand(
        repetition: Double, presence: Double, frequency: Double, logits: [Double], expected: Int
    ) throws {
        let token = try greedy(logits.map(Float.init), prompt: [0, 0], after: [1, 1]) {
            $0.repetitionPenalty = Float(repetition)
            $0.presencePenalty = Float(presence)
            $0.frequencyPenalty = Float(frequency)
        }
        #expect(token == expected)
    }

    @Test func biasIsAddedBeforeThePenalties() throws {
        // (1 + 3) / 2 = 2 beats 1.9; a bias after the penalty would give 1 / 2 + 3 = 3.5.
        for (rival, expected): (Float, Int32) in [(1.9, 0), (2.1, 1)] {
            let token = try greedy([1, rival], prompt: [0]) {
                $0.logitBias = [0: 3]
                $0.repetitionPenalty = 2
            }
            #expect(token == expected)
        }
    }

    @Test func endAndStopTokensWaitForTheMinimum() throws {
        var sampler = try Sampler.make(4) {
            $0.temperature = 0
            $0.minTokens = 2
            $0.endTokens = [3]
            $0.stopTokens = [2]
        }
        let logits: [Float] = [1, 0, 2, 3]
        #expect(try sampler.tokens(3, logits) == [0, 0, 3])
        #expect(sampler.stop(at: 3) == .end)
        #expect(sampler.stop(at: 2) == .requested(2))
        #expect(sampler.stop(at: 1) == nil)
    }

    @Test func ignoredEndTokensDoNotStop() throws {
        var sampler = try Sampler.make(4) {
            $0.ignoreEndTokens = true
            $0.endTokens = [3]
            $0.stopTokens = [1]
        }
        sampler.record(3)
        #expect(sampler.stop(at: 3) == nil)
        #expect(sampler.stop(at: 1) == .requested(1))
    }

    @Test func stoppingWaitsForTheMinimumToo() throws {
        var sampler = try Sampler.make(4) {
            $0.minTokens = 2
            $0.endTokens = [3]
        }
        sampler.record(3)
        #expect(sampler.stop(at: 3) == nil)
        sampler.record(3)
        #expect(sampler.stop(at: 3) == .end)
    }

    @Test func badLogitsAreAnErrorAndCountNothing() throws {
        var sampler = try Sampler.make(3) { $0.frequencyPenalty = 1 }
        let before = sampler
        #expect(samplingError { _ = try sampler.sample([1, .nan, 2]) }?.code == .notFinite)
        #expect(samplingError { _ = try sampler.sample([1, 2]) }?.code == .nothingToSample)
        let none = [Float](repeating: -.infinity, count: 3)
        #expect(samplingError { _ = try sampler.sample(none) }?.code == .nothingToSample)
        #expect(sampler == before)
        var overflowing = try Sampler.make(2, prompt: [0]) { $0.repetitionPenalty = 1e-38 }
        #expect(samplingError { _ = try overflowing.sample([1e10, 0]) }?.code == .notFinite)
    }

    @Test func excludingEveryTokenIsAnError() throws {
        var sampler = try Sampler.make(2) {
            $0.minTokens = 1
            $0.stopTokens = [0, 1]
        }
        #expect(samplingError { _ = try sampler.sample([1, 2]) }?.code == .nothingToSample)
    }

    // MARK: - Seeds

    @Test func theSameSeedGivesTheSameTokensWhateverElseIsSampled() throws {
        var random = SeededRandom(seed: 31)
        let steps = (0..<50).map { _ in random.logits(100) }
        func make() throws -> Sampler {
            try Sampler.make(100) {
                $0.seed = 77
                $0.topP = 0.9
                $0.presencePenalty = 0.5
            }
        }
        var alone = try make()
        let expected = try steps.map { try alone.sample($0).token }

        var crowded = try make()
        var mate = try Sampler.make(100, seed: 5) { $0.logprobs = 5 }
        var scratch = SamplingScratch()
        let found = try steps.map { logits in
            try logits.withUnsafeBufferPointer { buffer in
                _ = try mate.sample(logits: buffer, scratch: &scratch)
                return try crowded.sample(logits: buffer, scratch: &scratch).token
            }
        }
        #expect(found == expected)
        #expect(Set(expected).count > 10)
    }

    @Test func aSamplerGoesOnAfterBeingEncoded() throws {
        var random = SeededRandom(seed: 32)
        let steps = (0..<40).map { _ in random.logits(50) }
        var sampler = try Sampler.make(50, prompt: [1, 2, 3]) {
            $0.repetitionPenalty = 1.2
            $0.frequencyPenalty = 0.3
            $0.logitBias = [4: 1]
            $0.logprobs = 2
        }
        for logits in steps[..<20] { _ = try sampler.sample(logits) }
        var moved = try JSONDecoder().decode(Sampler.self, from: JSONEncoder().encode(sampler))
        #expect(moved == sampler)
        for logits in steps[20...] {
            #expect(try moved.sample(logits) == sampler.sample(logits))
        }
    }

    @Test func tokensOutsideTheVocabularyAreNotTrustedToBeAbsent() throws {
        var sampler = try Sampler.make(3, prompt: [-1, 7]) {
            $0.repetitionPenalty = 2
            $0.frequencyPenalty = 1
            $0.endTokens = [99, -4]
            $0.minTokens = 5
            $0.temperature = 0
        }
        sampler.record(99)
        sampler.record(-1)
        #expect(try sampler.sample([1, 2, 0]).token == 1)
    }

    @Test func choicesAndSeedsDiffer() throws {
        let logits = [Float](repeating: 0, count: 50)
        func tokens(seed: UInt64, choice: Int) throws -> [Int] {
            var sampler = try Sampler.make(50, seed: seed, choice: choice)
            return try sampler.tokens(20, logits)
        }
        let all = try (0..<4).flatMap { seed in
            try (0..<4).map { try tokens(seed: UInt64(seed), choice: $0) }
        }
        #expect(Set(all).count == 16)
        #expect(SequenceRandom.seed(9, choice: 0) == 9)
        #expect(SequenceRandom.seed(9, choice: 1) != SequenceRandom.seed(10, choice: 1))
    }

    @Test func uniformNumbersAreUniformAlongASequenceAndAcrossSeeds() {
        let draws = 20_000
        let along = (0..<draws).map { SequenceRandom.uniform(seed: 3, position: $0) }
        let across = (0..<draws).map { SequenceRandom.uniform(seed: UInt64($0), position: 0) }
        for numbers in [along, across] {
            #expect(numbers.allSatisfy { (0..<1).contains($0) })
            let counts = histogram(numbers.map { Int($0 * 50) }, 50)
            #expect(abs(chiSquareDeviation(counts, [Double](repeating: 0.02, count: 50))) < 5)
            let pairs = zip(numbers, numbers.dropFirst()).map { Int($0 * 7) * 7 + Int($1 * 7) }
            let cells = [Double](repeating: 1 / 49, count: 49)
            #expect(abs(chiSquareDeviation(histogram(pairs, 49), cells)) < 5)
        }
    }
}
