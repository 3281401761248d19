// SPDX-License-Identifier: Apache-2.0

internal import Inference
internal import ModelLoading

/// Looks for the weights with which adapters answer a few examples best, without gradients: the idea
/// of LoRAHub (Huang et al., 2023).
///
/// It minimises the cross-entropy of the answers plus 0.05 times the mean of the weights' magnitudes,
/// with weights from -1.5 to 1.5, as LoRAHub does. What is composed is the exact sum `sum w_i W_i`,
/// without LoRAHub's products of different adapters' factors, unless `composesFactorwise`. So trying
/// weights costs one forward pass and packs nothing.
package struct WeightSearch: Sendable {
    package static let bounds = -1.5...1.5
    package static let penalty = 0.05
    /// The executor takes no more at a time.
    package static let maximumAdapters = 16
    package static let evaluationRange = 1...1_000_000

    /// Adapters with the weights that the search begins with.
    package let adapters: [WeightedAdapter]
    /// Whether each adapter's weight is looked for; the others keep theirs.
    package let isSearched: [Bool]
    package var evaluations = 200
    package var seed: UInt64 = 0
    package var composesFactorwise = false

    /// The deviation of the first weights that are tried.
    private static let stepSize = 0.5

    package init(adapters: [WeightedAdapter], isSearched: [Bool]) {
        precondition(adapters.count == isSearched.count, "one flag for each adapter")
        self.adapters = adapters
        self.isSearched = isSearched
    }

    /// Weights that were found.
    package struct Outcome: Sendable {
        package let adapters: [WeightedAdapter]
        package let search: CompositionReport.Search
    }

    /// Searches; `progress` is called with the share of evaluations that is done.
    ///
    /// Throws `invalidSetting` and `tooLarge` for what is out of range.
    package func run(
        on loss: ExampleLoss, progress: (Double) -> Void = { _ in }
    ) throws(CompositionError) -> Outcome {
        try check()
        let composer = try TrialComposer(
            adapters, for: loss.model, factorwise: composesFactorwise)
        let start = zip(adapters, isSearched).filter(\.1).map(\.0.weight)
        let settings = EvolutionSearch.Settings(
            evaluations: evaluations, seed: seed, bounds: Self.bounds, stepSize: Self.stepSize)
        var done = 0
        var losses: [Double] = []
        let best = try EvolutionSearch.minimum(from: start, settings) {
            (point: [Double]) throws(CompositionError) -> Double in
            let weights = weights(point)
            let value = try loss.value(with: composer.uses(weights))
            losses.append(value)
            done += 1
            progress(Double(done) / Double(evaluations))
            return value + Self.penalty * weights.reduce(0) { $0 + abs($1) } / Double(weights.count)
        }
        let found = weights(best.point)
        let value = try loss.value(with: composer.uses(found))
        return Outcome(
            adapters: zip(adapters, found).map { WeightedAdapter($0.adapter, weight: $1) },
            search: CompositionReport.Search(
                evaluations: best.evaluations, firstLoss: losses.first ?? value, loss: value,
                examples: loss.examples.count, composesFactorwise: composesFactorwise))
    }

    /// All weights, of which `point` holds those that are looked for.
    private func weights(_ point: [Double]) -> [Double] {
        var next = point.makeIterator()
        return zip(adapters, isSearched).map { adapter, isSearched in
            isSearched ? next.next() ?? adapter.weight : adapter.weight
        }
    }

    private func check() throws(CompositionError) {
        guard Self.evaluationRange.contains(evaluations) else {
            throw CompositionError(
                .invalidSetting,
                "\(evaluations) evaluations: give \(Self.evaluationRange.lowerBound) to "
                    + "\(Self.evaluationRange.upperBound)")
        }
        guard composesFactorwise || adapters.count <= Self.maximumAdapters else {
            throw CompositionError(
                .tooLarge,
                "\(adapters.count) adapters; weights are looked for among at most "
                    + "\(Self.maximumAdapters)")
        }
        for (adapter, isSearched) in zip(adapters, isSearched)
        where isSearched && !Self.bounds.contains(adapter.weight) {
            throw CompositionError(
                .invalidSetting,
                "a first weight of \(adapter.weight) lies outside \(Self.bounds)", at: adapter.name)
        }
    }
}

/// Makes what the executor runs of weights that are tried.
private struct TrialComposer {
    private let model: PackedModel
    private let packed: [PackedAdapter]
    /// Not empty where the factors are added anew for each trial.
    private let sites: [SiteUpdates]
    private let adapterCount: Int

    init(
        _ adapters: [WeightedAdapter], for model: PackedModel, factorwise: Bool
    ) throws(CompositionError) {
        self.model = model
        adapterCount = adapters.count
        var packed: [PackedAdapter] = []
        var sites: [SiteUpdates] = []
        if factorwise {
            for site in Set(adapters.flatMap(\.adapter.sites.keys)).sorted() {
                sites.append(try SiteUpdates(site, of: adapters, for: model.configuration))
            }
        } else {
            for adapter in adapters { packed.append(try Self.packed(adapter.adapter, model)) }
        }
        self.packed = packed
        self.sites = sites
    }

    func uses(_ weights: [Double]) throws(CompositionError) -> [AdapterUse] {
        guard !sites.isEmpty else {
            return zip(packed, weights).map { AdapterUse($0, factor: Float($1)) }
        }
        var factors: [AdapterSite: LoRAFactors] = [:]
        for updates in sites {
            let sum = try updates.weighted(by: weights).factorwiseSum(adapterCount: adapterCount)
            factors[updates.site] = LoRAFactors(
                site: updates.site, rank: sum.depth, scale: 1, a: sum.right.values.map(Float.init),
                b: sum.left.values.map(Float.init))
        }
        let trial = try reading { () throws(ModelLoadingError) in
            try AdapterWeights(name: "trial", computed: factors, for: model.configuration)
        }
        return [AdapterUse(try Self.packed(trial, model))]
    }

    private static func packed(
        _ adapter: AdapterWeights, _ model: PackedModel
    ) throws(CompositionError) -> PackedAdapter {
        do {
            return try PackedAdapter(adapter, for: model)
        } catch {
            throw CompositionError(error)
        }
    }
}
