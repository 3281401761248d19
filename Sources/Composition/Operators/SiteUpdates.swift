// SPDX-License-Identifier: Apache-2.0

internal import ModelLoading

/// What the adapters of a composition do to one linear layer.
struct SiteUpdates: Sendable {
    /// One adapter's change of the layer, with its scale and without its weight.
    struct Update: Sendable {
        /// The adapter's place in the composition.
        let source: Int
        var weight: Double
        let product: LowRankProduct
    }

    let site: AdapterSite
    let outputSize: Int
    let inputSize: Int
    /// Of the adapters that act here, in the order of the composition; not empty.
    var updates: [Update]
}

extension SiteUpdates {
    /// Reads the factors of all adapters at `site`; at least one acts there.
    init(
        _ site: AdapterSite, of adapters: [WeightedAdapter], for model: ModelConfiguration
    ) throws(CompositionError) {
        self.site = site
        outputSize = model.outputSize(of: site.linear)
        inputSize = model.inputSize(of: site.linear)
        var updates: [Update] = []
        for (source, weighted) in adapters.enumerated() {
            guard let factors = weighted.adapter.sites[site] else { continue }
            let (a, b) = try reading { () throws(ModelLoadingError) in
                (try factors.a.floats(), try factors.b.floats())
            }
            let product = LowRankProduct(
                left: Matrix(rows: outputSize, columns: factors.rank, floats: b),
                right: Matrix(rows: factors.rank, columns: inputSize, floats: a)
                    .scaled(by: Double(factors.scale)))
            updates.append(Update(source: source, weight: weighted.weight, product: product))
        }
        self.updates = updates
    }

    /// The same updates with other weights, one for each adapter of the composition.
    func weighted(by weights: [Double]) -> SiteUpdates {
        var result = self
        for place in updates.indices {
            result.updates[place].weight = weights[updates[place].source]
        }
        return result
    }

    /// The weighted sum of all updates, exactly.
    var sum: LowRankProduct {
        .sum(updates.map { $0.product.scaled(by: $0.weight) })
    }

    /// The product of the weighted sums of the factors, `(sum w B) * (sum w A)`: what adding adapters
    /// factor by factor gives, with a product for each *pair* of adapters.
    ///
    /// All adapters must act here, with one rank. Their scales are shared out to both factors.
    func factorwiseSum(adapterCount: Int) throws(CompositionError) -> LowRankProduct {
        let depths = Set(updates.map(\.product.depth))
        guard updates.count == adapterCount, depths.count == 1, let depth = depths.first else {
            throw CompositionError(
                .incompatible,
                "factors can be added only where all adapters act, with one rank; there are "
                    + "\(updates.count) of \(adapterCount), with the ranks \(depths.sorted())",
                at: site.moduleName)
        }
        var left = Matrix(zeros: outputSize, depth)
        var right = Matrix(zeros: depth, inputSize)
        for update in updates {
            left.add(update.product.left, times: update.weight)
            right.add(update.product.right, times: update.weight)
        }
        return LowRankProduct(left: left, right: right)
    }
}
