// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// A trained gate of MoLE: the weights of the experts of a mixture from what the model computes.
///
/// What ``MoLEConfiguration`` says, evaluated so that a row's weights are the same bits however
/// sequences are cut into calls and whoever else is in one: every sum of a row runs in one order,
/// and pools are summed token by token.
package final class TrainedGate: Gate {
    package let configuration: MoLEConfiguration
    package let traits: GateTraits
    private let experts: Int

    /// For each point; `nil` where every expert has the same weight.
    private let points: [SiteParameters?]

    /// For each point, where masked experts are left out of what it reads.
    private let maskedRanks: [MaskedRanks]

    /// Makes the gate of a mixture from what training wrote.
    ///
    /// - Throws: ``PolicyKit/PolicyError`` where it was trained for other experts or another model,
    ///   or where a tensor is missing, left over or wrong.
    package init(
        _ configuration: MoLEConfiguration, _ parameters: MoLEParameters,
        for mixture: MixtureDescription, from sources: any MixtureSources
    ) throws(PolicyError) {
        try configuration.check(fits: mixture)
        let sites = configuration.sites(in: mixture)
        var left = parameters
        var points: [SiteParameters?] = []
        for site in sites {
            guard !site.names.isEmpty else {
                points.append(nil)
                continue
            }
            guard mixture.width(of: site.point) != 0 else {
                throw PolicyError(
                    "no expert acts where the gate reads, at '\(site.names[0])'")
            }
            points.append(
                try SiteParameters(
                    site, configuration,
                    norm: configuration.normalisation == .outputs && configuration.pooling != .none
                        ? try OutputNorm(at: site.point, of: mixture, from: sources) : nil,
                    width: mixture.width(of: site.point), takingFrom: &left))
        }
        if let extra = left.tensors.keys.min() {
            throw PolicyError("the tensor '\(extra)' is not one of this gate")
        }
        self.configuration = configuration
        self.points = points
        maskedRanks =
            configuration.mask == .exclude
            ? sites.map { MaskedRanks(at: $0.point, of: mixture) } : []
        experts = mixture.experts.count
        let waits = configuration.pooling == .prompt
        let state = points.compactMap { point in
            point.map { waits ? $0.weightCount : $0.poolState }
        }
        traits = GateTraits(
            points: sites.map(\.point), stateFloats: state.max() ?? 0, needsWholePrompt: waits)
    }

    package func weigh(
        at point: Int, features: Span<Float>, rows: Span<GateRow>,
        states: inout MutableSpan<Float>, weights: inout MutableSpan<Float>
    ) throws(PolicyError) {
        guard points.indices.contains(point) else {
            throw PolicyError("there is no point \(point)")
        }
        guard let site = points[point] else {
            let zeros = [Float](repeating: 0, count: configuration.logits)
            for row in rows.indices {
                ExpertSoftmax().weigh(
                    zeros.span, experts: experts, masked: rows[row].masked, into: &weights,
                    at: row * experts)
            }
            return
        }
        guard site.inputs == 0 || features.count == rows.count * site.inputs else {
            throw PolicyError(
                "\(features.count) features of \(rows.count) rows, not \(site.inputs) of each")
        }
        if !maskedRanks.isEmpty, let cleared = maskedRanks[point].cleared(features, rows) {
            return try weigh(site, cleared.span, rows, &states, &weights)
        }
        try weigh(site, features, rows, &states, &weights)
    }

    private func weigh(
        _ site: SiteParameters, _ features: Span<Float>, _ rows: Span<GateRow>,
        _ states: inout MutableSpan<Float>, _ weights: inout MutableSpan<Float>
    ) throws(PolicyError) {
        guard configuration.pooling == .prompt else {
            return weighTokens(site, features, rows, &states, &weights)
        }
        try weighPrompts(site, features, rows, &states, &weights)
    }

    /// Row by row, from the row itself and the pool that the row before left behind.
    private func weighTokens(
        _ site: SiteParameters, _ features: Span<Float>, _ rows: Span<GateRow>,
        _ states: inout MutableSpan<Float>, _ weights: inout MutableSpan<Float>
    ) {
        var scratch = site.scratch
        let pools = site.pool != nil
        for row in rows.indices {
            let own = features.extracting(row * site.inputs..<(row + 1) * site.inputs)
            let square = site.squaredNorm(of: own, &scratch)
            site.begin(own, scale: site.scale(square), &scratch)
            if pools {
                takeOver(row, rows, site.poolState, &states)
                let start = row * traits.stateFloats
                let count = pooledTokens(at: rows[row])
                if count > rows[row].position {
                    site.accumulate(own, squaredNorm: square, into: &states, at: start)
                }
                site.addPool(states, at: start, count: count, &scratch)
            }
            site.finish(
                &scratch, masked: rows[row].masked, into: &weights, at: row * site.weightCount)
        }
    }

    /// Tokens that are in the pool of a row, itself among them where it belongs there.
    private func pooledTokens(at row: GateRow) -> Int {
        let count = max(0, Int(row.position)) + 1
        return configuration.poolSpan == .sequence
            ? count : max(1, min(count, Int(row.promptTokens)))
    }

    /// Copies the state of the row before, where that is of the same sequence.
    private func takeOver(
        _ row: Int, _ rows: Span<GateRow>, _ count: Int, _ states: inout MutableSpan<Float>
    ) {
        guard rows[row].ordinal > 1, row > 0 else { return }
        let start = row * traits.stateFloats
        for index in start..<start + count { states[index] = states[index - traits.stateFloats] }
    }

    /// Prompt by prompt; the rows behind a prompt keep its weights, which are the state.
    private func weighPrompts(
        _ site: SiteParameters, _ features: Span<Float>, _ rows: Span<GateRow>,
        _ states: inout MutableSpan<Float>, _ weights: inout MutableSpan<Float>
    ) throws(PolicyError) {
        let kept = site.weightCount
        var row = 0
        while row < rows.count {
            if rows[row].position >= rows[row].promptTokens {
                takeOver(row, rows, kept, &states)
                let start = row * traits.stateFloats
                for index in 0..<kept { weights[row * kept + index] = states[start + index] }
                row += 1
                continue
            }
            let prompt = row..<row + Int(rows[row].promptTokens)
            guard rows[row].position == 0, prompt.upperBound <= rows.count,
                rows[prompt.upperBound - 1].position == rows[row].promptTokens - 1
            else { throw PolicyError("a prompt of \(prompt.count) tokens came in pieces") }
            weighPrompt(site, features, prompt, masked: rows[row].masked, &weights)
            for other in prompt {
                for index in 0..<kept {
                    let weight = weights[row * kept + index]
                    weights[other * kept + index] = weight
                    states[other * traits.stateFloats + index] = weight
                }
            }
            row = prompt.upperBound
        }
    }

    /// Gives the weights of the first row of a prompt, from all of it.
    private func weighPrompt(
        _ site: SiteParameters, _ features: Span<Float>, _ prompt: Range<Int>, masked: UInt64,
        _ weights: inout MutableSpan<Float>
    ) {
        var scratch = site.scratch
        var pool = [Float](repeating: 0, count: site.poolState)
        for row in prompt {
            let own = features.extracting(row * site.inputs..<(row + 1) * site.inputs)
            let square = site.squaredNorm(of: own, &scratch)
            var sums = pool.mutableSpan
            site.accumulate(own, squaredNorm: square, into: &sums, at: 0)
        }
        // Nothing but the bias: this pooling has no term of the token itself.
        let first = features.extracting(
            prompt.lowerBound * site.inputs..<(prompt.lowerBound + 1) * site.inputs)
        site.begin(first, scale: 1, &scratch)
        let sums = pool.mutableSpan
        site.addPool(sums, at: 0, count: prompt.count, &scratch)
        site.finish(
            &scratch, masked: masked, into: &weights,
            at: prompt.lowerBound * site.weightCount)
    }
}

extension MoLEConfiguration {
    /// Whether the gate was trained for this mixture.
    ///
    /// - Throws: ``PolicyKit/PolicyError`` with both orders, or with the expert whose weights are
    ///   others.
    package func check(fits mixture: MixtureDescription) throws(PolicyError) {
        let (trained, given) = (experts.map(\.name), mixture.experts.map(\.name))
        guard trained == given else {
            throw PolicyError(
                "the gate was trained for the experts \(trained.joined(separator: ", ")), in this "
                    + "order; the mixture has \(given.joined(separator: ", "))")
        }
        for (trained, given) in zip(experts, mixture.experts)
        where trained.sha256.lowercased() != given.digest.lowercased() {
            throw PolicyError(
                "the gate was trained with other weights of the expert '\(trained.name)': their "
                    + "SHA-256 was \(trained.sha256), now it is \(given.digest)")
        }
        guard granularity != .network || layer < mixture.layers else {
            throw PolicyError("'layer' is \(layer), but the model has \(mixture.layers) layers")
        }
        if let contradiction { throw PolicyError(contradiction) }
    }
}
