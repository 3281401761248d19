// SPDX-License-Identifier: Apache-2.0

internal import ModelLoading
internal import PolicyKit

/// What the linear layers that share an input keep for the way back.
struct LinearGroupTape<Scalar: TrainingScalar> {
    let input: Matrix<Scalar>
    /// For each layer of the group, where an expert acts, `[rows, ranks]` with the scales.
    let shrunk: [Matrix<Scalar>?]
    /// For each layer of the group the weights in force; nil without a gate.
    let weighing: [UnitTape<Scalar>]?
}

extension SequencePass {
    // MARK: - There

    /// The outputs of the linear layers of a group, with biases and experts.
    func runLinears(
        _ group: MatrixGroup, _ layer: Int, _ input: Matrix<Scalar>
    ) -> [Matrix<Scalar>] {
        let shrunk = group.linears.map { linear -> Matrix<Scalar>? in
            guard let site = network.experts[layer, linear] else { return nil }
            let shrunk = zeros(site.down.rows)
            shrunk.set(input, times: site.down.transposed)
            site.applyScales(to: shrunk)
            return shrunk
        }
        askGate(.input(group), layer, input)
        askGate(.shrunk(group), layer, Self.joined(shrunk, rows: batch.rowCount))
        let tape = LinearGroupTape(
            input: input, shrunk: shrunk,
            weighing: points.last.flatMap { network.gate?.units(of: $0, group, layer) })
        groups.append(tape)
        return group.linears.enumerated().map { place, linear in
            let weight = model.blocks[layer].linears[linear.ordinal]
            let output = zeros(weight.rows)
            output.set(input, times: weight.transposed)
            if let bias = model.blocks[layer].biases[linear.ordinal] { output.addToRows(bias) }
            if let site = network.experts[layer, linear], let weighed = weighed(tape, place, site) {
                output.set(weighed, times: site.up.transposed, adding: true)
            }
            return output
        }
    }

    /// What the experts of a layer expand: the shrunk values times the experts' weights.
    private func weighed(
        _ tape: LinearGroupTape<Scalar>, _ place: Int, _ site: ExpertSite<Scalar>
    ) -> Matrix<Scalar>? {
        guard let shrunk = tape.shrunk[place] else { return nil }
        guard let weighing = tape.weighing?[place] else { return shrunk }
        let weighed = shrunk.copied()
        weigh(weighed, by: weighing.weights, site)
        return weighed
    }

    private func weigh(
        _ values: Matrix<Scalar>, by weights: Matrix<Scalar>, _ site: ExpertSite<Scalar>
    ) {
        for row in 0..<values.rows {
            let (to, weights) = (values.row(row), weights.row(row))
            for (expert, ranks) in site.ranks.enumerated() {
                for rank in ranks { to[rank] *= weights[expert] }
            }
        }
    }

    /// The ranks of all experts, matrix by matrix: what a gate reads.
    private static func joined(_ shrunk: [Matrix<Scalar>?], rows: Int) -> Matrix<Scalar> {
        let present = shrunk.compactMap { $0 }
        let all = Matrix<Scalar>(rows, present.reduce(0) { $0 + $1.columns })
        var column = 0
        for part in present {
            all.part(columns: column..<column + part.columns).copy(part)
            column += part.columns
        }
        return all
    }

    // MARK: - And back

    /// The derivative by the input of a group, given those by the outputs of its layers.
    func runLinearsBack(
        _ group: MatrixGroup, _ layer: Int, _ outputs: [Matrix<Scalar>]
    ) -> Matrix<Scalar> {
        let tape = groups[layer * MatrixGroup.allCases.count + Int(group.rawValue)]
        let byInput = zeros(tape.input.columns)
        var byShrunk: [Matrix<Scalar>?] = []
        for (place, linear) in group.linears.enumerated() {
            byInput.set(
                outputs[place], times: model.blocks[layer].linears[linear.ordinal],
                adding: place > 0)
            byShrunk.append(
                expandBack(
                    tape, AdapterSite(layer: layer, linear: linear), place, outputs[place]))
        }
        propagateGate(.input(group), layer, into: byInput)
        propagateShrunkGate(group, layer, into: byShrunk)
        for (place, linear) in group.linears.enumerated() {
            guard let site = network.experts[layer, linear], let gradient = byShrunk[place]
            else { continue }
            site.applyScales(to: gradient)
            byInput.set(gradient, times: site.down, adding: true)
            if let place = network.expertParameter(layer, linear) {
                gradients[place].set(gradient.transposed, times: tape.input, adding: true)
            }
        }
        return byInput
    }

    /// The derivative by the shrunk values of one layer; that by the weights goes to the point.
    private func expandBack(
        _ tape: LinearGroupTape<Scalar>, _ at: AdapterSite, _ place: Int, _ output: Matrix<Scalar>
    ) -> Matrix<Scalar>? {
        guard let shrunk = tape.shrunk[place], let site = network.experts[at.layer, at.linear]
        else {
            return nil
        }
        if let parameter = network.expertParameter(at.layer, at.linear),
            let weighed = weighed(tape, place, site)
        {
            gradients[parameter + 1].set(output.transposed, times: weighed, adding: true)
        }
        let gradient = zeros(shrunk.columns)
        gradient.set(output, times: site.up)
        guard let weighing = tape.weighing?[place] else { return gradient }
        let byWeights = weighing.gradient
        for row in 0..<gradient.rows {
            let (to, from, values) = (byWeights.row(row), gradient.row(row), shrunk.row(row))
            for (expert, ranks) in site.ranks.enumerated() {
                var dot: Scalar = 0
                for rank in ranks { dot += from[rank] * values[rank] }
                to[expert] += dot
            }
        }
        weigh(gradient, by: weighing.weights, site)
        return gradient
    }

    /// A gate that reads shrunk values gets its derivative back in their layout.
    private func propagateShrunkGate(
        _ group: MatrixGroup, _ layer: Int, into byShrunk: [Matrix<Scalar>?]
    ) {
        let present = byShrunk.compactMap { $0 }
        guard network.gate?.point(.shrunk(group), layer) != nil else { return }
        let gradient = zeros(present.reduce(0) { $0 + $1.columns })
        propagateGate(.shrunk(group), layer, into: gradient)
        var column = 0
        for part in present {
            part.add(gradient.part(columns: column..<column + part.columns))
            column += part.columns
        }
    }
}
