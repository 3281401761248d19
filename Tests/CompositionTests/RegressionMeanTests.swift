// SPDX-License-Identifier: Apache-2.0

import ModelLoading
import TestSupport
import Testing

@testable import Composition

/// The fusion by what adapters do on inputs of their own, with inputs that are made up.
struct RegressionMeanTests {
    private static let site = AdapterSite(layer: 0, linear: .q)
    private static let size = 18

    private func inputs(_ matrices: [Matrix], correlationShare: Double) -> LinearInputs {
        LinearInputs(
            matrices.map { [LinearInputs.Place(Self.site): $0] },
            correlationShare: correlationShare)
    }

    private func updates(_ adapters: [WeightedAdapter]) throws -> SiteUpdates {
        try SiteUpdates(Self.site, of: adapters, for: OddModel.configuration)
    }

    private func adapters(_ weights: [Double]) throws -> [WeightedAdapter] {
        try weights.enumerated().map { index, weight in
            WeightedAdapter(
                try OddModel.adapter("\(index)", rank: 2 + index, seed: UInt64(index + 1)),
                weight: weight)
        }
    }

    @Test(arguments: [0, 0.9, 1], [1, 3, 40])
    func oneAdapterStaysAsItIs(share: Double, tokens: Int) throws {
        var random = SeededRandom(seed: 1)
        // An input that is never anything but zero must not matter.
        let x = random.matrix(tokens, Self.size)
            .columnsScaled(by: [0] + Array(repeating: 1, count: Self.size - 1))
        let adapter = try adapters([1])
        let found = try inputs([x], correlationShare: share).nearestUpdate(to: updates(adapter))
        let wanted = try adapter[0].adapter.update(at: Self.site, for: OddModel.configuration)
        #expect(found.dense.distance(to: wanted) <= 1e-8 * wanted.norm)
        #expect(found.depth == 2)
    }

    @Test func noOtherUpdateIsNearerToTheAdaptersOutputs() throws {
        var random = SeededRandom(seed: 2)
        let x = [random.matrix(50, Self.size), random.matrix(30, Self.size)]
        let adapters = try adapters([1, 0.5])
        let found = try inputs(x, correlationShare: 1).nearestUpdate(to: updates(adapters)).dense
        func cost(_ update: Matrix) throws -> Double {
            try zip(adapters, x).reduce(0) { sum, pair in
                var difference = try pair.0.adapter.update(
                    at: Self.site, for: OddModel.configuration
                ).scaled(by: pair.0.weight)
                difference.add(update, times: -1)
                let norm = difference.times(pair.1.transposed).norm
                return sum + norm * norm
            }
        }
        let least = try cost(found)
        for _ in 0..<20 {
            var other = found
            other.add(random.matrix(Self.size, Self.size), times: 1e-3)
            #expect(try cost(other) > least)
        }
    }

    /// Tasks whose inputs have nothing in common do not disturb each other, as sums do.
    @Test func adaptersWithInputsOfTheirOwnKeepTheirOutputs() throws {
        var random = SeededRandom(seed: 3)
        let half = Self.size / 2
        let (ones, zeros) = (Array(repeating: 1.0, count: half), Array(repeating: 0.0, count: half))
        let x = [
            random.matrix(40, Self.size).columnsScaled(by: ones + zeros),
            random.matrix(40, Self.size).columnsScaled(by: zeros + ones),
        ]
        let adapters = try adapters([1, 1])
        let found = try inputs(x, correlationShare: 0.9).nearestUpdate(to: updates(adapters)).dense
        for (adapter, x) in zip(adapters, x) {
            let own = try adapter.adapter.update(at: Self.site, for: OddModel.configuration)
                .times(x.transposed)
            #expect(found.times(x.transposed).distance(to: own) <= 1e-4 * own.norm)
        }
    }

    @Test func withoutCorrelationsEachInputIsWeighedByItself() throws {
        var random = SeededRandom(seed: 4)
        let x = [random.matrix(8, Self.size), random.matrix(5, Self.size)]
        let adapters = try adapters([1, 1])
        let found = try inputs(x, correlationShare: 0).nearestUpdate(to: updates(adapters)).dense
        let squares = x.map { x in
            (0..<Self.size).map { column in
                (0..<x.rows).reduce(0) { $0 + x[$1, column] * x[$1, column] }
            }
        }
        let total = zip(squares[0], squares[1]).map { $0 + $1 }
        var wanted = Matrix(zeros: Self.size, Self.size)
        for (adapter, squares) in zip(adapters, squares) {
            wanted.add(
                try adapter.adapter.update(at: Self.site, for: OddModel.configuration)
                    .columnsScaled(by: zip(squares, total).map { $0 / $1 }))
        }
        #expect(found.distance(to: wanted) <= 1e-4 * wanted.norm)
    }

    @Test func aLayerWithoutInputsIsTold() throws {
        let none = LinearInputs([[:]], correlationShare: 0.9)
        let error = #expect(throws: CompositionError.self) {
            try none.nearestUpdate(to: updates(adapters([1])))
        }
        #expect(error?.code == .invalidExamples && error?.place == Self.site.moduleName)
    }
}
