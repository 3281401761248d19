// SPDX-License-Identifier: Apache-2.0

import Foundation
import PolicyKit
import PolicyKitTesting
import Testing

/// The tools that PolicyKit has for gates.
struct GateArithmeticTests {
    private func weights(
        _ softmax: ExpertSoftmax, _ logits: [Float], experts: Int, masked: UInt64 = 0
    ) -> [Float] {
        var weights = [Float](repeating: .nan, count: experts)
        var span = weights.mutableSpan
        softmax.weigh(logits.span, experts: experts, masked: masked, into: &span, at: 0)
        return weights
    }

    private static func softmax(_ logits: [Double]) -> [Double] {
        let powers = logits.map { exp($0) }
        return powers.map { $0 / powers.reduce(0, +) }
    }

    @Test(
        arguments: [
            (ExpertSoftmax(), [0, 0, 0, 0], 0, [0.25, 0.25, 0.25, 0.25]),
            (ExpertSoftmax(), [1, 2, 3, 4], 0, softmax([1, 2, 3, 4])),
            (ExpertSoftmax(temperature: 2), [1, 2, 3, 4], 0, softmax([0.5, 1, 1.5, 2])),
            (
                ExpertSoftmax(logTemperature: Float(log(2.0))), [1, 2, 3, 4], 0,
                softmax([0.5, 1, 1.5, 2])
            ),
            (ExpertSoftmax(), [1, 2, 3, 4], 0b1001, [0] + softmax([2, 3]) + [0]),
            (ExpertSoftmax(mostExperts: 2), [4, 1, 3, 4], 0, [0.5, 0, 0, 0.5]),
            (ExpertSoftmax(mostExperts: 2), [4, 1, 3, 4], 0b0001, [0, 0] + softmax([3, 4])),
            (ExpertSoftmax(mostExperts: 2), [1, 1, 1, 1], 0, [0.5, 0.5, 0, 0]),
            (ExpertSoftmax(), [1e30, 0, -1e30, 0], 0, [1, 0, 0, 0]),
            (ExpertSoftmax(), [-1e4, 0, -2e4, 0], 0b1010, [1, 0, 0, 0]),
            (ExpertSoftmax(), [1, 2, 3, 4], 0b1111, [0, 0, 0, 0]),
        ] as [(ExpertSoftmax, [Float], UInt64, [Double])])
    func softmaxOfExperts(
        softmax: ExpertSoftmax, logits: [Float], masked: UInt64, expected: [Double]
    ) {
        let found = weights(softmax, logits, experts: 4, masked: masked)
        #expect(areClose(found, expected, within: 1e-7), "\(found)")
    }

    @Test(arguments: [0, 0b001, 0b110] as [UInt64], [1, 2, 3])
    func theExpertOfNothingKeepsItsShare(masked: UInt64, most: Int) {
        let whole = Self.softmax([0.3, -1, 2, 1])
        let found = weights(
            ExpertSoftmax(mostExperts: most), [0.3, -1, 2, 1], experts: 3, masked: masked)
        let sum = Double(found.reduce(0, +))
        #expect(abs(sum + whole[3] - 1) <= 1e-6)
    }

    @Test func sixtyFourExpertsHaveWeights() {
        let found = weights(ExpertSoftmax(), Array(repeating: 7, count: 64), experts: 64)
        #expect(found.allSatisfy { $0 == 1 / 64 })
        let one = weights(
            ExpertSoftmax(), Array(repeating: 7, count: 64), experts: 64, masked: .max >> 1)
        #expect(one == Array(repeating: 0, count: 63) + [1])
    }

    @Test func logitsThatAreNoNumbersGiveWeightsThatAreNone() {
        let found = weights(ExpertSoftmax(mostExperts: 2), [.nan, 1, 2], experts: 3)
        #expect(found.contains { !$0.isFinite })
    }

    @Test(arguments: 1...20, [1, 3, 8, 9, 24])
    func aProjectionIsAMatrixProduct(inputs: Int, outputs: Int) throws {
        var generator = SeededGenerator(seed: UInt64(inputs * 100 + outputs))
        let weight = RandomGateFiles.tensor([outputs, inputs], &generator)
        let row = RandomGateFiles.tensor([inputs], &generator).values
        var sums = [Float](repeating: 1, count: outputs + 2)
        var span = sums.mutableSpan
        try GateProjection(weight).add(row.span, scaledBy: 2, to: &span, at: 1)
        #expect([sums[0], sums[outputs + 1]] == [1, 1])
        for output in 0..<outputs {
            let product = (0..<inputs).reduce(0.0) {
                $0 + Double(weight.values[output * inputs + $1]) * Double(row[$1])
            }
            let expected = 1 + 2 * product
            #expect(abs(Double(sums[output + 1]) - expected) <= 1e-5)
        }
    }

    @Test(arguments: [[], [3], [0, 4], [2, 0], [2, 2, 2]])
    func onlyAMatrixIsAProjection(shape: [Int]) {
        let tensor = GateTensor(
            shape: shape, values: Array(repeating: 0, count: shape.reduce(1, *)))
        #expect(throws: PolicyError.self) { try GateProjection(tensor) }
    }

    @Test func setsOfWeightsLieWhereTheyAreLookedFor() {
        let place = MatrixPlace(layer: 2, matrix: .up)
        #expect(GatePoint(.blockInput, layer: 2).set(of: place) == 0)
        #expect(GatePoint(.input(.feedForwardInput), layer: 2).set(of: place) == 0)
        let own = GatePoint(.input(.feedForwardInput), layer: 2, isPerMatrix: true)
        #expect(own.set(of: place) == 1)
        #expect(own.matrices == 2)
        let all = GatePoint(.finalHidden, coveringLayers: 4)
        #expect(all.set(of: place) == 19)
        #expect(all.matrices == 28)
        #expect(ModelMatrix.allCases.map(\.index) == Array(0..<7))
    }
}
