// SPDX-License-Identifier: Apache-2.0

import Foundation
import PolicyKit
import PolicyKitTesting
import Testing

@testable import PluginLoading

struct ArrowGateTests {
    private let policies: BuiltPolicies

    init() throws { policies = try BuiltPolicies() }

    /// One expert for each direction: its product lengthens that most, another one less.
    private func sources(_ directions: [[Float]], at place: MatrixPlace) -> GateSources {
        var sources = GateSources()
        for (expert, direction) in directions.enumerated() {
            let length = direction.reduce(0) { $0 + $1 * $1 }.squareRoot()
            let unit = direction.map { $0 / length }
            // The second rank, at right angles in the output, is four times weaker.
            let other: [Float] = [unit[1], -unit[0], 0]
            sources.factors[expert] = [
                place: (
                    GateTensor(shape: [2, 3], values: unit.map { 3 * $0 } + other),
                    GateTensor(shape: [2, 2], values: [4, 0, 0, 1]), 2
                )
            ]
        }
        return sources
    }

    private func mixture(_ names: [String], on matrices: [ModelMatrix]) -> MixtureDescription {
        MixtureDescription(names, hiddenSize: 3, on: matrices)
    }

    private static func softmax(_ values: [Double]) -> [Double] {
        let powers = values.map { exp($0) }
        return powers.map { $0 / powers.reduce(0, +) }
    }

    /// The first right singular vectors are (1, 0, 0), (0, 1, 0) and (0.6, 0.8, 0); the likenesses of
    /// (1, -2, 5) are 1, 2 and 1.
    @Test func theLikenessIsThatToTheFirstSingularVector() throws {
        let place = MatrixPlace(layer: 0, matrix: .down)
        let gate = try policies.gating("arrow-gate").gate(
            for: mixture(["a", "b", "c"], on: [.down]),
            from: sources([[1, 0, 0], [0, -1, 0], [3, 4, 0]], at: place))
        #expect(
            gate.traits.points
                == [GatePoint(.input(.feedForwardOutput), layer: 0, isPerMatrix: true)])
        let weights = try gate.weights(features: [[1, -2, 5]], experts: 3)[0]
        #expect(areClose(weights, Self.softmax([1, 2, 1])), "\(weights)")
        let masked = try gate.weights(features: [[1, -2, 5]], masked: 0b010, experts: 3)[0]
        #expect(areClose(masked, [0.5, 0, 0.5]), "\(masked)")
    }

    @Test func onlyTheMostAlikeWeighAndTheTemperatureFlattens() throws {
        let place = MatrixPlace(layer: 0, matrix: .o)
        let sources = sources([[1, 0, 0], [0, 1, 0], [3, 4, 0]], at: place)
        let mixture = mixture(["a", "b", "c"], on: [.o])
        func weights(_ values: [String: ParameterValue]) throws -> [Float] {
            try policies.gating("arrow-gate", values).gate(for: mixture, from: sources)
                .weights(features: [[1, -2, 5]], experts: 3)[0]
        }
        #expect(try weights(["topK": .integer(1)]) == [0, 1, 0])
        // Of equal ones the first.
        let two = try weights(["topK": .integer(2), "temperature": .number(2)])
        #expect(areClose(two, Self.softmax([0.5, 1]) + [0]), "\(two)")
    }

    /// Against the eigenvector that many steps of the plain iteration on ΔWᵀΔW find.
    @Test(arguments: [1, 2, 3] as [UInt64])
    func randomFactorsHaveTheDirectionOfTheirProduct(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let (rank, inputs, outputs) = (3, 7, 5)
        let down = RandomGateFiles.tensor([rank, inputs], &generator)
        let up = RandomGateFiles.tensor([outputs, rank], &generator)
        var sources = GateSources()
        let place = MatrixPlace(layer: 0, matrix: .o)
        sources.factors[0] = [place: (down, up, 1)]
        sources.factors[1] = [
            place: (
                down,
                GateTensor(
                    shape: [outputs, rank], values: Array(repeating: 0, count: outputs * rank)), 1
            )
        ]
        let gate = try policies.gating("arrow-gate").gate(
            for: mixture(["a", "none"], on: [.o]), from: sources)
        var vector = (0..<inputs).map { 1 + 0.1 * Double($0) }
        for _ in 0..<2_000 {
            let inner = (0..<rank).map { row in
                (0..<inputs).reduce(0) { $0 + Double(down.values[row * inputs + $1]) * vector[$1] }
            }
            let output = (0..<outputs).map { row in
                (0..<rank).reduce(0) { $0 + Double(up.values[row * rank + $1]) * inner[$1] }
            }
            let back = (0..<rank).map { row in
                (0..<outputs).reduce(0) { $0 + Double(up.values[$1 * rank + row]) * output[$1] }
            }
            let next = (0..<inputs).map { input in
                (0..<rank).reduce(0) { $0 + Double(down.values[$1 * inputs + input]) * back[$1] }
            }
            let length = next.reduce(0) { $0 + $1 * $1 }.squareRoot()
            vector = next.map { $0 / length }
        }
        // Of a unit input the likeness to `a` is |v_i|, that to the expert of nothing 0.
        for input in 0..<inputs {
            let unit = (0..<inputs).map { Float($0 == input ? 1 : 0) }
            let weights = try gate.weights(features: [unit], experts: 2)[0]
            #expect(areClose(weights, Self.softmax([abs(vector[input]), 0]), within: 1e-5))
        }
    }

    @Test func anExpertThatDoesNotActAtAMatrixHasNoWeightThere() throws {
        var mixture = mixture(["a", "b"], on: [.q, .k])
        mixture.experts[1].ranks = [MatrixPlace(layer: 0, matrix: .k): 2]
        var sources = sources([[1, 0, 0]], at: MatrixPlace(layer: 0, matrix: .q))
        let k = MatrixPlace(layer: 0, matrix: .k)
        for (expert, factors) in self.sources([[1, 0, 0], [0, 1, 0]], at: k).factors {
            sources.factors[expert, default: [:]].merge(factors) { $1 }
        }
        let gate = try policies.gating("arrow-gate").gate(for: mixture, from: sources)
        #expect(gate.traits.points.count == 1)
        let weights = try gate.weights(features: [[1, 2, 0]], experts: 2)[0]
        #expect(areClose(weights, [1, 0] + Self.softmax([1, 2]) + [0, 0]), "\(weights)")
    }
}
