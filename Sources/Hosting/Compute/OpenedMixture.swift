// SPDX-License-Identifier: Apache-2.0

internal import Inference
internal import ModelLoading
internal import PolicyKit

/// A mixture whose experts are open and whose gate is made.
nonisolated package struct OpenedMixture: Sendable {
    let name: String
    var source: MixtureSource
    let experts: [AdapterWeights]
    let gate: any Gate

    /// Makes the gate of experts that are open; takes as long as the policy takes.
    ///
    /// - Throws: where a file cannot be read, or in the policy's words why the gate does not fit.
    init(
        _ source: MixtureSource, named name: String, experts: [AdapterWeights],
        for model: ServedModel, by policy: any GatingPolicy
    ) throws(AdapterLoadFailure) {
        self.name = name
        self.source = source
        self.experts = experts
        var mixture = MixtureDescription(
            name: name, layers: model.configuration.layerCount,
            hiddenSize: model.configuration.hiddenSize, experts: [])
        for (expert, weights) in zip(source.experts, experts) {
            let digest: String
            do throws(ModelLoadingError) {
                digest = try expert.source.digest()
            } catch {
                throw AdapterLoadFailure(error)
            }
            mixture.experts.append(
                MixtureExpert(name: expert.name, digest: digest, ranks: weights.placeRanks))
        }
        do throws(PolicyError) {
            gate = try policy.gate(
                for: mixture, from: MixtureFiles(folder: policy.folder?.path, experts: experts))
        } catch {
            throw AdapterLoadFailure(message: error.description)
        }
    }

    /// Opens the experts, then as ``init(_:named:experts:for:by:)``; without their `values` where
    /// packing checks them.
    static func open(
        _ source: MixtureSource, named name: String, for model: ServedModel,
        by policy: any GatingPolicy, values: Bool
    ) throws(AdapterLoadFailure) -> OpenedMixture {
        var experts: [AdapterWeights] = []
        for expert in source.experts {
            do throws(ModelLoadingError) {
                experts.append(
                    try AdapterLoader.open(
                        expert.source, named: expert.name, for: model, values: values))
            } catch {
                throw AdapterLoadFailure(error)
            }
        }
        return try OpenedMixture(source, named: name, experts: experts, for: model, by: policy)
    }

    /// Floats of state that its gate keeps for each token.
    var stateFloats: Int {
        let traits = gate.traits
        return traits.stateFloats * traits.points.count
    }

    /// Whether its gate reads what a pass of the base over the same tokens gives.
    var needsScalingPass: Bool { gate.traits.points.contains { $0.reading == .finalHidden } }

    /// The largest rank of its stacked matrices, and all of these, ascending, each once.
    var ranks: [Int] {
        var ranks: [AdapterSite: Int] = [:]
        for expert in experts {
            for (site, factors) in expert.sites { ranks[site, default: 0] += factors.rank }
        }
        return Set(ranks.values).sorted()
    }

    /// Bytes of all factors of all experts, as stored.
    var byteCount: Int { experts.reduce(0) { $0 + $1.byteCount } }
}

/// A policy on its way to the thread of the loader.
///
/// Safety of the unchecked conformance: it is made for one load and used by nobody else.
nonisolated struct GatingHandover: @unchecked Sendable {
    let policy: any GatingPolicy
}

nonisolated extension AdapterWeights {
    /// The rank at each place where it acts.
    fileprivate var placeRanks: [MatrixPlace: Int] {
        var ranks: [MatrixPlace: Int] = [:]
        for (site, factors) in sites {
            guard let matrix = ModelMatrix(rawValue: site.linear.rawValue) else { continue }
            ranks[MatrixPlace(layer: site.layer, matrix: matrix)] = factors.rank
        }
        return ranks
    }
}
