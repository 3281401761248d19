// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// Asks the gates of a policy about random sequences, cut and mixed in different ways.
struct GateChecks {
    let seed: UInt64
    let rounds: Int
    let sources: PolicyConformance.GateSources?
    let make: (UInt64) throws -> any GatingPolicy

    func run() -> [Violation] {
        var generator = SeededGenerator(seed: seed)
        for round in 0..<rounds {
            let mixture = RandomMixture(from: &generator)
            do {
                let sources = try self.sources?(mixture.description, mixture) ?? mixture
                let gate = try make(seed &+ UInt64(round)).gate(
                    for: mixture.description, from: sources)
                let trial = GateTrial(gate: gate, mixture: mixture.description)
                if let fault = try trial.fault(from: &generator) {
                    return [violation("sound", fault, mixture)]
                }
            } catch {
                return [violation("answers", "throws on valid input: \(error)", mixture)]
            }
        }
        return []
    }

    private func violation(
        _ rule: String, _ detail: String, _ mixture: RandomMixture
    ) -> Violation {
        let described = mixture.description
        return Violation(
            rule: rule, detail: detail, seed: seed,
            input: "  \(described.experts.count) experts, \(described.layers) layers, hidden size "
                + "\(described.hiddenSize)")
    }
}

/// A mixture of random experts, which leave out some matrices but never the queries; no files.
struct RandomMixture: MixtureSources {
    let description: MixtureDescription
    private let seed: UInt64

    init(from generator: inout SeededGenerator) {
        seed = generator.next()
        let layers = generator.integer(1...3)
        let hidden = 4 * generator.integer(1...4)
        let rank = generator.integer(1...4)
        let experts = (0..<generator.integer(1...8)).map { index in
            var ranks: [MatrixPlace: Int] = [:]
            let leftOut =
                generator.chance(oneIn: 3)
                ? ModelMatrix.allCases.dropFirst().randomElement(
                    using: &generator) : nil
            for layer in 0..<layers {
                for matrix in ModelMatrix.allCases where matrix != leftOut {
                    ranks[MatrixPlace(layer: layer, matrix: matrix)] = rank
                }
            }
            return MixtureExpert(name: "expert-\(index)", digest: "\(index)", ranks: ranks)
        }
        description = MixtureDescription(
            name: "random", layers: layers, hiddenSize: hidden, experts: experts)
    }

    func json(_ file: String) -> FileValue? { nil }
    func tensors(_ file: String) -> [String: GateTensor]? { nil }
    func tensors(_ file: String, ofExpert expert: Int) -> [String: GateTensor]? { nil }

    func factors(
        ofExpert expert: Int, at place: MatrixPlace
    ) -> (down: GateTensor, up: GateTensor, scale: Float)? {
        guard let rank = description.experts[expert].ranks[place] else { return nil }
        var generator = SeededGenerator(
            seed: seed &+ UInt64(expert * 1_000 + place.layer * 10)
                &+ UInt64(place.matrix.index))
        let hidden = description.hiddenSize
        func tensor(_ shape: [Int]) -> GateTensor {
            let count = shape.reduce(1, *)
            return GateTensor(
                shape: shape,
                values: (0..<count).map { _ in Float.random(in: -1...1, using: &generator) })
        }
        return (tensor([rank, hidden]), tensor([hidden, rank]), 2)
    }
}
