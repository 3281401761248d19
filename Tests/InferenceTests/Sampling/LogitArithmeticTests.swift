// SPDX-License-Identifier: Apache-2.0

import CKernels
import Foundation
import TestSupport
import Testing

@testable import Inference

struct LogitArithmeticTests {
    private func peak(_ logits: [Float]) throws -> LogitPeak {
        try logits.withUnsafeBufferPointer { try LogitPeak($0) }
    }

    @Test func thePeakIsTheLowestIndexOfTheMaximum() throws {
        var random = SeededRandom(seed: 11)
        for count in 1...70 {
            // Few distinct values, so that there are ties in and across lanes.
            let logits = (0..<count).map { _ in Float(random.next() % 5) - 7 }
            let value = try #require(logits.max())
            let found = try peak(logits)
            #expect(found.value == value)
            #expect(found.index == logits.firstIndex(of: value))
        }
    }

    @Test(arguments: [1, 15, 16, 17, 40])
    func notANumberIsAnErrorWhereverItStands(count: Int) {
        for position in 0..<count {
            for value in [Float.nan, .infinity, .signalingNaN] {
                var logits = [Float](repeating: 1, count: count)
                logits[position] = value
                #expect(samplingError { _ = try peak(logits) }?.code == .notFinite)
            }
        }
    }

    @Test func nothingButNegativeInfinityIsAnError() throws {
        #expect(
            samplingError { _ = try peak([Float](repeating: -.infinity, count: 20)) }?.code
                == .nothingToSample)
        #expect(samplingError { _ = try peak([]) }?.code == .nothingToSample)
        #expect(try peak([-.infinity, -3, -.infinity]).index == 1)
    }

    private func weights(_ x: [Float], on set: InstructionSet) throws -> (sum: Double, [Float]) {
        let kernels = try set.kernels()
        var out = [Float](repeating: -1, count: x.count)
        let sum = kernels.weights(x, x.count, 0, 1, &out)
        return (sum, out)
    }

    @Test(arguments: InstructionSet.available)
    func exponentialsAreAccurate(set: InstructionSet) throws {
        let xs = (0...8700).map { -Float($0) / 100 }
        for (x, weight) in try zip(xs, weights(xs, on: set).1) {
            #expect(abs(Double(weight) / exp(Double(x)) - 1) < 3e-7, "at \(x)")
        }
        let special: [Float] = [0, -88, -.infinity, -.greatestFiniteMagnitude]
        #expect(try weights(special, on: set).1 == [1, 0, 0, 0])
    }

    @Test(arguments: InstructionSet.available)
    func everyPathGivesTheSameBits(set: InstructionSet) throws {
        var random = SeededRandom(seed: 14)
        for count in [1, 15, 16, 17, 1000, 1024] {
            let logits = random.logits(count).map { -abs($0) }
            let portable = try weights(logits, on: .portable)
            let own = try weights(logits, on: set)
            #expect(own.sum == portable.sum)
            #expect(own.1 == portable.1)
            let peak = try set.kernels().peak(logits, count)
            #expect(peak.value == logits.max())
            #expect(peak.index == logits.firstIndex(of: peak.value))
        }
    }

    @Test func blockSumsAddUp() {
        var random = SeededRandom(seed: 12)
        let logits = random.logits(3000)
        var weights: [Float] = []
        var sums: [Double] = []
        logits.withUnsafeBufferPointer {
            LogitArithmetic.exponentials(
                of: $0, below: 8, scale: 0.5, into: &weights, blockSums: &sums)
        }
        #expect(sums.count == 3)
        let expected = logits.reduce(0) { $0 + exp((Double($1) - 8) * 0.5) }
        #expect(abs(sums.reduce(0, +) / expected - 1) < 1e-6)
        #expect(weights.count == 3000)
    }

    /// The selection against a full sort, with many ties.
    @Test func theLikeliestAreFoundAsBySorting() {
        var random = SeededRandom(seed: 13)
        for round in 0..<300 {
            let count = 1 + Int(random.next() % 400)
            let distinct = 1 + random.next() % (round % 2 == 0 ? 6 : 1000)
            let values = (0..<count).map { _ in Float(1 + random.next() % distinct) / 1000 }
            let sorted = values.enumerated()
                .map { TokenCandidate(weight: $0.element, token: Int32($0.offset)) }
                .sorted { $0.precedes($1) }
            let limit = 1 + Int(random.next() % UInt64(count))

            var candidates = TokenCandidates()
            values.withUnsafeBufferPointer { candidates.gather($0, atLeast: 0) }
            #expect(candidates.ranked(limit) == Array(sorted[..<limit]))

            values.withUnsafeBufferPointer { candidates.gather($0, atLeast: 0) }
            candidates.keepLikeliest(limit)
            let last = sorted[limit - 1].weight
            #expect(candidates.kept == sortedByToken(sorted.filter { $0.weight >= last }))

            values.withUnsafeBufferPointer { candidates.gather($0, atLeast: 0) }
            let target = candidates.mass * Double(limit) / Double(count + 1)
            candidates.keepMass(target)
            var mass = 0.0
            let nucleus = sorted.prefix { candidate in
                defer { mass += Double(candidate.weight) }
                return mass < target
            }
            // Sums in another order may differ in the last bit, and so by one token.
            #expect(abs(candidates.kept.count - nucleus.count) <= 1)
            let shared = min(candidates.kept.count, nucleus.count)
            #expect(
                Set(candidates.kept.map(\.token)).isSuperset(
                    of: nucleus.prefix(shared).map(\.token)))
        }
    }

    private func sortedByToken(_ candidates: [TokenCandidate]) -> [TokenCandidate] {
        candidates.sorted { $0.token < $1.token }
    }
}
