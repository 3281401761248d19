// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// The normalised average: every expert that is not masked has the same weight, and they sum to 1
/// (Eq. 2 of MoLE, Wu et al., ICLR 2024, with equal weights).
package final class UniformGating: GatingPolicy {
    package static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "uniform", version: "1.0.0",
            summary: "Weighs the experts of a mixture alike. The built-in default.")
    }

    package init(parameters: NoParameters, seed: UInt64) {}

    package func gate(
        for mixture: MixtureDescription, from sources: any MixtureSources
    ) -> any Gate {
        UniformGate(experts: mixture.experts.count)
    }
}

private final class UniformGate: Gate {
    let experts: Int

    init(experts: Int) { self.experts = experts }

    var traits: GateTraits { GateTraits(points: [GatePoint(.tokens)]) }

    func weigh(
        at point: Int, features: Span<Float>, rows: Span<GateRow>,
        states: inout MutableSpan<Float>, weights: inout MutableSpan<Float>
    ) {
        for row in rows.indices {
            let masked = rows[row].masked
            let kept = (0..<experts).count { masked >> UInt64($0) & 1 == 0 }
            for expert in 0..<experts {
                let isMasked = masked >> UInt64(expert) & 1 == 1
                weights[row * experts + expert] = isMasked ? 0 : 1 / Float(kept)
            }
        }
    }
}
