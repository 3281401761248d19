// SPDX-License-Identifier: Apache-2.0

import ModelLoading
import TestSupport
import Testing

@testable import Composition

/// Which elements stay, against plain loops.
struct PruningTests {
    private static let site = AdapterSite(layer: 1, linear: .up)

    /// By sorting; of equal magnitudes the first stays.
    private func largest(_ count: Int, of values: [Double]) -> [Double] {
        let order = values.indices.sorted {
            (-abs(values[$0]), $0) < (-abs(values[$1]), $1)
        }
        let kept = Set(order.prefix(count))
        return values.indices.map { kept.contains($0) ? values[$0] : 0 }
    }

    @Test(arguments: 0..<20)
    func theLargestStay(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let count = 1 + random.below(300)
        // Small integers, so that many magnitudes are equal, and some that need all bits.
        let values = (0..<count).map { _ in
            random.chance(70)
                ? Double(random.below(9)) - 4 : Double.random(in: -4...4, using: &random)
        }
        for kept in [0, 1, count / 3, count - 1, count] {
            var matrix = Matrix(rows: 1, columns: count, values: values)
            Pruning.keepLargest(kept, in: &matrix)
            #expect(matrix.values == largest(kept, of: values), "seed \(seed), \(kept) of \(count)")
        }
    }

    @Test func theDensityIsRoundedDown() {
        var matrix = Matrix(rows: 2, columns: 5, values: (1...10).map(Double.init))
        Pruning.magnitude(density: 0.39).apply(to: &matrix, source: 0, site: Self.site)
        #expect(matrix.values == [0, 0, 0, 0, 0, 0, 0, 8, 9, 10])
    }

    @Test func chanceKeepsItsShareAndTheMean() {
        let count = 40_000
        var matrix = Matrix(rows: 200, columns: 200, values: Array(repeating: 1, count: count))
        Pruning.random(density: 0.3, seed: 5).apply(to: &matrix, source: 0, site: Self.site)
        #expect(Set(matrix.values) == [0, 1 / 0.3])
        // Six standard deviations of the mean of so many.
        let mean = matrix.values.reduce(0, +) / Double(count)
        #expect(abs(mean - 1) < 6 * (0.7 / 0.3 / Double(count)).squareRoot())
    }

    @Test func eachAdapterSiteAndSeedHasItsOwnChoice() {
        func kept(_ source: Int, _ site: AdapterSite, _ seed: UInt64) -> [Double] {
            var matrix = Matrix(rows: 8, columns: 8, values: Array(repeating: 1, count: 64))
            Pruning.random(density: 0.5, seed: seed).apply(to: &matrix, source: source, site: site)
            return matrix.values
        }
        let first = kept(0, Self.site, 1)
        #expect(first == kept(0, Self.site, 1))
        #expect(first != kept(1, Self.site, 1))
        #expect(first != kept(0, Self.site, 2))
        #expect(first != kept(0, AdapterSite(layer: 2, linear: .up), 1))
        #expect(first != kept(0, AdapterSite(layer: 1, linear: .gate), 1))
    }
}
