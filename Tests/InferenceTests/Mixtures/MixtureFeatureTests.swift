// SPDX-License-Identifier: Apache-2.0

import CKernels
import ModelLoading
import PolicyKit
import Synchronization
import Testing

@testable import Inference

/// Gates read what the contract says they do.
struct MixtureFeatureTests {
    /// Equal weights for all, and a note of all that was read.
    private final class ReadingGate: Gate {
        struct Reading {
            var rows: [GateRow]
            var features: [Float]
            var width: Int { features.count / rows.count }
        }

        let traits: GateTraits
        private let weight: Float
        private let notes = Mutex<[Int: Reading]>([:])

        init(_ points: [GatePoint], weight: Float) {
            traits = GateTraits(points: points)
            self.weight = weight
        }

        func weigh(
            at point: Int, features: Span<Float>, rows: Span<GateRow>,
            states: inout MutableSpan<Float>, weights: inout MutableSpan<Float>
        ) {
            let reading = Reading(
                rows: rows.indices.map { rows[$0] }, features: features.indices.map { features[$0] }
            )
            notes.withLock { $0[point] = reading }
            for index in weights.indices { weights[index] = weight }
        }

        func read(at point: Int) throws -> Reading {
            try #require(notes.withLock { $0[point] })
        }
    }

    private static let prompt = AwkwardModel.prompt(9, seed: 1)

    /// The logits of all rows of one prompt.
    private func run(
        _ gate: ReadingGate, ranks: [Int], model: PackedModel, kernels: TestedKernels? = nil
    ) throws -> [[Float]] {
        let executor = try MixtureFixtures.executor(model, kernels: kernels)
        let mixture = try MixtureFixtures.mixture(gate, ranks: ranks, for: model)
        let chunk = SequenceChunk(
            tokens: Self.prompt, position: 0, pages: [3], adapters: [AdapterUse(mixture)],
            logitRows: Self.prompt.count, gating: ChunkGating(promptTokens: 9, masked: 0))
        let output = try executor.run(ExecutorStep(chunks: [chunk]))
        return output.rows[0].map { output.logits.withRow($0) { Array($0) } }
    }

    private func closeTo(_ left: [Float], _ right: [Float], _ tolerance: Float) -> Bool {
        left.count == right.count
            && zip(left, right).allSatisfy { abs($0 - $1) <= tolerance * (1 + abs($1)) }
    }

    @Test func everyReadingHasItsWidth() throws {
        let model = try AwkwardModel.packed(.f32)
        let points =
            [GatePoint(.tokens), GatePoint(.finalHidden)]
            + MixtureFixtures.everyReading(layers: 2).dropFirst()
        let gate = ReadingGate(points, weight: 0.5)
        _ = try run(gate, ranks: [3, 8], model: model)
        let inputs: [MatrixGroup: Int] = [
            .attentionInput: 90, .attentionOutput: 132, .feedForwardInput: 90,
            .feedForwardOutput: 1037,
        ]
        for (index, point) in points.enumerated() {
            let width: Int? =
                switch point.reading {
                case .tokens: 0
                case .finalHidden, .blockInput: 90
                case .input(let group): inputs[group]
                case .shrunk(let group): group.matrices.count * 11
                }
            #expect(try gate.read(at: index).width == width, "\(point)")
        }
    }

    @Test func rowsSayWhatTheyAre() throws {
        let model = try AwkwardModel.packed(.f32)
        let gate = ReadingGate([GatePoint(.tokens)], weight: 0.5)
        _ = try run(gate, ranks: [3, 8], model: model)
        let rows = try gate.read(at: 0).rows
        #expect(rows.map(\.token) == Self.prompt)
        #expect(rows.map(\.position) == (0..<9).map { Int32($0) })
        #expect(rows.map(\.ordinal) == (1...9).map { Int32($0) })
        #expect(rows.allSatisfy { $0.promptTokens == 9 && $0.masked == 0 })
    }

