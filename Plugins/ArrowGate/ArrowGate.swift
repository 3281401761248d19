// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([ArrowGate.self])
}

/// Weighs experts without any training (Arrow: Ostapenko et al., ICML 2024): at every matrix, by how
/// much of a token's input lies in the direction that an expert changes most.
final class ArrowGate: GatingPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "arrow-gate", version: "1.0.0",
            summary: "Weighs the experts of a mixture by the directions that they change most, "
                + "without training, as Arrow does.")
    }

    private let softmax: ExpertSoftmax

    init(parameters: Parameters, seed: UInt64) throws(PolicyError) {
        softmax = ExpertSoftmax(
            temperature: Float(parameters.temperature), mostExperts: parameters.topK)
    }

    func gate(
        for mixture: MixtureDescription, from sources: any MixtureSources
    ) throws(PolicyError) -> any Gate {
        var points: [GatePoint] = []
        var prototypes: [Prototypes] = []
        for layer in 0..<mixture.layers {
            for group in MatrixGroup.allCases {
                guard let own = try Prototypes(at: layer, group, of: mixture, from: sources)
                else { continue }
                points.append(GatePoint(.input(group), layer: layer, isPerMatrix: true))
                prototypes.append(own)
            }
        }
        return DirectionGate(
            points, prototypes, softmax, experts: mixture.experts.count)
    }
}

/// The directions of all experts for the matrices of a group.
private struct Prototypes {
    /// `[matrices · experts, inputs]`, zeros where an expert does not act.
    let directions: GateProjection

    /// For each matrix the experts that do not act on it, the lowest bit for the first.
    let absent: [UInt64]

    /// `nil` where no expert acts on any matrix of the group.
    init?(
        at layer: Int, _ group: MatrixGroup, of mixture: MixtureDescription,
        from sources: any MixtureSources
    ) throws(PolicyError) {
        var rows: [[Float]?] = []
        var absent: [UInt64] = []
        for matrix in group.matrices {
            let place = MatrixPlace(layer: layer, matrix: matrix)
            var missing: UInt64 = 0
            for expert in mixture.experts.indices {
                guard let factors = try sources.factors(ofExpert: expert, at: place) else {
                    rows.append(nil)
                    missing |= 1 << UInt64(expert)
                    continue
                }
                rows.append(try topDirection(down: factors.down, up: factors.up))
            }
            absent.append(missing)
        }
        guard let inputs = rows.lazy.compactMap({ $0?.count }).first else { return nil }
        let values = rows.flatMap { $0 ?? Array(repeating: 0, count: inputs) }
        guard values.count == rows.count * inputs else {
            throw PolicyError("the experts read inputs of different sizes at layer \(layer)")
        }
        directions = try GateProjection(
            GateTensor(shape: [rows.count, inputs], values: values))
        self.absent = absent
    }
}

private final class DirectionGate: Gate {
    let traits: GateTraits
    private let prototypes: [Prototypes]
    private let softmax: ExpertSoftmax
    private let experts: Int

    init(
        _ points: [GatePoint], _ prototypes: [Prototypes], _ softmax: ExpertSoftmax, experts: Int
    ) {
        traits = GateTraits(points: points)
        self.prototypes = prototypes
        self.softmax = softmax
        self.experts = experts
    }

    func weigh(
        at point: Int, features: Span<Float>, rows: Span<GateRow>,
        states: inout MutableSpan<Float>, weights: inout MutableSpan<Float>
    ) throws(PolicyError) {
        let own = prototypes[point]
        let (width, count) = (own.directions.inputs, own.directions.outputs)
        guard features.count == rows.count * width else {
            throw PolicyError(
                "\(features.count) features of \(rows.count) rows, not \(width) of each")
        }
        var likeness = [Float](repeating: 0, count: count)
        for row in rows.indices {
            for index in likeness.indices { likeness[index] = 0 }
            var sums = likeness.mutableSpan
            own.directions.add(
                features.extracting(row * width..<(row + 1) * width), scaledBy: 1, to: &sums, at: 0)
            // A singular vector has no sign.
            for index in likeness.indices { likeness[index] = abs(likeness[index]) }
            for (matrix, absent) in own.absent.enumerated() {
                let first = matrix * experts
                softmax.weigh(
                    likeness.span.extracting(first..<first + experts), experts: experts,
                    masked: rows[row].masked | absent, into: &weights, at: row * count + first)
            }
        }
    }
}
