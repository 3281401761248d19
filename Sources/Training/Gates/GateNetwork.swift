// SPDX-License-Identifier: Apache-2.0

internal import MoLE
internal import ModelLoading
internal import PolicyKit

/// A gate that is trained: its points, at each the units that give sets of weights.
final class GateNetwork<Scalar: TrainingScalar> {
    let configuration: MoLEConfiguration
    let parameters: [Parameter<Scalar>]
    /// Of each point, a unit for each of its sets of weights; none where all weights are the same.
    private let units: [[GateUnit<Scalar>]]
    private let norms: [FeatureNorm<Scalar>?]
    private let places: [GatePlace: Int]
    /// Of each point, once it was calibrated.
    private var whitenings: [Whitening<Scalar>?]

    private struct GatePlace: Hashable {
        let reading: GateReading
        let layer: Int
    }

    /// A gate that gives all experts the same weight, to be trained.
    init(
        _ configuration: MoLEConfiguration, experts: ExpertStack<Scalar>,
        for model: ModelConfiguration, seed: UInt64
    ) {
        self.configuration = configuration
        var random = SplitMix64(seed: seed)
        var parameters: [Parameter<Scalar>] = []
        var units: [[GateUnit<Scalar>]] = []
        var norms: [FeatureNorm<Scalar>?] = []
        var places: [GatePlace: Int] = [:]
        for site in configuration.sites(in: experts.mixture(configuration, over: model)) {
            places[GatePlace(reading: site.point.reading, layer: site.point.layer)] = units.count
            let width = Self.width(of: site.point, experts, model)
            norms.append(FeatureNorm(configuration, at: site.point, width: width, experts))
            units.append(
                site.names.map { name in
                    GateUnit(configuration, name: name, width: width, &parameters, &random)
                })
        }
        self.units = units
        self.norms = norms
        self.parameters = parameters
        self.places = places
        whitenings = units.map { _ in nil }
    }

    private static func width(
        of point: GatePoint, _ experts: ExpertStack<Scalar>, _ model: ModelConfiguration
    ) -> Int {
        switch point.reading {
        case .tokens: 0
        case .finalHidden, .blockInput: model.hiddenSize
        case .input(let group): group.linears.first.map(model.inputSize(of:)) ?? 0
        case .shrunk(let group):
            group.linears.reduce(0) { $0 + (experts[point.layer, $1]?.down.rows ?? 0) }
        }
    }

    /// Whether there is a point that reads what the model computes without experts.
    var readsFinalHidden: Bool { configuration.reading == .finalHidden }

    /// What weighs each of the matrices of a group in a layer.
    func units(
        of point: PointTape<Scalar>, _ group: MatrixGroup, _ layer: Int
    ) -> [UnitTape<Scalar>] {
        group.matrices.indices.map { place in
            if point.units.count == 1 { return point.units[0] }
            return point.units[configuration.granularity == .blocksAtOnce ? layer : place]
        }
    }

    /// The number of the point that is asked at a place, if one is.
    func point(_ reading: GateReading, _ layer: Int) -> Int? {
        places[GatePlace(reading: reading, layer: layer)]
    }

    /// Weighs all rows at a point.
    func weigh(
        at index: Int, _ features: Matrix<Scalar>, _ batch: TokenBatch
    ) -> PointTape<Scalar> {
        let normed = features.copied()
        let squares = norms[index]?.squares(of: features) ?? []
        if norms[index]?.isOfTokens == true {
            for (row, square) in squares.enumerated() {
                normed.part(rows: row..<row + 1).scale(by: 1 / square.squareRoot())
            }
        }
        let read = whitenings[index]?.apply(normed) ?? normed
        let tapes = units[index].map { $0.weigh(read, squares, batch, parameters) }
        return PointTape(
            index: index, features: features, read: read, squares: squares,
            isTrained: !tapes.isEmpty,
            units: tapes.isEmpty ? [uniform(rows: features.rows)] : tapes)
    }

    /// Adds the derivatives by the parameters to `gradients` and that by the features to `target`,
    /// given those by the weights in the tape.
    func propagate(
        _ tape: PointTape<Scalar>, _ batch: TokenBatch, _ gradients: [Matrix<Scalar>],
        into target: Matrix<Scalar>
    ) {
        let features = tape.features
        let byRead = Matrix<Scalar>(features.rows, features.columns)
        let result = GateGradients(
            parameters: parameters, gradients: gradients, byFeatures: byRead,
            bySquares: Matrix(1, tape.squares.count))
        for (unit, unitTape) in zip(units[tape.index], tape.units) {
            unit.propagate(unitTape, tape, batch, result)
        }
        let byNormed = whitenings[tape.index]?.propagate(byRead) ?? byRead
        guard let norm = norms[tape.index] else { return target.add(byNormed) }
        let bySquares = result.bySquares.row(0)
        if norm.isOfTokens {
            for row in 0..<features.rows {
                let (from, values) = (byNormed.row(row), features.row(row))
                let factor = 1 / tape.squares[row].squareRoot()
                var dot: Scalar = 0
                for column in 0..<features.columns { dot += from[column] * values[column] }
                bySquares[row] -= dot * factor * factor * factor / 2
                for column in 0..<features.columns { from[column] *= factor }
            }
        }
        target.add(byNormed)
        norm.propagate(result.bySquares.values, features, into: target)
    }