    /// The embedding, and from it the input of the first linear layers.
    @Test func theFirstBlockReadsTheEmbedding() throws {
        let model = try AwkwardModel.packed(.f32)
        let points = [
            GatePoint(.blockInput, layer: 0), GatePoint(.input(.attentionInput), layer: 0),
        ]
        let gate = ReadingGate(points, weight: 0.5)
        _ = try run(gate, ranks: [3], model: model)
        let stream = try gate.read(at: 0).features
        let normed = try gate.read(at: 1).features
        for (row, token) in Self.prompt.enumerated() {
            let own = Array(stream[row * 90..<(row + 1) * 90])
            #expect(own == embedding(Int(token), of: model))
            let scale =
                1
                / (own.reduce(0) { $0 + $1 * $1 } / 90 + model.configuration.normEpsilon)
                .squareRoot()
            let expected = own.enumerated().map {
                $1 * scale * model.layers[0].inputNorm[$0]
            }
            #expect(closeTo(Array(normed[row * 90..<(row + 1) * 90]), expected, 1e-5))
        }
    }

    private func embedding(_ token: Int, of model: PackedModel) -> [Float] {
        var row = [Float](repeating: 0, count: 90)
        kernel_unpack_row(model.outputHead.weights, KERNEL_F32, 90, token, &row)
        return row
    }

    /// Matrix by matrix, in each expert by expert, without padding: scale * A * x.
    @Test(arguments: TestedKernels.all)
    func ranksAreTheScaledProductsInTheirOrder(kernels: TestedKernels) throws {
        let model = try AwkwardModel.packed(.f32)
        let ranks = [3, 8, 1]
        for group in MatrixGroup.allCases {
            let points = [
                GatePoint(.input(group), layer: 1), GatePoint(.shrunk(group), layer: 1),
            ]
            let gate = ReadingGate([GatePoint(.tokens)] + points, weight: 0.5)
            _ = try run(gate, ranks: ranks, model: model, kernels: kernels)
            let (x, z) = (try gate.read(at: 1), try gate.read(at: 2))
            var next = 0
            for row in 0..<9 {
                let input = x.features[row * x.width..<(row + 1) * x.width]
                for kind in try #require(LinearGroup(group)).kinds {
                    for expert in MixtureFixtures.experts(ranks, for: model) {
                        let site = AdapterSite(layer: 1, linear: kind)
                        let factors = try #require(expert.sites[site])
                        let a = try factors.a.floats()
                        for rank in 0..<factors.rank {
                            let sum = zip(a[(rank * x.width)...], input).reduce(0.0) {
                                $0 + Double($1.0) * Double($1.1)
                            }
                            let expected = Float(sum) * factors.scale
                            #expect(abs(z.features[next] - expected) < 1e-3)
                            next += 1
                        }
                    }
                }
            }
            #expect(next == z.features.count)
        }
    }

    /// The final hidden states times the output head are the logits of the base model, whatever
    /// the mixture does.
    @Test(arguments: TestedKernels.all)
    func finalHiddenStatesAreThoseOfTheBase(kernels: TestedKernels) throws {
        let model = try AwkwardModel.packed(.f32)
        let gate = ReadingGate([GatePoint(.finalHidden)], weight: 1)
        let mixed = try run(gate, ranks: [3, 8], model: model, kernels: kernels)
        let silent = ReadingGate([GatePoint(.finalHidden)], weight: 0)
        let base = try run(silent, ranks: [3, 8], model: model, kernels: kernels)
        let hidden = try gate.read(at: 0).features
        #expect(hidden == (try silent.read(at: 0).features))
        #expect(mixed != base)
        for row in 0..<9 {
            let logits = (0..<203).map { token in
                zip(hidden[(row * 90)...], embedding(token, of: model)).reduce(Float(0)) {
                    $0 + $1.0 * $1.1
                }
            }
            #expect(closeTo(logits, base[row], 1e-4))
        }
    }
}
