// SPDX-License-Identifier: Apache-2.0

import ModelLoading
import PolicyKit
import Synchronization
import TestSupport

@testable import Inference

/// Fixed weights, the same for every token.
final class FixedGate: Gate {
    let traits: GateTraits
    private let values: [Float]

    init(_ values: [Float], points: [GatePoint] = [GatePoint(.tokens)]) {
        self.values = values
        traits = GateTraits(points: points)
    }

    func weigh(
        at point: Int, features: Span<Float>, rows: Span<GateRow>,
        states: inout MutableSpan<Float>, weights: inout MutableSpan<Float>
    ) {
        for index in weights.indices { weights[index] = values[index % values.count] }
    }
}

/// A softmax over linear functions of what it reads and of the token, with weights drawn from a
/// seed; with a state, over their sums so far divided by the square root of the count.
final class ProbeGate: Gate {
    let traits: GateTraits
    private let experts: Int
    private let seed: UInt64
    /// The order of the experts' functions among those of the seed.
    private let order: [Int]
    /// The coefficients of each point, drawn when it is asked first.
    private let drawn = Mutex<[Int: [Float]]>([:])

    init(_ points: [GatePoint], experts: Int, seed: UInt64, keepsState: Bool = false) {
        let sets = points.map(\.matrices).max() ?? 1
        traits = GateTraits(points: points, stateFloats: keepsState ? sets * experts : 0)
        self.experts = experts
        self.seed = seed
        order = Array(0..<experts)
    }

    /// The same functions with the experts in another order.
    init(_ other: ProbeGate, order: [Int]) {
        traits = other.traits
        experts = other.experts
        seed = other.seed
        self.order = order
    }

    func weigh(
        at point: Int, features: Span<Float>, rows: Span<GateRow>,
        states: inout MutableSpan<Float>, weights: inout MutableSpan<Float>
    ) {
        let sets = traits.points[point].matrices
        let width = features.count / rows.count
        let coefficients = coefficients(point: point, sets: sets, width: width)
        for row in rows.indices {
            var scale: Float = 0
            for column in 0..<width {
                scale += features[row * width + column] * features[row * width + column]
            }
            scale = 2 / (scale + 1e-3).squareRoot()
            for set in 0..<sets {
                var logits = (0..<experts).map { expert in
                    let start = (set * experts + order[expert]) * (width + 1)
                    var sum = coefficients[start + width] * Float(rows[row].token % 7) / 3
                    for column in 0..<width {
                        sum += coefficients[start + column] * features[row * width + column] * scale
                    }
                    return sum
                }
                if traits.stateFloats > 0 {
                    pool(&logits, rows[row], row: row, set: set, &states)
                }
                store(
                    softmax(logits, mask: rows[row].masked), at: (row * sets + set) * experts,
                    &weights)
            }
        }
    }

    private func pool(
        _ logits: inout [Float], _ row: GateRow, row index: Int, set: Int,
        _ states: inout MutableSpan<Float>
    ) {
        for expert in 0..<experts {
            let place = set * experts + expert
            let before = states[(row.ordinal == 1 ? index : index - 1) * traits.stateFloats + place]
            states[index * traits.stateFloats + place] = before + logits[expert]
            logits[expert] = (before + logits[expert]) / Float(row.position + 1).squareRoot()
        }
    }

    private func coefficients(point: Int, sets: Int, width: Int) -> [Float] {
        drawn.withLock { drawn in
            if let known = drawn[point] { return known }
            var random = SeededRandom(seed: seed &+ UInt64(point) &* 1000)
            let fresh = (0..<sets * experts * (width + 1)).map { _ in
                Float(Int(random.next() >> 40) - (1 << 23)) / Float(1 << 23)
            }
            drawn[point] = fresh
            return fresh
        }
    }

    private func softmax(_ logits: [Float], mask: UInt64) -> [Float] {
        // Without functions of a library, and in an order that does not depend on the experts'.
        let powers = logits.indices.map { index -> Float in
            if mask >> UInt64(index) & 1 != 0 { return 0 }
            let x = max(-4, min(4, logits[index]))
            let base = 1 + x / 16 + x * x / 512
            return base * base * base * base
        }
        let sum = powers.sorted().reduce(0, +)
        return powers.map { $0 / sum }
    }

    private func store(_ values: [Float], at place: Int, _ weights: inout MutableSpan<Float>) {
        for (index, value) in values.enumerated() { weights[place + index] = value }
    }
}

/// Small mixtures for the awkward model.
enum MixtureFixtures {
    /// One point of each kind in turn, so that all readings are gone through.
    static func everyReading(layers: Int) -> [GatePoint] {
        [GatePoint(.tokens)]
            + (0..<layers).flatMap { layer in
                [GatePoint(.blockInput, layer: layer)]
                    + MatrixGroup.allCases.flatMap { group in
                        [
                            GatePoint(.input(group), layer: layer, isPerMatrix: true),
                            GatePoint(.shrunk(group), layer: layer, isPerMatrix: layer % 2 == 0),
                        ]
                    }
            }
    }

    /// The points of one kind.
    static let pointsByName: [(String, [GatePoint])] = [
        ("tokens", [GatePoint(.tokens)]),
        ("final hidden", [GatePoint(.finalHidden)]),
        ("block input", (0..<2).map { GatePoint(.blockInput, layer: $0) }),
        (
            "inputs",
            (0..<2).flatMap { layer in
                MatrixGroup.allCases.map {
                    GatePoint(.input($0), layer: layer, isPerMatrix: layer == 0)
                }
            }
        ),
        (
            "ranks",
            (0..<2).flatMap { layer in
                MatrixGroup.allCases.map {
                    GatePoint(.shrunk($0), layer: layer, isPerMatrix: layer == 1)
                }
            }
        ),
        ("everything", everyReading(layers: 2)),
    ]

    static func experts(_ ranks: [Int], for model: PackedModel, seed: UInt64 = 40)
        -> [AdapterWeights]
    {
        ranks.enumerated().map { index, rank in
            AdapterWeights.synthetic(
                name: "expert-\(index)", rank: rank, seed: seed + UInt64(index),
                for: model.configuration, scale: 16)
        }
    }

    static func mixture(
        _ gate: any Gate, ranks: [Int] = [3, 8, 1, 5], for model: PackedModel, seed: UInt64 = 40
    ) throws -> PackedAdapter {
        try PackedAdapter(
            mixture: "mixed", experts: experts(ranks, for: model, seed: seed), gate: gate,
            for: model)
    }

    /// An executor with room for what any gate here keeps.
    static func executor(
        _ model: PackedModel, threads: Int = 2, kernels: TestedKernels? = nil, tokens: Int = 1024
    ) throws -> Executor {
        try GreedyDriver.executor(
            model, sequences: 16, tokens: tokens, threads: threads, kernels: kernels, pages: 256,
            gateStateFloats: 19 * 3 * 8, scalingPass: true)
    }
}

extension Generation {
    var bits: [[UInt32]] { logits.map { $0.map(\.bitPattern) } }

    /// The largest difference of a logit, of those that both have.
    func difference(from other: Generation) -> Float {
        zip(logits, other.logits).flatMap { zip($0, $1).map { abs($0 - $1) } }.max() ?? .infinity
    }
}

extension GateRecorder {
    /// What was recorded of one sequence of a test that runs alone, by place and point.
    var bySequence: [[Int]: [UInt32]] {
        Dictionary(
            entries.map { ([$0.position, $0.point], $0.values.map(\.bitPattern)) },
            uniquingKeysWith: { first, _ in first })
    }
}
