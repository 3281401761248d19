// SPDX-License-Identifier: Apache-2.0

package import ModelLoading

/// One adapter out of several, layer by layer.
package struct AdapterComposition: Sendable {
    package let model: ModelConfiguration
    package let adapters: [WeightedAdapter]
    package let method: CompositionMethod
    /// The most ranks of a layer; nil for all that the method gives, or, where that is a whole
    /// matrix, for the highest rank of the adapters.
    package var rank: Int?
    /// What random choices are drawn from.
    package var seed: UInt64 = 0
    package var type = SafetensorsWriter.ElementType.f32

    /// The most adapters of a composition.
    package static let maximumAdapters = 256

    /// - Throws: `invalidSetting` for no adapters, a weight that is not finite, or a density that is
    ///   not above 0 and at most 1.
    package init(
        _ adapters: [WeightedAdapter], by method: CompositionMethod, for model: ModelConfiguration
    ) throws(CompositionError) {
        guard (1...Self.maximumAdapters).contains(adapters.count) else {
            throw CompositionError(
                .invalidSetting,
                "\(adapters.count) adapters; give 1 to \(Self.maximumAdapters)")
        }
        for adapter in adapters where !Float(adapter.weight).isFinite {
            throw CompositionError(
                .invalidSetting, "a weight of \(adapter.weight)", at: adapter.name)
        }
        if let density = method.density, !(density > 0 && density <= 1) {
            throw CompositionError(
                .invalidSetting, "a density of \(density): it must be above 0 and at most 1")
        }
        self.adapters = adapters
        self.method = method
        self.model = model
    }

    /// Composes every layer where one of the adapters acts; `progress` is called with the share of
    /// them that is done.
    package func run(
        name: String, progress: (Double) -> Void = { _ in }
    ) throws(CompositionError) -> ComposedAdapter {
        if let rank, !AdapterWeights.ranks.contains(rank) {
            throw CompositionError(
                .invalidSetting, "a rank of \(rank): it must be in \(AdapterWeights.ranks)")
        }
        let sites = Set(adapters.flatMap(\.adapter.sites.keys)).sorted()
        var composed: [SiteComposition] = []
        for (index, site) in sites.enumerated() {
            composed.append(try compose(site))
            progress(Double(index + 1) / Double(sites.count))
        }
        return try ComposedAdapter(name: name, composed, by: self)
    }

    private func compose(_ site: AdapterSite) throws(CompositionError) -> SiteComposition {
        let updates = try SiteUpdates(site, of: adapters, for: model)
        let target = try target(of: updates)
        let full = min(updates.outputSize, updates.inputSize)
        let highest = adapters.map(\.adapter.maximumRank).max() ?? 1
        let wanted: Int
        switch target {
        case .lowRank(let product, _): wanted = rank ?? product.depth
        case .dense: wanted = rank ?? highest
        }
        let factors = try target.factors(rank: min(wanted, full), seed: seed)
        guard AdapterWeights.ranks.contains(factors.depth) else {
            throw CompositionError(
                .tooLarge,
                "the ranks add up to \(factors.depth), the limit is "
                    + "\(AdapterWeights.ranks.upperBound); give a rank", at: site.moduleName)
        }
        return try SiteComposition(factors, for: target, at: site, as: type)
    }

    private func target(of updates: SiteUpdates) throws(CompositionError) -> SiteTarget {
        switch method {
        case .concatenate:
            .lowRank(updates.sum, keepsFactors: true)
        case .factorwise:
            .lowRank(
                try updates.factorwiseSum(adapterCount: adapters.count), keepsFactors: true)
        case .svd:
            .lowRank(updates.sum, keepsFactors: false)
        case .regressionMean(let inputs):
            .lowRank(try inputs.nearestUpdate(to: updates), keepsFactors: false)
        case .magnitudePrune(let density):
            try pruned(updates, .magnitude(density: density), electsSigns: false)
        case .dare(let density):
            try pruned(updates, .random(density: density, seed: seed), electsSigns: false)
        case .ties(let density):
            try pruned(updates, .magnitude(density: density), electsSigns: true)
        case .dareTies(let density):
            try pruned(updates, .random(density: density, seed: seed), electsSigns: true)
        }
    }

    /// Where nothing is pruned and no signs are at odds the sum itself, which has thin factors.
    private func pruned(
        _ updates: SiteUpdates, _ pruning: Pruning, electsSigns: Bool
    ) throws(CompositionError) -> SiteTarget {
        if method.density == 1, !electsSigns || updates.updates.count == 1 {
            return .lowRank(updates.sum, keepsFactors: false)
        }
        return .dense(
            try PrunedSum(pruning: pruning, electsSigns: electsSigns).matrix(of: updates))
    }
}