    // MARK: - Coordinates

    /// What the points have read of some sequences: the sums of x̂ x̂ᵀ, and over how many rows.
    struct Calibration {
        /// How often each token occurs, where each is to count once.
        fileprivate let occurrences: [Int32: Int]?
        fileprivate var products: [Matrix<Scalar>?]
        fileprivate var counts: [Double]

        init(_ gate: GateNetwork, occurrences: [Int32: Int]?) {
            self.occurrences = occurrences
            products = gate.units.map { _ in nil }
            counts = gate.units.map { _ in 0 }
        }
    }

    /// The rows of a sequence that count in coordinates: the prompt where that alone is pooled.
    func calibrating(_ span: TokenBatch.Span) -> Range<Int> {
        configuration.pooling == .prompt ? span.rows.prefix(span.promptTokens) : span.rows
    }

    /// Adds sequences that went through with the weights of the beginning.
    func note(_ pass: SequencePass<Scalar>, in calibration: inout Calibration) {
        for index in units.indices where !units[index].isEmpty {
            let read = pass.points[index].read
            let products =
                calibration.products[index] ?? Matrix<Scalar>(read.columns, read.columns)
            for span in pass.batch.spans {
                let rows = calibrating(span)
                let part = read.part(rows: rows).copied()
                for (row, token) in pass.batch.tokens[rows].enumerated() {
                    let weight = 1 / Double(calibration.occurrences?[token] ?? 1)
                    part.part(rows: row..<row + 1).scale(by: Scalar(weight.squareRoot()))
                    calibration.counts[index] += weight
                }
                products.set(part.transposed, times: part, adding: true)
            }
            calibration.products[index] = products
        }
    }

    /// Chooses the coordinates of all points.
    func calibrate(by calibration: Calibration, epsilon: Double) {
        for index in units.indices {
            whitenings[index] = calibration.products[index].flatMap {
                Whitening(products: $0, count: calibration.counts[index], epsilon: epsilon)
            }
        }
    }

    /// What files hold for some values of the parameters: weights for the features themselves.
    func folded(_ values: [Matrix<Scalar>]) -> [Matrix<Scalar>] {
        var folded = values
        for (units, whitening) in zip(units, whitenings) {
            guard let whitening else { continue }
            for place in units.flatMap(\.inputPlaces) {
                folded[place] = whitening.fold(values[place])
            }
        }
        return folded
    }

    private func uniform(rows: Int) -> UnitTape<Scalar> {
        let logits = Matrix<Scalar>(rows, configuration.logits)
        return UnitTape(
            hidden: logits, scaledLogits: logits, experts: configuration.experts.count, topK: 0)
    }
}

extension ExpertStack {
    /// What is trained for, as the gate's points depend on it.
    func mixture(
        _ configuration: MoLEConfiguration, over model: ModelConfiguration
    ) -> MixtureDescription {
        var experts = configuration.experts.map {
            MixtureExpert(name: $0.name, digest: $0.sha256, ranks: [:])
        }
        for layer in 0..<model.layerCount {
            for matrix in ModelMatrix.allCases {
                guard let site = self[layer, matrix.linear] else { continue }
                let place = MatrixPlace(layer: layer, matrix: matrix)
                for (expert, ranks) in site.ranks.enumerated() where !ranks.isEmpty {
                    experts[expert].ranks[place] = ranks.count
                }
            }
        }
        return MixtureDescription(
            name: "", layers: model.layerCount, hiddenSize: model.hiddenSize, experts: experts)
    }
}

/// What a point keeps for the way back.
final class PointTape<Scalar: TrainingScalar> {
    let index: Int
    let features: Matrix<Scalar>
    /// What the units have read: normed, and in other coordinates where there are some.
    let read: Matrix<Scalar>
    /// The squares of the norms of the rows; none where nothing is divided by them.
    let squares: [Scalar]
    /// Whether there are parameters behind the weights; otherwise they are all the same.
    let isTrained: Bool
    let units: [UnitTape<Scalar>]

    init(
        index: Int, features: Matrix<Scalar>, read: Matrix<Scalar>, squares: [Scalar],
        isTrained: Bool, units: [UnitTape<Scalar>]
    ) {
        self.isTrained = isTrained
        self.index = index
        self.features = features
        self.read = read
        self.squares = squares
        self.units = units
    }

}

extension SequencePass {
    /// Asks the gate for new weights if a point of it is here.
    func askGate(
        _ reading: GateReading, _ layer: Int, _ features: @autoclosure () -> Matrix<Scalar>
    ) {
        guard let gate = network.gate, let index = gate.point(reading, layer) else { return }
        points.append(gate.weigh(at: index, features(), batch))
    }

    /// The way back of ``askGate(_:_:_:)``; adds to the derivative by the features.
    func propagateGate(_ reading: GateReading, _ layer: Int, into gradient: Matrix<Scalar>) {
        guard let gate = network.gate, let index = gate.point(reading, layer) else { return }
        gate.propagate(points[index], batch, gradients, into: gradient)
    }
}
