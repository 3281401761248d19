// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Testing

@testable import Inference

/// Gates that misbehave, and chunks that do not say what a gate needs.
struct MixtureFaultTests {
    enum Fault: CaseIterable {
        case throwing, infinite, notANumber, leftOut, weighsMasked
    }

    /// Well-behaved but for one token, and there only at its second point.
    private final class FaultyGate: Gate {
        let traits = GateTraits(points: (0..<2).map { GatePoint(.blockInput, layer: $0) })
        private let fault: Fault
        static let token: Int32 = 111

        init(_ fault: Fault) { self.fault = fault }

        func weigh(
            at point: Int, features: Span<Float>, rows: Span<GateRow>,
            states: inout MutableSpan<Float>, weights: inout MutableSpan<Float>
        ) throws(PolicyError) {
            for row in rows.indices {
                let isBad = point == 1 && rows[row].token == Self.token
                if isBad && fault == .throwing { throw PolicyError("lost its way") }
                if isBad && fault == .leftOut { continue }
                for expert in 0..<4 {
                    let isMasked = rows[row].masked >> UInt64(expert) & 1 != 0
                    weights[row * 4 + expert] = isMasked ? 0 : 0.25
                }
                guard isBad else { continue }
                switch fault {
                case .infinite: weights[row * 4 + 1] = .infinity
                case .notANumber: weights[row * 4 + 1] = .nan
                default: weights[row * 4 + 2] = 1
                }
            }
        }
    }

    private func chunks(_ mixture: PackedAdapter, bad: Bool, model: PackedModel) throws
        -> [SequenceChunk]
    {
        let adapter = try AwkwardModel.adapter(rank: 8, for: model)
        let mixed = [AdapterUse(mixture)]
        let gating = ChunkGating(promptTokens: 5, masked: 0b0100)
        var spoilt = AwkwardModel.prompt(5, seed: 2).map { $0 == FaultyGate.token ? 1 : $0 }
        if bad { spoilt[2] = FaultyGate.token }
        let fine = AwkwardModel.prompt(5, seed: 3).map { $0 == FaultyGate.token ? 1 : $0 }
        return [
            SequenceChunk(tokens: fine, position: 0, pages: [0], adapters: [AdapterUse(adapter)]),
            SequenceChunk(tokens: fine, position: 0, pages: [1], adapters: mixed, gating: gating),
            SequenceChunk(
                tokens: spoilt, position: 0, pages: [2], adapters: mixed, gating: gating),
            SequenceChunk(tokens: fine, position: 0, pages: [3]),
        ]
    }

