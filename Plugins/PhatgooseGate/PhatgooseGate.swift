// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([PhatgooseGate.self])
}

/// Weighs experts by vectors that each was trained with by itself (PHATGOOSE: Muqeeth et al., ICML
/// 2024), so that experts join and leave a mixture without any training of the whole.
final class PhatgooseGate: GatingPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "phatgoose-gate", version: "1.0.0",
            summary: "Weighs the experts of a mixture by gate vectors that lie in each expert's "
                + "folder, as PHATGOOSE does.")
    }

    private let softmax: ExpertSoftmax

    init(parameters: Parameters, seed: UInt64) throws(PolicyError) {
        softmax = ExpertSoftmax(
            temperature: Float(parameters.temperature), mostExperts: parameters.topK)
    }

    func gate(
        for mixture: MixtureDescription, from sources: any MixtureSources
    ) throws(PolicyError) -> any Gate {
        var files: [GateVectors] = []
        for (index, expert) in mixture.experts.enumerated() {
            files.append(try GateVectors(of: expert, at: index, from: sources))
        }
        var points: [GatePoint] = []
        var groups: [GroupVectors] = []
        for layer in 0..<mixture.layers {
            for group in MatrixGroup.allCases {
                guard let vectors = try GroupVectors(at: layer, group, in: files) else { continue }
                points.append(GatePoint(.input(group), layer: layer, isPerMatrix: true))
                groups.append(vectors)
            }
        }
        return VectorGate(points, groups, softmax, experts: mixture.experts.count)
    }
}
