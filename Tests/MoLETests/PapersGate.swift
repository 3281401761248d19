// SPDX-License-Identifier: Apache-2.0

import Foundation
import MoLE
import PolicyKit
import TestSupport

/// Eq. 9 to 11 of MoLE for the queries, keys and values of a layer, over the experts' outputs.
struct PapersGate {
    /// The second factors in the order of the ranks: matrix by matrix, expert by expert.
    private let factors: [GateTensor]

    /// `[outputs, experts]`: the paper's e for one token.
    private let e: [[Double]]
    private let experts: Int

    init(fixture: GateFixture, layer: Int, seed: UInt64) {
        var random = SeededRandom(seed: seed)
        experts = fixture.mixture.experts.count
        factors = [ModelMatrix.q, .k, .v].flatMap { matrix in
            fixture.mixture.experts.indices.compactMap { expert in
                fixture.factors(
                    ofExpert: expert, at: MatrixPlace(layer: layer, matrix: matrix))?.up
            }
        }
        let outputs = factors.reduce(0) { $0 + $1.shape[0] }
        e = (0..<outputs).map { [experts] _ in
            (0..<experts).map { _ in Double.random(in: -2...2, using: &random) }
        }
    }

    /// `[experts, ranks]`: what e is for the ranks.
    var rankWeights: GateTensor {
        var columns: [[Float]] = []
        var first = 0
        for factor in factors {
            let (outputs, rank) = (factor.shape[0], factor.shape[1])
            for column in 0..<rank {
                columns.append(
                    (0..<experts).map { expert in
                        Float(
                            (0..<outputs).reduce(0) {
                                $0 + e[first + $1][expert]
                                    * Double(factor.values[$1 * rank + column])
                            })
                    })
            }
            first += outputs
        }
        let rows = (0..<experts).flatMap { expert in columns.map { $0[expert] } }
        return GateTensor(shape: [experts, columns.count], values: rows)
    }

    /// The weights that the tokens up to and with `row` give.
    func weights(after row: Int, of sequence: GateSequence) -> [Double] {
        let width = sequence.features.count / sequence.rows.count
        var logits = [Double](repeating: 0, count: experts)
        var squares = 0.0
        for token in 0...row {
            let ranks = sequence.features[token * width..<(token + 1) * width].map { Double($0) }
            for (output, value) in outputs(of: ranks).enumerated() {
                squares += value * value
                for expert in 0..<experts { logits[expert] += value * e[output][expert] }
            }
        }
        let powers = logits.map { exp($0 / squares.squareRoot()) }
        return powers.map { $0 / powers.reduce(0, +) }
    }

    private func outputs(of ranks: [Double]) -> [Double] {
        var first = 0
        return factors.flatMap { factor in
            let rank = factor.shape[1]
            defer { first += rank }
            return (0..<factor.shape[0]).map { output in
                (0..<rank).reduce(0) {
                    $0 + Double(factor.values[output * rank + $1]) * ranks[first + $1]
                }
            }
        }
    }
}
