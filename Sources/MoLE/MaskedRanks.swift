// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// Where the ranks of each expert lie in what a point reads, to be left out with the expert.
struct MaskedRanks: Sendable {
    /// Of each expert, one range for each matrix on which it acts.
    private let ranges: [[Range<Int>]]

    /// The layout of ``PolicyKit/GateReading/shrunk(_:)``; no ranges for other readings.
    init(at point: GatePoint, of mixture: MixtureDescription) {
        var ranges = [[Range<Int>]](repeating: [], count: mixture.experts.count)
        if case .shrunk(let group) = point.reading {
            var start = 0
            for matrix in group.matrices {
                let place = MatrixPlace(layer: point.layer, matrix: matrix)
                for (expert, description) in mixture.experts.enumerated() {
                    let rank = description.ranks[place] ?? 0
                    ranges[expert].append(start..<start + rank)
                    start += rank
                }
            }
        }
        self.ranges = ranges
    }

    /// The features `[rows, width]` with zeros for what each row's request leaves out; `nil` where
    /// none leaves out anything.
    func cleared(_ features: Span<Float>, _ rows: Span<GateRow>) -> [Float]? {
        guard rows.indices.contains(where: { rows[$0].masked != 0 }) else { return nil }
        var cleared = features.indices.map { features[$0] }
        let width = features.count / rows.count
        for row in rows.indices where rows[row].masked != 0 {
            for (expert, ranges) in ranges.enumerated()
            where rows[row].masked >> UInt64(expert) & 1 == 1 {
                for rank in ranges.joined() { cleared[row * width + rank] = 0 }
            }
        }
        return cleared
    }
}
