// SPDX-License-Identifier: Apache-2.0

import ModelLoading
import TestSupport
import Testing

@testable import Inference

/// Tokens that the threads of an executor draw together.
struct SequenceSamplerTests {
    private static let vocabulary = AwkwardModel.configuration.vocabularySize

    /// Greedy, seeded, filtered and penalised by turns.
    private func sampler(_ index: Int) throws -> Sampler {
        try .make(Self.vocabulary, prompt: [1, 2], seed: UInt64(index)) {
            $0.temperature = index % 4 == 0 ? 0 : 1
            $0.topP = index % 4 == 2 ? 0.8 : 1
            $0.repetitionPenalty = index % 4 == 3 ? 1.3 : 1
            $0.logprobs = index % 3 == 0 ? 2 : nil
            $0.endTokens = [5]
        }
    }

    @Test(arguments: [1, 3])
    func aTeamDrawsWhatEachSamplerDrawsAlone(threads: Int) throws {
        let executor = try GreedyDriver.executor(AwkwardModel.packed(.f32), threads: threads)
        let rows = 37
        let buffer = try LogitsBuffer(rows: rows, vocabularySize: Self.vocabulary)
        var alone = try (0..<rows).map(sampler)
        let together = alone.map(SequenceSampler.init)
        var random = SeededRandom(seed: 3)
        for _ in 0..<20 {
            let logits = (0..<rows).map { _ in random.logits(Self.vocabulary) }
            for (row, values) in logits.enumerated() {
                (buffer.base + row * buffer.stride).update(from: values, count: values.count)
            }
            let draws = together.enumerated().map {
                RowDraw(rows: $0.offset..<$0.offset + 1, sampler: $0.element)
            }
            for (row, drawn) in executor.draw(draws, from: buffer).enumerated() {
                let expected = try alone[row].sample(logits[row])
                let stop = alone[row].stop(at: expected.token)
                #expect(try drawn.get() == [DrawnToken(sampled: expected, stop: stop)])
                #expect(together[row].last == expected.token)
                #expect(together[row].isOver == (expected.token == 5))
            }
        }
    }

    /// Guesses that come true for a while; the tokens are those drawn one by one.
    @Test(arguments: 0..<8)
    func aRunIsWhatSingleDrawsGive(index: Int) throws {
        let executor = try GreedyDriver.executor(AwkwardModel.packed(.f32))
        let buffer = try LogitsBuffer(rows: 6, vocabularySize: Self.vocabulary)
        var random = SeededRandom(seed: UInt64(index))
        let logits = (0..<6).map { _ in random.logits(Self.vocabulary) }
        for (row, values) in logits.enumerated() {
            (buffer.base + row * buffer.stride).update(from: values, count: values.count)
        }
        var alone = try sampler(index)
        let expected = try logits.map { try alone.sample($0) }
        for right in 0...5 {
            var drafts = expected.prefix(5).map(\.token)
            if right < 5 { drafts[right] = (drafts[right] + 1) % 200 }
            let own = try SequenceSampler(sampler(index))
            let draw = RowDraw(rows: 0..<6, sampler: own, drafts: drafts[...])
            let run = try executor.draw([draw], from: buffer)[0].get()
            let ends = expected.firstIndex { $0.token == 5 } ?? 6
            #expect(run.map(\.sampled) == Array(expected.prefix(min(right, ends) + 1)))
            #expect(own.last == run.last?.sampled.token)
        }
    }

    @Test
    func aGuessedRowThatCannotBeDrawnFromIsLeftToItsOwnStep() throws {
        let executor = try GreedyDriver.executor(AwkwardModel.packed(.f32))
        let buffer = try LogitsBuffer(rows: 2, vocabularySize: Self.vocabulary)
        buffer.base[7] = 1
        buffer.base[buffer.stride] = .nan
        let sampler = try SequenceSampler(sampler(4))
        let draw = RowDraw(rows: 0..<2, sampler: sampler, drafts: [7])
        let run = try executor.draw([draw], from: buffer)[0].get()
        #expect(run.map(\.sampled.token) == [7])
        #expect(!sampler.isOver)
    }

    @Test
    func aRowThatCannotBeDrawnFromEndsItsSequenceAndNoOther() throws {
        let executor = try GreedyDriver.executor(AwkwardModel.packed(.f32))
        let buffer = try LogitsBuffer(rows: 2, vocabularySize: Self.vocabulary)
        buffer.base[3] = .nan
        let samplers = [try SequenceSampler(sampler(0)), try SequenceSampler(sampler(4))]
        let drawn = executor.draw(
            samplers.enumerated().map {
                RowDraw(rows: $0.offset..<$0.offset + 1, sampler: $0.element)
            },
            from: buffer)
        #expect(samplingError { _ = try drawn[0].get() }?.code == .notFinite)
        #expect(try drawn[1].get().map(\.sampled.token) == [0])
        #expect(samplers.map(\.isOver) == [true, false])
    }
}
