// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Workloads

struct DistributionTests {
    @Test func nothingHasNoDistribution() {
        #expect(Distribution([]) == nil)
        #expect(Estimate([]) == nil)
    }

    static let tables: [([Double], [Double])] = [
        ([7.0], [7.0, 7, 7, 7, 7]),
        ([2.0, 1], [1.5, 1, 2, 2, 2]),
        (Array(stride(from: 10.0, through: 1, by: -1)), [5.5, 5, 9, 10, 10]),
        ((1...100).map(Double.init), [50.5, 50, 90, 99, 100]),
        ((1...101).map(Double.init), [51, 51, 91, 100, 101]),
    ]

    @Test(arguments: tables)
    func quantilesAreThoseOfTheNearestRank(_ values: [Double], _ expected: [Double]) throws {
        let found = try #require(Distribution(values))
        #expect([found.mean, found.p50, found.p90, found.p99, found.max] == expected)
        #expect(found.count == values.count)
    }

    /// The definition word for word: the smallest value that enough of all do not exceed.
    @Test func quantilesAreThoseOfTheDefinition() {
        var random = SeededRandom(seed: 4)
        for _ in 0..<300 {
            let count = 1 + random.below(40)
            let sorted = (0..<count).map { _ in Double(random.below(12)) }.sorted()
            let part = random.below(201)
            let defined = sorted.first { value in
                sorted.count { $0 <= value } * 200 >= part * count
            }
            #expect(
                Distribution.quantile(part, of: sorted, whole: 200) == defined,
                "\(part)/200 of \(sorted)")
        }
    }

    /// By hand: 1, 2, 3, 4 have mean 2.5 and standard deviation 1.29099; 3.182 times that over 2.
    @Test func theIntervalIsStudents() throws {
        let estimate = try #require(Estimate([1, 2, 3, 4]))
        #expect(estimate.mean == 2.5)
        #expect(near(estimate.halfWidth, 2.054, within: 1e-3))
        #expect(Estimate([5, 5, 5])?.halfWidth == 0)
        #expect(Estimate([5])?.halfWidth == nil)
    }

    /// Values of printed tables.
    @Test(arguments: [(1, 12.706), (9, 2.262), (30, 2.042), (40, 2.021), (120, 1.980)])
    func studentsQuantileIsThatOfTables(_ freedom: Int, _ expected: Double) {
        #expect(abs(Estimate.student(freedom: freedom) - expected) < 0.001)
    }
}
