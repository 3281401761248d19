// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import PolicyKitTesting

/// What a gate is made from, in memory.
struct GateSources: MixtureSources {
    var jsonFiles: [String: FileValue] = [:]
    var tensorFiles: [String: [String: GateTensor]] = [:]

    /// By file, for each expert.
    var expertFiles: [String: [[String: GateTensor]?]] = [:]
    var factors: [Int: [MatrixPlace: (down: GateTensor, up: GateTensor, scale: Float)]] = [:]

    /// Where factors come from that are not in ``factors``.
    var base: (any MixtureSources)?

    func json(_ file: String) -> FileValue? { jsonFiles[file] }
    func tensors(_ file: String) -> [String: GateTensor]? { tensorFiles[file] }

    func tensors(_ file: String, ofExpert expert: Int) -> [String: GateTensor]? {
        expertFiles[file]?[expert]
    }

    func factors(
        ofExpert expert: Int, at place: MatrixPlace
    ) throws(PolicyError) -> (down: GateTensor, up: GateTensor, scale: Float)? {
        if let own = factors[expert]?[place] { return own }
        return try base?.factors(ofExpert: expert, at: place)
    }
}

/// Files with random content for gates of random mixtures, by the type of the policy.
enum RandomGateFiles {
    static func sources(of type: String, seed: UInt64) -> PolicyConformance.GateSources? {
        switch type {
        case "mole-gate": { moleGate($0, $1, seed) }
        case "x-lora-gate": { xLoRAGate($0, $1, seed) }
        case "phatgoose-gate": { phatgooseGate($0, $1, seed) }
        default: nil
        }
    }

    static func tensor(_ shape: [Int], _ generator: inout SeededGenerator) -> GateTensor {
        GateTensor(
            shape: shape,
            values: (0..<shape.reduce(1, *)).map { _ in
                Float.random(in: -1...1, using: &generator)
            })
    }

    private static func moleGate(
        _ mixture: MixtureDescription, _ base: any MixtureSources, _ seed: UInt64
    ) -> any MixtureSources {
        var generator = SeededGenerator(seed: seed)
        var sources = GateSources(base: base)
        let experts = mixture.experts.map { expert in
            FileValue.object(["name": .string(expert.name), "sha256": .string(expert.digest)])
        }
        sources.jsonFiles["mole_config.json"] = .object([
            "format": .string("mole/1"), "experts": .array(experts),
        ])
        var tensors: [String: GateTensor] = [:]
        let matrix = [mixture.experts.count, mixture.hiddenSize]
        for layer in 0..<mixture.layers {
            let name = "layers.\(layer).block"
            tensors["\(name).gate.weight"] = tensor(matrix, &generator)
            tensors["\(name).pool.weight"] = tensor(matrix, &generator)
            tensors["\(name).bias"] = tensor([mixture.experts.count], &generator)
            tensors["\(name).log_tau"] = tensor([1], &generator)
        }
        sources.tensorFiles["mole_gate.safetensors"] = tensors
        return sources
    }

    private static func xLoRAGate(
        _ mixture: MixtureDescription, _ base: any MixtureSources, _ seed: UInt64
    ) -> any MixtureSources {
        var generator = SeededGenerator(seed: seed)
        var sources = GateSources(base: base)
        let places = (0..<mixture.layers).flatMap { layer in
            ModelMatrix.allCases.map { MatrixPlace(layer: layer, matrix: $0) }
        }.filter { place in mixture.experts.contains { $0.ranks[place] != nil } }
        let isLayerwise = seed.isMultiple(of: 2)
        sources.jsonFiles["adapter_config.json"] = .object([
            "peft_type": .string("XLORA"), "hidden_size": .number(Double(mixture.hiddenSize)),
            "adapters": .object(
                Dictionary(
                    uniqueKeysWithValues: mixture.experts.map { ($0.name, .string("elsewhere")) })),
            "layerwise_scalings": .boolean(isLayerwise), "xlora_depth": .number(2),
            "top_k_lora": seed.isMultiple(of: 3) ? .number(2) : .null,
        ])
        let outputs = mixture.experts.count * (isLayerwise ? places.count : 1)
        let name = "base_model.internal_xlora_classifier.layers"
        sources.tensorFiles["adapter_model.safetensors"] = [
            "\(name).0.weight": tensor([6, mixture.hiddenSize], &generator),
            "\(name).0.bias": tensor([6], &generator),
            "\(name).3.weight": tensor([outputs, 6], &generator),
            "\(name).3.bias": tensor([outputs], &generator),
        ]
        return sources
    }

    private static func phatgooseGate(
        _ mixture: MixtureDescription, _ base: any MixtureSources, _ seed: UInt64
    ) -> any MixtureSources {
        var generator = SeededGenerator(seed: seed)
        var sources = GateSources(base: base)
        sources.expertFiles["phatgoose_gate.safetensors"] = mixture.experts.map { expert in
            var tensors: [String: GateTensor] = [:]
            for layer in 0..<mixture.layers {
                for matrix in ModelMatrix.allCases {
                    let place = MatrixPlace(layer: layer, matrix: matrix)
                    guard expert.ranks[place] != nil else { continue }
                    tensors["layers.\(layer).\(matrix.rawValue).gate"] = tensor(
                        [mixture.hiddenSize], &generator)
                }
            }
            return tensors
        }
        return sources
    }
}

extension MixtureDescription {
    /// A mixture whose experts act on all matrices of every layer, or on some.
    init(
        _ names: [String], layers: Int = 1, hiddenSize: Int = 4, rank: Int = 2,
        on matrices: [ModelMatrix] = ModelMatrix.allCases
    ) {
        let ranks = (0..<layers).flatMap { layer in
            matrices.map { (MatrixPlace(layer: layer, matrix: $0), rank) }
        }
        self.init(
            name: "mixture", layers: layers, hiddenSize: hiddenSize,
            experts: names.map {
                MixtureExpert(
                    name: $0, digest: "digest of \($0)",
                    ranks: Dictionary(uniqueKeysWithValues: ranks))
            })
    }
}

extension Gate {
    /// The weights `[matrices · experts]` of each row of one sequence, at one point.
    func weights(
        at point: Int = 0, features: [[Float]], masked: UInt64 = 0, experts: Int
    ) throws -> [[Float]] {
        let count = traits.points[point].matrices * experts
        let rows = features.indices.map { row in
            GateRow(
                token: 0, position: Int32(row), promptTokens: 1, ordinal: Int32(row + 1),
                masked: masked)
        }
        let flat = Array(features.joined())
        var states = [Float](repeating: 0, count: rows.count * traits.stateFloats)
        var weights = [Float](repeating: .nan, count: rows.count * count)
        var statesOut = states.mutableSpan
        var weightsOut = weights.mutableSpan
        try weigh(
            at: point, features: flat.span, rows: rows.span, states: &statesOut,
            weights: &weightsOut)
        return rows.indices.map { Array(weights[$0 * count..<($0 + 1) * count]) }
    }
}

/// Whether all numbers are within 1e-6 of those expected.
func areClose(_ found: [Float], _ expected: [Double], within tolerance: Double = 1e-6) -> Bool {
    found.count == expected.count
        && zip(found, expected).allSatisfy { abs(Double($0) - $1) <= tolerance }
}
