// SPDX-License-Identifier: Apache-2.0

internal import ModelLoading

/// The factors of all experts at one linear layer, one below the other.
struct ExpertSite<Scalar: TrainingScalar> {
    /// `[ranks, inputSize]`, without the scales.
    let down: Matrix<Scalar>
    /// `[outputSize, ranks]`
    let up: Matrix<Scalar>
    /// The scale of each rank's expert.
    let scales: [Scalar]
    /// The ranks of each expert; empty for one that does not act here.
    let ranks: [Range<Int>]

    /// A site for adapters whose matrices are given, stacked in their order.
    init(
        down: Matrix<Scalar>, up: Matrix<Scalar>, ranks: [Range<Int>], expertScales: [Scalar]
    ) {
        self.down = down
        self.up = up
        self.ranks = ranks
        scales = zip(ranks, expertScales).flatMap { ranks, scale in ranks.map { _ in scale } }
    }

    /// Multiplies each row of shrunk values by the scales.
    func applyScales(to shrunk: Matrix<Scalar>) {
        for row in 0..<shrunk.rows {
            let values = shrunk.row(row)
            for rank in 0..<shrunk.columns { values[rank] *= scales[rank] }
        }
    }
}

/// LoRA experts over a model, at every linear layer where one of them acts.
struct ExpertStack<Scalar: TrainingScalar> {
    let count: Int
    private let sites: [ExpertSite<Scalar>?]

    /// Sites by layer, in each by `LinearKind.ordinal`.
    init(count: Int, sites: [ExpertSite<Scalar>?]) {
        self.count = count
        self.sites = sites
    }

    /// The experts in the order of their weights.
    ///
    /// - Throws: where a file cannot be read to its end.
    init(
        _ experts: [AdapterWeights], for model: ModelConfiguration
    ) throws(ModelLoadingError) {
        var sites: [ExpertSite<Scalar>?] = []
        for layer in 0..<model.layerCount {
            for linear in LinearKind.allCases {
                sites.append(
                    try Self.site(AdapterSite(layer: layer, linear: linear), experts, model))
            }
        }
        self.init(count: experts.count, sites: sites)
    }

    subscript(layer: Int, linear: LinearKind) -> ExpertSite<Scalar>? {
        sites[layer * LinearKind.allCases.count + linear.ordinal]
    }

    private static func site(
        _ site: AdapterSite, _ experts: [AdapterWeights], _ model: ModelConfiguration
    ) throws(ModelLoadingError) -> ExpertSite<Scalar>? {
        let factors = experts.map { $0.sites[site] }
        var ranks: [Range<Int>] = []
        for factor in factors {
            let start = ranks.last?.upperBound ?? 0
            ranks.append(start..<start + (factor?.rank ?? 0))
        }
        guard let all = ranks.last?.upperBound, all > 0 else { return nil }
        let down = Matrix<Scalar>(all, model.inputSize(of: site.linear))
        let up = Matrix<Scalar>(model.outputSize(of: site.linear), all)
        for (factor, ranks) in zip(factors, ranks) {
            guard let factor else { continue }
            down.part(rows: ranks).copy(
                Matrix(factor.rank, down.columns, try factor.a.floats()))
            up.part(columns: ranks).copy(Matrix(up.rows, factor.rank, try factor.b.floats()))
        }
        return ExpertSite(
            down: down, up: up, ranks: ranks,
            expertScales: factors.map { Scalar($0?.scale ?? 0) })
    }
}
