// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// The squared length of all experts' outputs one behind the other (Eq. 9 of MoLE), from their
/// ranks alone: with z the ranks of an expert, scaled, its output is B z, and its square zᵀ(BᵀB)z.
struct OutputNorm: Sendable {
    /// `BᵀB` of each matrix and in each of every expert that acts there, as the ranks lie.
    private let products: [GateProjection]
    let inputs: Int
    let largestRank: Int

    /// - Throws: ``PolicyKit/PolicyError`` where an expert's factors cannot be read.
    init(
        at point: GatePoint, of mixture: MixtureDescription, from sources: any MixtureSources
    ) throws(PolicyError) {
        var products: [GateProjection] = []
        guard case .shrunk(let group) = point.reading else {
            throw PolicyError("only ranks have the norm of the outputs")
        }
        for matrix in group.matrices {
            let place = MatrixPlace(layer: point.layer, matrix: matrix)
            for (index, expert) in mixture.experts.enumerated() where expert.ranks[place] != nil {
                guard let factors = try sources.factors(ofExpert: index, at: place) else {
                    throw PolicyError(
                        "expert '\(expert.name)' has no factors at layer \(place.layer), "
                            + "\(place.matrix.rawValue)")
                }
                products.append(try GateProjection(Self.square(of: factors.up)))
            }
        }
        self.products = products
        inputs = products.reduce(0) { $0 + $1.inputs }
        largestRank = products.map(\.inputs).max() ?? 0
    }

    /// `BᵀB` of B `[outputs, rank]`.
    private static func square(of up: GateTensor) throws(PolicyError) -> GateTensor {
        guard up.shape.count == 2 else {
            throw PolicyError("a factor has the shape \(up.shape), not [outputs, rank]")
        }
        let rank = up.shape[1]
        var sums = [Double](repeating: 0, count: rank * rank)
        for output in 0..<up.shape[0] {
            for row in 0..<rank {
                let left = Double(up.values[output * rank + row])
                for column in 0..<rank {
                    sums[row * rank + column] += left * Double(up.values[output * rank + column])
                }
            }
        }
        return GateTensor(shape: [rank, rank], values: sums.map { Float($0) })
    }

    /// Of the ranks `[inputs]` of one token; `scratch` has ``largestRank`` values at least.
    func square(of ranks: Span<Float>, scratch: inout MutableSpan<Float>) -> Float {
        var (sum, start) = (Float(0), 0)
        for product in products {
            let own = ranks.extracting(start..<start + product.inputs)
            for index in own.indices { scratch[index] = 0 }
            product.add(own, scaledBy: 1, to: &scratch, at: 0)
            for index in own.indices { sum += scratch[index] * own[index] }
            start += product.inputs
        }
        // Rounding may leave a square just below zero.
        return max(0, sum)
    }
}
