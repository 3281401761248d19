// SPDX-License-Identifier: Apache-2.0

/// Draws indexes with given weights in constant time (Walker's alias method, as Vose 1991 builds
/// it).
package struct WeightedChoice: Sendable {
    private var threshold: [Double]
    private var alias: [Int]

    /// Weights that are not positive are never drawn; where none is, all are drawn alike.
    package init(_ weights: [Double]) {
        let weights = weights.map { $0.isFinite && $0 > 0 ? $0 : 0 }
        let total = weights.reduce(0, +)
        let count = weights.count
        var scaled = weights.map { total > 0 ? $0 / total * Double(count) : 1 }
        threshold = [Double](repeating: 1, count: count)
        alias = Array(0..<count)
        var small = scaled.indices.filter { scaled[$0] < 1 }
        var large = scaled.indices.filter { scaled[$0] >= 1 }
        while let low = small.popLast(), let high = large.last {
            threshold[low] = scaled[low]
            alias[low] = high
            scaled[high] -= 1 - scaled[low]
            if scaled[high] < 1 {
                large.removeLast()
                small.append(high)
            }
        }
    }

    /// How many indexes there are.
    package var count: Int { threshold.count }

    /// One of the indexes; there is at least one.
    package func draw(_ random: inout RandomStream) -> Int {
        let index = random.index(below: threshold.count)
        return random.uniform() < threshold[index] ? index : alias[index]
    }
}
