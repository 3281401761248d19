// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// The softmax of LN(x) · LN(v) / √d over the highest experts, matrix by matrix.
final class VectorGate: Gate {
    let traits: GateTraits
    private let groups: [GroupVectors]
    private let softmax: ExpertSoftmax
    private let experts: Int

    init(_ points: [GatePoint], _ groups: [GroupVectors], _ softmax: ExpertSoftmax, experts: Int) {
        traits = GateTraits(points: points)
        self.groups = groups
        self.softmax = softmax
        self.experts = experts
    }

    func weigh(
        at point: Int, features: Span<Float>, rows: Span<GateRow>,
        states: inout MutableSpan<Float>, weights: inout MutableSpan<Float>
    ) throws(PolicyError) {
        let own = groups[point]
        let (width, count) = (own.vectors.inputs, own.vectors.outputs)
        guard features.count == rows.count * width else {
            throw PolicyError(
                "\(features.count) features of \(rows.count) rows, not \(width) of each")
        }
        var likeness = [Float](repeating: 0, count: count)
        for row in rows.indices {
            let input = features.extracting(row * width..<(row + 1) * width)
            let (mean, scale) = Self.normalisation(of: input)
            // LN(x) · v = (x · v - mean · Σv) · scale.
            for index in likeness.indices { likeness[index] = -mean * scale * own.sums[index] }
            var sums = likeness.mutableSpan
            own.vectors.add(input, scaledBy: scale, to: &sums, at: 0)
            for (matrix, absent) in own.absent.enumerated() {
                let first = matrix * experts
                softmax.weigh(
                    likeness.span.extracting(first..<first + experts), experts: experts,
                    masked: rows[row].masked | absent, into: &weights, at: row * count + first)
            }
        }
    }

    /// The mean of an input, and what its distance from the mean is multiplied by: one over the
    /// standard deviation and over the root of the width.
    private static func normalisation(of row: Span<Float>) -> (mean: Float, scale: Float) {
        let width = Float(row.count)
        var sum: Float = 0
        for index in row.indices { sum += row[index] }
        let mean = sum / width
        var squares: Float = 0
        for index in row.indices { squares += (row[index] - mean) * (row[index] - mean) }
        return (mean, 1 / ((squares / width + layerNormEpsilon) * width).squareRoot())
    }
}
