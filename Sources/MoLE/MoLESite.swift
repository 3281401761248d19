// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// A point at which a trained gate is asked, with the names of its tensors.
///
/// `mole_gate.safetensors` holds for each of ``names``, with F the width of the point's features,
/// N the logits (the experts, and one more for a null expert), H the units of the hidden layer, and D
/// either H or, without hidden layer, N:
///
/// | tensor | shape | where |
/// |---|---|---|
/// | `<name>.gate.weight` | `[D, F]` | poolings `token` and `both` |
/// | `<name>.pool.weight` | `[D, F]` | poolings `causal`, `both` and `prompt` |
/// | `<name>.bias` | `[D]` | |
/// | `<name>.out.weight` | `[N, H]` | with a hidden layer |
/// | `<name>.out.bias` | `[N]` | with a hidden layer |
/// | `<name>.log_tau` | `[1]` | |
///
/// Nothing else may be in the file.
package struct MoLESite: Sendable {
    package let point: GatePoint

    /// One for each set of weights, as `layers.0.block`; none where the weights are fixed: a gate of
    /// the network that reads at a later block gives every expert the same weight before.
    package let names: [String]
}

extension MoLEConfiguration {
    /// The points of the gate of a mixture, in the order of the computation.
    ///
    /// By granularity and reading (`block-input`; `shrunk`):
    /// - `network`: before the block `layer` (`blockInput`; `shrunk(attentionInput)`), named
    ///   `layers.<layer>.network`; the reading `final-hidden` before all blocks (`finalHidden`), named
    ///   `network`.
    /// - `block`: the same at every block, named `layers.<l>.block`.
    /// - `blocks-at-once`: before the first block (`blockInput`, `finalHidden`) the sets of all blocks,
    ///   named as with `block`.
    /// - `layer`: twice in every block (`input` and `shrunk` of `attentionInput` and of
    ///   `feedForwardInput`), named `layers.<l>.attention` and `layers.<l>.feed_forward`.
    /// - `matrix`: at each of the four groups (`input`; `shrunk`) a set for each of its matrices,
    ///   named `layers.<l>.q`, `.k`, `.v`, `.o`, `.gate`, `.up` and `.down`; groups on which no expert
    ///   acts have no ranks to read and no weights.
    package func sites(in mixture: MixtureDescription) -> [MoLESite] {
        let layers = mixture.layers
        switch granularity {
        case .network where reading == .finalHidden:
            return [MoLESite(point: GatePoint(.finalHidden), names: ["network"])]
        case .network:
            let site = MoLESite(point: blockPoint(layer), names: ["layers.\(layer).network"])
            let start = MoLESite(point: GatePoint(.tokens), names: [])
            return layer == 0 ? [site] : [start, site]
        case .block:
            return (0..<layers).map {
                MoLESite(point: blockPoint($0), names: ["layers.\($0).block"])
            }
        case .blocksAtOnce:
            return [
                MoLESite(
                    point: GatePoint(
                        reading == .finalHidden ? .finalHidden : .blockInput,
                        coveringLayers: layers),
                    names: (0..<layers).map { "layers.\($0).block" })
            ]
        case .layer:
            let halves: [(MatrixGroup, String)] = [
                (.attentionInput, "attention"), (.feedForwardInput, "feed_forward"),
            ]
            return (0..<layers).flatMap { layer in
                halves.map { group, name in
                    MoLESite(
                        point: GatePoint(groupReading(group), layer: layer),
                        names: ["layers.\(layer).\(name)"])
                }
            }
        case .matrix:
            return (0..<layers).flatMap { layer in
                MatrixGroup.allCases.map { group in
                    MoLESite(
                        point: GatePoint(groupReading(group), layer: layer, isPerMatrix: true),
                        names: group.matrices.map { "layers.\(layer).\($0.rawValue)" })
                }
            }.filter { mixture.width(of: $0.point) != 0 }
        }
    }

    private func blockPoint(_ layer: Int) -> GatePoint {
        GatePoint(reading == .blockInput ? .blockInput : .shrunk(.attentionInput), layer: layer)
    }

    private func groupReading(_ group: MatrixGroup) -> GateReading {
        reading == .blockInput ? .input(group) : .shrunk(group)
    }

    /// The tensors of one set of weights with their shapes, for a point of so many features.
    package func tensors(of name: String, features: Int) -> [(name: String, shape: [Int])] {
        var tensors: [(String, [Int])] = []
        if pooling.hasTokenTerm { tensors.append(("\(name).gate.weight", [projected, features])) }
        if pooling.hasPoolTerm { tensors.append(("\(name).pool.weight", [projected, features])) }
        tensors.append(("\(name).bias", [projected]))
        if hidden > 0 {
            tensors.append(("\(name).out.weight", [logits, hidden]))
            tensors.append(("\(name).out.bias", [logits]))
        }
        tensors.append(("\(name).log_tau", [1]))
        return tensors
    }
}
