// SPDX-License-Identifier: Apache-2.0

import ModelLoading
import TestSupport
import Testing

@testable import Composition

/// Each method's update of each layer, against plain loops over whole matrices.
struct MethodTests {
    static let fullRank = 18

    private func adapters() throws -> [WeightedAdapter] {
        [
            WeightedAdapter(try OddModel.adapter("one", rank: 3, seed: 1), weight: 0.75),
            WeightedAdapter(
                try OddModel.adapter("two", rank: 5, scale: 0.5, seed: 2), weight: -1.25),
            // Does not act everywhere.
            WeightedAdapter(
                try OddModel.adapter("three", rank: 2, seed: 3, sites: [OddModel.sites[1]]),
                weight: 2),
        ]
    }

    /// Composes with all ranks there are, and compares with `expected`, within the rounding of f32.
    private func check(
        _ method: CompositionMethod, _ adapters: [WeightedAdapter], seed: UInt64 = 0,
        expected: ([(source: Int, weight: Double, update: Matrix)], AdapterSite) -> Matrix
    ) throws {
        var composition = try AdapterComposition(adapters, by: method, for: OddModel.configuration)
        composition.rank = Self.fullRank
        composition.seed = seed
        let composed = try composition.run(name: "all")
        #expect(Set(composed.adapter.sites.keys) == Set(OddModel.sites))
        for site in OddModel.sites {
            var updates: [(source: Int, weight: Double, update: Matrix)] = []
            for (source, adapter) in adapters.enumerated()
            where adapter.adapter.sites[site] != nil {
                updates.append(
                    (
                        source, adapter.weight,
                        try adapter.adapter.update(at: site, for: OddModel.configuration)
                    ))
            }
            let wanted = expected(updates, site)
            let found = try composed.adapter.update(at: site, for: OddModel.configuration)
            #expect(found.distance(to: wanted) <= 1e-6 * wanted.norm, "\(method.name) \(site)")
        }
        #expect(composed.report.sites.allSatisfy { $0.relativeError < 1e-6 })
    }

    private func sum(_ updates: [(source: Int, weight: Double, update: Matrix)]) -> Matrix {
        var sum = Matrix(zeros: updates[0].update.rows, updates[0].update.columns)
        for update in updates { sum.add(update.update, times: update.weight) }
        return sum
    }

    private func trimmed(_ matrix: Matrix, _ density: Double) -> Matrix {
        let kept = Int(density * Double(matrix.values.count))
        let sorted = matrix.values.map { abs($0) }.sorted(by: >)
        guard kept > 0 else { return Matrix(zeros: matrix.rows, matrix.columns) }
        // Random values are never equal, so the threshold tells them apart.
        let least = sorted[kept - 1]
        return Matrix(
            rows: matrix.rows, columns: matrix.columns,
            values: matrix.values.map { abs($0) >= least ? $0 : 0 })
    }

    private func elected(
        _ updates: [(source: Int, weight: Double, update: Matrix)]
    ) -> Matrix {
        var result = sum(updates)
        result.update { index, value in
            let agreeing = updates.map { $0.weight * $0.update.values[index] }
                .filter { $0 != 0 && ($0 > 0) == (value > 0) }
            value =
                value == 0 || agreeing.isEmpty
                ? 0 : agreeing.reduce(0, +) / Double(agreeing.count)
        }
        return result
    }

    @Test(arguments: [CompositionMethod.concatenate, .svd])
    func sumsAreExact(method: CompositionMethod) throws {
        try check(method, adapters()) { updates, _ in sum(updates) }
    }

    @Test(arguments: [1, 0.6, 0.2])
    func magnitudesArePrunedBeforeTheSum(density: Double) throws {
        try check(.magnitudePrune(density: density), adapters()) { updates, _ in
            sum(updates.map { ($0.source, $0.weight, trimmed($0.update, density)) })
        }
    }

    @Test(arguments: [1, 0.6, 0.2])
    func signsAreElectedWithTheWeights(density: Double) throws {
        try check(.ties(density: density), adapters()) { updates, _ in
            elected(updates.map { ($0.source, $0.weight, trimmed($0.update, density)) })
        }
    }

    /// The choice is the code's own, seen through an update of ones.
    private func chosen(
        _ updates: [(source: Int, weight: Double, update: Matrix)], _ site: AdapterSite,
        density: Double, seed: UInt64
    ) -> [(source: Int, weight: Double, update: Matrix)] {
        updates.map { source, weight, update in
            var mask = Matrix(
                rows: update.rows, columns: update.columns,
                values: Array(repeating: 1, count: update.values.count))
            Pruning.random(density: density, seed: seed).apply(
                to: &mask, source: source, site: site)
            var kept = update
            kept.update { index, value in value *= mask.values[index] }
            return (source, weight, kept)
        }
    }

    @Test(arguments: [1, 0.5], [UInt64(1), 77])
    func chosenElementsAreScaledUp(density: Double, seed: UInt64) throws {
        try check(.dare(density: density), adapters(), seed: seed) { updates, site in
            sum(chosen(updates, site, density: density, seed: seed))
        }
        try check(.dareTies(density: density), adapters(), seed: seed) { updates, site in
            elected(chosen(updates, site, density: density, seed: seed))
        }
    }

    @Test func theSeedDecidesWhatIsChosen() throws {
        func composed(_ seed: UInt64) throws -> Matrix {
            var composition = try AdapterComposition(
                adapters(), by: .dare(density: 0.5), for: OddModel.configuration)
            composition.seed = seed
            return try composition.run(name: "all").adapter.update(
                at: OddModel.sites[0], for: OddModel.configuration)
        }
        #expect(try composed(1) == composed(1))
        #expect(try composed(1) != composed(2))
    }

    @Test func addingFactorsMakesProductsOfPairs() throws {
        let two = [
            WeightedAdapter(try OddModel.adapter("one", rank: 3, seed: 1), weight: 0.75),
            WeightedAdapter(try OddModel.adapter("two", rank: 3, seed: 2), weight: 0.5),
        ]
        let composed = try AdapterComposition(two, by: .factorwise, for: OddModel.configuration)
            .run(name: "all")
        let site = OddModel.sites[0]
        func factors(_ index: Int) throws -> (a: Matrix, b: Matrix) {
            let factors = try #require(two[index].adapter.sites[site])
            let model = OddModel.configuration
            return (
                Matrix(
                    rows: 3, columns: model.inputSize(of: .q), floats: try factors.a.floats()),
                Matrix(
                    rows: model.outputSize(of: .q), columns: 3, floats: try factors.b.floats())
            )
        }
        let (first, second) = (try factors(0), try factors(1))
        var a = first.a.scaled(by: 0.75)
        a.add(second.a, times: 0.5)
        var b = first.b.scaled(by: 0.75)
        b.add(second.b, times: 0.5)
        let wanted = b.times(a).scaled(by: 1.75)
        let found = try composed.adapter.update(at: site, for: OddModel.configuration)
        #expect(found.distance(to: wanted) <= 1e-6 * wanted.norm)
        #expect(composed.adapter.maximumRank == 3)
    }

    @Test func addingFactorsNeedsOneRank() throws {
        let error = #expect(throws: CompositionError.self) {
            try AdapterComposition(adapters(), by: .factorwise, for: OddModel.configuration)
                .run(name: "all")
        }
        #expect(error?.code == .incompatible && error?.place == OddModel.sites[0].moduleName)
    }
}
