// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

@testable import Inference

extension SeededRandom {
    mutating func logits(_ count: Int, spread: Float = 8) -> [Float] {
        (0..<count).map { _ in Float.random(in: -spread...spread, using: &self) }
    }
}

extension Sampler {
    /// A sampler for as many tokens as there are logits.
    static func make(
        _ vocabularySize: Int, prompt: [Int32] = [], seed: UInt64 = 1, choice: Int = 0,
        _ change: (inout SamplingParameters) -> Void = { _ in }
    ) throws -> Sampler {
        var parameters = SamplingParameters()
        change(&parameters)
        return try Sampler(
            parameters, prompt: prompt, vocabularySize: vocabularySize, fallbackSeed: seed,
            choice: choice)
    }

    mutating func sample(_ logits: [Float]) throws -> SampledToken {
        var scratch = SamplingScratch()
        return try logits.withUnsafeBufferPointer {
            try self.sample(logits: $0, scratch: &scratch)
        }
    }

    /// The next `count` tokens, when the model gives the same logits each time.
    mutating func tokens(_ count: Int, _ logits: [Float]) throws -> [Int] {
        var scratch = SamplingScratch()
        return try logits.withUnsafeBufferPointer { buffer in
            try (0..<count).map { _ in
                Int(try self.sample(logits: buffer, scratch: &scratch).token)
            }
        }
    }
}

/// The error that `body` throws, if it is one of sampling.
func samplingError(_ body: () throws -> Void) -> SamplingError? {
    do {
        try body()
        return nil
    } catch {
        return error as? SamplingError
    }
}

/// A softmax in double precision.
func softmax(_ logits: [Float], temperature: Double = 1) -> [Double] {
    let peak = Double(logits.max() ?? 0)
    let weights = logits.map { exp((Double($0) - peak) / temperature) }
    let sum = weights.reduce(0, +)
    return weights.map { $0 / sum }
}

/// Pearson's statistic in units of its standard deviation: below 5 unless the draws are wrong (or
/// once in some hundred thousand seeds).
func chiSquareDeviation(_ counts: [Int], _ probabilities: [Double]) -> Double {
    let total = Double(counts.reduce(0, +))
    var statistic = 0.0
    var cells = 0
    for (count, probability) in zip(counts, probabilities) where probability > 0 {
        let expected = total * probability
        statistic += (Double(count) - expected) * (Double(count) - expected) / expected
        cells += 1
    }
    let freedom = Double(max(cells - 1, 1))
    return (statistic - freedom) / (2 * freedom).squareRoot()
}

func histogram(_ tokens: [Int], _ count: Int) -> [Int] {
    var counts = [Int](repeating: 0, count: count)
    for token in tokens { counts[token] += 1 }
    return counts
}
