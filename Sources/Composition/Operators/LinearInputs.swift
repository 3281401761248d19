// SPDX-License-Identifier: Apache-2.0

internal import ModelLoading

/// What goes into each linear layer when each adapter of a composition answers its own examples.
package struct LinearInputs: Sendable, Equatable {
    /// Layers that read the same values share them.
    struct Place: Hashable {
        let layer: Int
        let group: Int

        init(layer: Int, group: Int) {
            self.layer = layer
            self.group = group
        }

        init(_ site: AdapterSite) {
            layer = site.layer
            group =
                switch site.linear {
                case .q, .k, .v: 0
                case .o: 1
                case .gate, .up: 2
                case .down: 3
                }
        }
    }

    /// By adapter, `[tokens, inputSize]` each.
    private let bySource: [[Place: Matrix]]
    /// How much of the products of different inputs counts, from 0 to 1.
    let correlationShare: Double

    /// What RegMean's authors found best.
    package static let usualCorrelationShare = 0.9

    init(_ bySource: [[Place: Matrix]], correlationShare: Double) {
        self.bySource = bySource
        self.correlationShare = correlationShare
    }

    /// Keeps the solution unique where inputs are always zero, relative to the mean square.
    private static let ridge = 1e-6

    /// The second moments of each adapter's inputs at a site, `[inputSize, inputSize]`.
    ///
    /// RegMean (Jin et al., "Dataless knowledge fusion", 2023) shrinks what lies beside the diagonal,
    /// as few examples estimate it badly.
    func moments(at site: AdapterSite) throws(CompositionError) -> [Matrix] {
        var moments: [Matrix] = []
        for inputs in bySource {
            guard let x = inputs[Place(site)], x.rows > 0 else {
                throw CompositionError(
                    .invalidExamples, "no inputs were seen", at: site.moduleName)
            }
            let raw = LinearAlgebra.product(x, x, transposingA: true)
            let trace = (0..<raw.rows).reduce(0) { $0 + raw[$1, $1] }
            // An adapter none of whose inputs differs from zero still has a say.
            let floor = Self.ridge * (trace > 0 ? trace / Double(raw.rows) : 1)
            var shrunk = raw.scaled(by: correlationShare)
            for place in 0..<raw.rows { shrunk[place, place] = raw[place, place] + floor }
            moments.append(shrunk)
        }
        return moments
    }

    /// The update `W` with the least `sum |W_i X_i - W X_i|^2`, which Mix-of-Show (Gu et al., 2023)
    /// approaches by gradients: `(sum W_i G_i) * (sum G_i)^-1`.
    ///
    /// Since each `W_i` has thin factors, so has the solution: nothing is lost by its rank.
    func nearestUpdate(to updates: SiteUpdates) throws(CompositionError) -> LowRankProduct {
        let moments = try moments(at: updates.site)
        var sum = Matrix(zeros: updates.inputSize, updates.inputSize)
        for moment in moments { sum.add(moment) }
        let weighted = LowRankProduct.sum(
            updates.updates.map { update in
                LowRankProduct(
                    left: update.product.left,
                    right: LinearAlgebra.product(
                        update.product.right.scaled(by: update.weight), moments[update.source]))
            })
        return LowRankProduct(
            left: weighted.left, right: try LinearAlgebra.divide(weighted.right, by: sum))
    }
}