    @Test(arguments: Fault.allCases)
    func aGateThatMisbehavesSpoilsItsOwnChunkOnly(fault: Fault) throws {
        let model = try AwkwardModel.packed(.int8)
        let executor = try MixtureFixtures.executor(model)
        let mixture = try MixtureFixtures.mixture(FaultyGate(fault), for: model)
        func run(bad: Bool) throws -> StepOutput {
            try executor.run(
                ExecutorStep(chunks: try chunks(mixture, bad: bad, model: model)))
        }
        func bits(_ output: StepOutput, _ chunk: Int) -> [UInt32] {
            output.logits.withRow(output.rows[chunk].lowerBound) { $0.map(\.bitPattern) }
        }
        let good = try run(bad: false)
        #expect(good.gateFailures.isEmpty)
        let bad = try run(bad: true)
        for chunk in [0, 1, 3] { #expect(bits(good, chunk) == bits(bad, chunk), "\(chunk)") }
        #expect(bad.logits.withRow(bad.rows[2].lowerBound) { $0.allSatisfy(\.isNaN) })
        let failure = try #require(bad.gateFailures.first)
        #expect(bad.gateFailures.count == 1 && failure.chunk == 2)
        #expect(failure.code == .gateFailed)
        #expect(failure.message.hasPrefix("the gate of mixture mixed failed at point 1: "))
        #expect(bad.gateMeans(ofChunk: 2).isEmpty)
        #expect(bad.gateMeans(ofChunk: 1) == [0.25, 0.25, 0, 0.25])
        // The pages that are left behind do no harm to who gets them next.
        let again = try run(bad: false)
        for chunk in 0..<4 { #expect(bits(good, chunk) == bits(again, chunk), "\(chunk)") }
    }

    private final class NeedyGate: Gate {
        let traits = GateTraits(
            points: [GatePoint(.finalHidden)], stateFloats: 4, needsWholePrompt: true)
        func weigh(
            at point: Int, features: Span<Float>, rows: Span<GateRow>,
            states: inout MutableSpan<Float>, weights: inout MutableSpan<Float>
        ) {
            for index in weights.indices { weights[index] = 0.25 }
        }
    }

    /// A chunk of six tokens at a position, with what it says of its gate.
    private struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var position = 0
        var gating: ChunkGating? = ChunkGating(promptTokens: 6)
        var factor: Float = 1
        var isMixture = true
        var count = 1
        var stateFloats = 4
        var scalingPass = true
        var code: InferenceError.Code? = .invalidStep
        var testDescription: String { name }
    }

    private static let cases: [Case] = [
        Case(name: "as it should be", code: nil),
        Case(name: "behind its prompt", position: 6, code: nil),
        Case(name: "no gating", gating: nil),
        Case(name: "gating without a mixture", isMixture: false),
        Case(name: "a factor", factor: -1),
        Case(name: "two mixtures", count: 2),
        Case(name: "all left out", gating: ChunkGating(promptTokens: 6, masked: 0b1111)),
        Case(name: "others left out", gating: ChunkGating(promptTokens: 6, masked: 0b10000)),
        Case(name: "no prompt", gating: ChunkGating(promptTokens: 0)),
        Case(name: "a prompt past the context", gating: ChunkGating(promptTokens: .max)),
        Case(name: "a piece of the prompt", gating: ChunkGating(promptTokens: 7)),
        Case(name: "its last piece", position: 6, gating: ChunkGating(promptTokens: 12)),
        Case(name: "no room for states", stateFloats: 3, code: .tooLarge),
        Case(name: "no scaling pass", scalingPass: false),
    ]

    @Test(arguments: cases)
    private func aChunkSaysWhatItsGateNeeds(one: Case) throws {
        let model = try AwkwardModel.packed(.bf16)
        let executor = try GreedyDriver.executor(
            model, pages: 8, gateStateFloats: one.stateFloats, scalingPass: one.scalingPass)
        let adapter =
            one.isMixture
            ? try MixtureFixtures.mixture(NeedyGate(), for: model)
            : try AwkwardModel.adapter(rank: 3, for: model)
        let chunk = SequenceChunk(
            tokens: [1, 2, 3, 4, 5, 6], position: one.position, pages: [1],
            adapters: Array(
                repeating: AdapterUse(adapter, factor: one.factor), count: one.count),
            gating: one.gating)
        guard let code = one.code else {
            _ = try executor.run(ExecutorStep(chunks: [chunk]))
            return
        }
        let error = #expect(throws: InferenceError.self) {
            try executor.run(ExecutorStep(chunks: [chunk]))
        }
        #expect(error?.code == code && error?.chunk == 0)
    }

    @Test func meansAreThoseOfTheRecordedWeights() throws {
        let model = try AwkwardModel.packed(.bf16)
        let executor = try MixtureFixtures.executor(model)
        let points = MixtureFixtures.everyReading(layers: 2)
        let mixture = try MixtureFixtures.mixture(
            ProbeGate(points, experts: 4, seed: 2), for: model)
        let recorder = GateRecorder()
        executor.gateRecorder = recorder
        let chunks = [
            SequenceChunk(tokens: [5, 6], position: 0, pages: [0]),
            SequenceChunk(
                tokens: AwkwardModel.prompt(9, seed: 1), position: 0, pages: [1],
                adapters: [AdapterUse(mixture)],
                gating: ChunkGating(promptTokens: 9, masked: 0b1000)),
        ]
        let output = try executor.run(ExecutorStep(chunks: chunks))
        #expect(output.gateMeans(ofChunk: 0).isEmpty && output.gateMeans(ofChunk: 2).isEmpty)
        let sets = recorder.entries.flatMap { entry in
            stride(from: 0, to: entry.values.count, by: 4).map {
                Array(entry.values[$0..<$0 + 4])
            }
        }
        let means = output.gateMeans(ofChunk: 1)
        for expert in 0..<4 {
            let mean = sets.reduce(0) { $0 + $1[expert] } / Float(sets.count)
            #expect(abs(means[expert] - mean) < 1e-5)
        }
        #expect(means[3] == 0 && abs(means.reduce(0, +) - 1) < 1e-5)
        #expect(recorder.entries.allSatisfy { $0.chunk == 1 && $0.experts == 4 })
    }

    @Test func aRecorderThatIsFullCountsWhatItMisses() throws {
        let model = try AwkwardModel.packed(.bf16)
        let executor = try MixtureFixtures.executor(model)
        let mixture = try MixtureFixtures.mixture(FixedGate([0.25]), for: model)
        executor.gateRecorder = GateRecorder(capacity: 5)
        let chunk = SequenceChunk(
            tokens: AwkwardModel.prompt(9, seed: 1), position: 0, pages: [1],
            adapters: [AdapterUse(mixture)], gating: ChunkGating(promptTokens: 9))
        _ = try executor.run(ExecutorStep(chunks: [chunk]))
        #expect(executor.gateRecorder?.entries.map(\.row) == [0, 1, 2, 3, 4])
        #expect(executor.gateRecorder?.missed == 4)
    }
}
