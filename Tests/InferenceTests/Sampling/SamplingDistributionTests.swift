// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

@testable import Inference

struct SamplingDistributionTests {
    /// What min-p, top-k and top-p leave, by vLLM's definitions and a full sort.
    private func reference(
        _ logits: [Float], _ parameters: SamplingParameters
    ) -> [Double] {
        let temperature = Double(max(parameters.temperature, 0.01))
        var weights = softmax(logits, temperature: temperature)
        let peak = weights.max() ?? 0
        for index in weights.indices where weights[index] < Double(parameters.minP) * peak {
            weights[index] = 0
        }
        let order = weights.indices.sorted {
            weights[$0] > weights[$1] || weights[$0] == weights[$1] && $0 < $1
        }
        if parameters.topK > 0 && parameters.topK < weights.count {
            let least = weights[order[parameters.topK - 1]]
            for index in weights.indices where weights[index] < least { weights[index] = 0 }
        }
        // At 1 nothing is cut; a sum that rounds up early would cut the last tokens.
        let target =
            parameters.topP < 1 ? weights.reduce(0, +) * Double(parameters.topP) : .infinity
        var mass = 0.0
        for index in order {
            if mass >= target { weights[index] = 0 }
            mass += weights[index]
        }
        let sum = weights.reduce(0, +)
        return weights.map { $0 / sum }
    }

    static let settings: [(String, @Sendable (inout SamplingParameters) -> Void)] = [
        ("plain", { _ in }), ("warm", { $0.temperature = 2 }), ("cool", { $0.temperature = 0.4 }),
        ("top-k", { $0.topK = 5 }), ("top-p", { $0.topP = 0.8 }), ("min-p", { $0.minP = 0.1 }),
        (
            "all",
            {
                $0.temperature = 1.5
                $0.topK = 12
                $0.topP = 0.9
                $0.minP = 0.02
            }
        ),
    ]

    @Test(arguments: settings.indices)
    func drawsFollowTheDistribution(index: Int) throws {
        let (name, change) = Self.settings[index]
        var random = SeededRandom(seed: UInt64(100 + index))
        let logits = random.logits(24, spread: 2.5)
        var sampler = try Sampler.make(24, seed: UInt64(index), change)
        let counts = histogram(try sampler.tokens(8000, logits), 24)
        let expected = reference(logits, sampler.parameters)
        let deviation = chiSquareDeviation(counts, expected)
        #expect(abs(deviation) < 5, "\(name): \(deviation)")
        for (count, probability) in zip(counts, expected) where probability == 0 {
            #expect(count == 0, "\(name) drew an excluded token")
        }
    }

    @Test func drawsAcrossBlocksFollowTheDistribution() throws {
        // Three blocks of weights, with likely tokens at their borders and a whole block of none.
        var logits = [Float](repeating: -.infinity, count: 3 * LogitArithmetic.blockSize)
        let places = [0, 1023, 2048, 2049, 3071]
        for (rank, place) in places.enumerated() { logits[place] = log(Float(rank + 1)) }
        var sampler = try Sampler.make(logits.count, seed: 9)
        let tokens = try sampler.tokens(1500, logits)
        let counts = places.map { place in tokens.count { $0 == place } }
        #expect(counts.reduce(0, +) == 1500)
        #expect(abs(chiSquareDeviation(counts, [1, 2, 3, 4, 5].map { $0 / 15 })) < 5)
    }

    /// The fast selection keeps what the definitions keep, at every size and depth.
    @Test func filtersKeepWhatTheirDefinitionsSay() throws {
        var random = SeededRandom(seed: 41)
        for round in 0..<120 {
            let count = 2 + Int(random.next() % 900)
            let logits = random.logits(count, spread: [0.5, 4, 40][round % 3])
            let sampler = try Sampler.make(count) {
                $0.temperature = Float.random(in: 0.2...2, using: &random)
                if random.next() % 2 == 0 { $0.topK = 1 + Int(random.next() % UInt64(count)) }
                if random.next() % 2 == 0 { $0.topP = Float.random(in: 0.05...1, using: &random) }
                if random.next() % 2 == 0 { $0.minP = Float.random(in: 0...0.5, using: &random) }
            }
            let parameters = sampler.parameters
            // Without a filter in force, all tokens are drawn from directly.
            if parameters.topK <= 0 && parameters.topP == 1 && parameters.minP == 0 { continue }
            var scratch = SamplingScratch()
            logits.withUnsafeBufferPointer {
                LogitArithmetic.exponentials(
                    of: $0, below: logits.max() ?? 0, scale: 1 / sampler.parameters.temperature,
                    into: &scratch.weights, blockSums: &scratch.blockSums)
            }
            let limit = sampler.parameters.topK
            sampler.filter(limit: limit > 0 && limit < count ? limit : nil, &scratch)
            let expected = reference(logits, sampler.parameters)
            let kept = Set(scratch.candidates.kept.map { Int($0.token) })
            // Tokens whose fate hangs on the last bits, or whose weight is next to nothing, may
            // fall on either side.
            let doubtful = expected.indices.count {
                kept.contains($0) ? expected[$0] == 0 : expected[$0] > 1e-30
            }
            #expect(doubtful <= 1, "round \(round): \(sampler.parameters)")
            #expect(kept.contains(logits.firstIndex(of: logits.max() ?? 0) ?? -1))
        }
    }

    @Test func topKKeepsTiesAndTopPPrefersTheLowerToken() throws {
        let logits: [Float] = [0, 2, 2, 2, 1]
        var top2 = try Sampler.make(5) { $0.topK = 2 }
        #expect(Set(try top2.tokens(300, logits)) == [1, 2, 3])
        var half = try Sampler.make(5) { $0.topP = 0.5 }
        #expect(Set(try half.tokens(300, logits)) == [1, 2])
    }

    @Test func settingsThatKeepEverythingChangeNoDraw() throws {
        var random = SeededRandom(seed: 51)
        // The least likely token is next to impossible, so that losing it to top-k changes nothing.
        let logits = random.logits(59, spread: 3) + [-60]
        var plain = try Sampler.make(60)
        var wide = try Sampler.make(60) {
            $0.topK = 59
            $0.topP = 0.999_999
            $0.minP = 1e-30
        }
        let first = try plain.tokens(400, logits)
        let second = try wide.tokens(400, logits)
        #expect(zip(first, second).count { $0 != $1 } <= 1)
    }

    @Test func aVerySmallTemperatureIsRaisedRatherThanOverflowing() throws {
        var sampler = try Sampler.make(3) { $0.temperature = 0.0001 }
        #expect(try sampler.tokens(50, [5, 100, -3000]).allSatisfy { $0 == 1 })
    }
}
