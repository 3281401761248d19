// SPDX-License-Identifier: Apache-2.0

import Foundation
import Inference
import ModelLoading

/// How far the next-token probabilities of a weight format are from those of f32 weights, over
/// random prompts: the Kullback-Leibler divergence of each position, and how often both agree on
/// the likeliest token.
struct Divergence: Codable {
    var dtype: String
    var kvDtype: String
    var positions: Int
    /// In nats.
    var mean: Double
    var worst: Double
    var sameLikeliest: Double

    /// Every format against f32 weights with keys and values in f32.
    static func measure(_ weights: ModelWeights, threads: Int) throws -> [Divergence] {
        let reference = try logits(weights, .f32, .f32, threads: threads)
        return try [
            (WeightType.bf16, KeyValueType.f32), (.bf16, .bf16), (.int8, .f32), (.int8, .bf16),
        ].map { type, keys in
            let own = try logits(weights, type, keys, threads: threads)
            let pairs = zip(reference, own).map(compare)
            return Divergence(
                dtype: type.rawValue, kvDtype: keys.rawValue, positions: pairs.count,
                mean: pairs.reduce(0) { $0 + $1.nats } / Double(pairs.count),
                worst: pairs.map(\.nats).max() ?? 0,
                sameLikeliest: Double(pairs.count(where: \.isSame)) / Double(pairs.count))
        }
    }

    /// The logits behind each of some random prompts of different lengths.
    private static func logits(
        _ weights: ModelWeights, _ type: WeightType, _ keys: KeyValueType, threads: Int
    ) throws -> [[Float]] {
        let model = try PackedModel(weights, type: type, threads: threads)
        var configuration = ExecutorConfiguration(
            pageCount: 16, maximumTokens: 256, maximumSequences: 1, contextLength: 256,
            threads: threads)
        configuration.keyValueType = keys
        let executor = try Executor(model: model, configuration: configuration)
        var state: UInt64 = 42
        return try (0..<64).map { index in
            let tokens = (0..<(8 + 2 * index)).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Int32((state >> 33) % UInt64(model.configuration.vocabularySize))
            }
            let chunk = SequenceChunk(tokens: tokens, position: 0, pages: Array(0..<16))
            let output = try executor.run(ExecutorStep(chunks: [chunk]))
            guard let row = output.rows[0].first else { return [] }
            return output.logits.withRow(row) { Array($0) }
        }
    }

    private static func compare(
        _ exact: [Float], _ own: [Float]
    ) -> (nats: Double, isSame: Bool) {
        func logarithms(_ row: [Float]) -> (values: [Double], likeliest: Int) {
            let most = Double(row.max() ?? 0)
            let sum = row.reduce(0.0) { $0 + exp(Double($1) - most) }
            let values = row.map { Double($0) - most - log(sum) }
            return (values, row.indices.max { row[$0] < row[$1] } ?? 0)
        }
        let (p, q) = (logarithms(exact), logarithms(own))
        let nats = zip(p.values, q.values).reduce(0.0) { $0 + exp($1.0) * ($1.0 - $1.1) }
        return (nats, p.likeliest == q.likeliest)
    }
}
