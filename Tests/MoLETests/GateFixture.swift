// SPDX-License-Identifier: Apache-2.0

import MoLE
import PolicyKit
import TestSupport

/// A mixture of three unlike experts in a model of two layers whose widths all differ.
struct GateFixture: MixtureSources {
    static let hidden = 12
    let mixture: MixtureDescription
    private let seed: UInt64

    /// The second expert acts on four of the matrices, the third on all but one.
    init(seed: UInt64 = 1) {
        self.seed = seed
        let matrices: [(rank: Int, of: [ModelMatrix])] = [
            (2, ModelMatrix.allCases), (3, [.q, .v, .gate, .down]),
            (1, ModelMatrix.allCases.filter { $0 != .k }),
        ]
        let experts = zip(["roman", "french", "date"], matrices).map { name, acts in
            var ranks: [MatrixPlace: Int] = [:]
            for layer in 0..<2 {
                for matrix in acts.of {
                    ranks[MatrixPlace(layer: layer, matrix: matrix)] = acts.rank
                }
            }
            return MixtureExpert(name: name, digest: "digest of \(name)", ranks: ranks)
        }
        mixture = MixtureDescription(
            name: "everything", layers: 2, hiddenSize: Self.hidden, experts: experts)
    }

    /// A configuration for the mixture's experts.
    var configuration: MoLEConfiguration {
        MoLEConfiguration(
            experts: mixture.experts.map {
                MoLEConfiguration.Expert(
                    name: $0.name, sha256: $0.digest, rank: $0.ranks.values.max() ?? 1)
            })
    }

    /// Floats that are read at a point.
    func width(of point: GatePoint) -> Int {
        switch point.reading {
        case .input(.attentionOutput): 10
        case .input(.feedForwardOutput): 14
        default: mixture.width(of: point) ?? 0
        }
    }

    private static func sizes(of matrix: ModelMatrix) -> (inputs: Int, outputs: Int) {
        switch matrix {
        case .q: (hidden, 10)
        case .k, .v: (hidden, 4)
        case .o: (10, hidden)
        case .gate, .up: (hidden, 14)
        case .down: (14, hidden)
        }
    }

    func parameters(of configuration: MoLEConfiguration, seed: UInt64) -> MoLEParameters {
        var random = SeededRandom(seed: seed)
        var parameters = MoLEParameters(
            zerosFor: configuration, in: mixture, features: width(of:))
        for name in parameters.tensors.keys.sorted() {
            guard let zeros = parameters.tensors[name] else { continue }
            parameters.tensors[name] = GateTensor(
                shape: zeros.shape,
                values: zeros.values.map { _ in Float.random(in: -0.4...0.4, using: &random) })
        }
        return parameters
    }

    func json(_ file: String) -> FileValue? { nil }
    func tensors(_ file: String) -> [String: GateTensor]? { nil }
    func tensors(_ file: String, ofExpert expert: Int) -> [String: GateTensor]? { nil }

    func factors(
        ofExpert expert: Int, at place: MatrixPlace
    ) -> (down: GateTensor, up: GateTensor, scale: Float)? {
        guard let rank = mixture.experts[expert].ranks[place] else { return nil }
        let (inputs, outputs) = Self.sizes(of: place.matrix)
        var random = SeededRandom(
            seed: seed &+ UInt64(100 * expert + 10 * place.layer + place.matrix.index))
        func tensor(_ shape: [Int]) -> GateTensor {
            GateTensor(
                shape: shape,
                values: (0..<shape.reduce(1, *)).map { _ in
                    Float.random(in: -1...1, using: &random)
                })
        }
        return (tensor([rank, inputs]), tensor([outputs, rank]), 2)
    }
}

/// The tokens of one sequence in front of one point of a gate.
struct GateSequence {
    var rows: [GateRow]
    /// `[rows, width]`.
    var features: [Float]

    init(_ count: Int, prompt: Int, width: Int, seed: UInt64, masked: UInt64 = 0) {
        var random = SeededRandom(seed: seed)
        rows = (0..<count).map { position in
            GateRow(
                token: Int32(position), position: Int32(position), promptTokens: Int32(prompt),
                ordinal: Int32(position + 1), masked: masked)
        }
        features = (0..<count * width).map { _ in Float.random(in: -2...2, using: &random) }
    }

    /// The weights `[rows, matrices · experts]` that a gate gives from the start of the sequence.
    func weights(of gate: TrainedGate, at point: Int) throws -> [[Float]] {
        let count = gate.traits.points[point].matrices * gate.configuration.experts.count
        var states = [Float](repeating: 0, count: rows.count * gate.traits.stateFloats)
        var weights = [Float](repeating: .nan, count: rows.count * count)
        var statesOut = states.mutableSpan
        var weightsOut = weights.mutableSpan
        try gate.weigh(
            at: point, features: features.span, rows: rows.span, states: &statesOut,
            weights: &weightsOut)
        return (0..<rows.count).map { Array(weights[$0 * count..<($0 + 1) * count]) }
    }
}
