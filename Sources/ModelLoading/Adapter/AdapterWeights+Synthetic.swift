// SPDX-License-Identifier: Apache-2.0

extension AdapterWeights {
    /// The ranks that an adapter may have.
    package static let ranks = 1...4096

    /// A random adapter on all seven linear layers of every block, bf16, for benchmarks.
    ///
    /// Both factors are non-zero, so that it changes the output; a scale of 2 is the usual
    /// `alpha = 2 * r`, a larger one makes it change more. `rank` must lie in `ranks`.
    package static func synthetic(
        name: String, rank: Int, seed: UInt64, for model: ModelConfiguration, scale: Float = 2
    ) -> AdapterWeights {
        precondition(ranks.contains(rank), "rank \(rank) lies outside \(ranks)")
        var entries: [ModelTensorLayout.Entry] = []
        let sites = (0..<model.layerCount).flatMap { layer in
            LinearKind.allCases.map { AdapterSite(layer: layer, linear: $0) }
        }
        func names(_ site: AdapterSite) -> (a: String, b: String) {
            ("\(site.moduleName).lora_A.weight", "\(site.moduleName).lora_B.weight")
        }
        for site in sites {
            let (a, b) = names(site)
            entries.append(.init(name: a, shape: [rank, model.inputSize(of: site.linear)]))
            entries.append(.init(name: b, shape: [model.outputSize(of: site.linear), rank]))
        }
        var random = RandomTensors(
            seed: seed, largestTensor: entries.map { $0.shape.reduce(1, *) }.max() ?? 1,
            widestRow: entries.compactMap(\.shape.last).max() ?? 1)
        let tensors = random.tensors(entries)
        var factors: [AdapterSite: LoRAFactors] = [:]
        for site in sites {
            let (a, b) = names(site)
            guard let aView = tensors[a], let bView = tensors[b] else { continue }
            factors[site] = LoRAFactors(
                rank: rank, scale: scale, a: FactorMatrix(aView), b: FactorMatrix(bView))
        }
        return AdapterWeights(name: name, path: nil, sites: factors)
    }
}
