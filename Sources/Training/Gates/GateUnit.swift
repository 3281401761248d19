// SPDX-License-Identifier: Apache-2.0

internal import MoLE
internal import ModelLoading

/// What gives one set of weights: the formulas of `MoLEConfiguration`, and their derivatives.
struct GateUnit<Scalar: TrainingScalar> {
    private let experts: Int
    private let topK: Int
    private let pooling: TokenPooling<Scalar>
    /// Places in the list of parameters.
    private let token: Int?
    private let pool: Int?
    private let bias: Int
    private let output: Int?
    private let outputBias: Int?
    private let temperature: Int

    /// Appends its parameters: all zeros, but for the hidden layer's inputs, which must differ from
    /// each other to be trained and are drawn as linear layers usually are, within 1/√width.
    init(
        _ configuration: MoLEConfiguration, name: String, width: Int,
        _ parameters: inout [Parameter<Scalar>], _ random: inout SplitMix64
    ) {
        experts = configuration.experts.count
        topK = configuration.topK
        pooling = TokenPooling(configuration)
        let (rows, logits) = (configuration.projected, configuration.logits)
        func append(_ part: String, _ shape: [Int], decays: Bool = false) -> Int {
            let matrix = Matrix<Scalar>(shape.count == 2 ? shape[0] : 1, shape[shape.count - 1])
            parameters.append(
                Parameter(name: "\(name).\(part)", shape: shape, matrix: matrix, decays: decays))
            return parameters.count - 1
        }
        let hasToken = configuration.pooling.hasTokenTerm
        let hasPool = configuration.pooling.hasPoolTerm
        token = hasToken ? append("gate.weight", [rows, width], decays: true) : nil
        pool = hasPool ? append("pool.weight", [rows, width], decays: true) : nil
        bias = append("bias", [rows])
        let isHidden = configuration.hidden > 0
        output = isHidden ? append("out.weight", [logits, rows], decays: true) : nil
        outputBias = isHidden ? append("out.bias", [logits]) : nil
        temperature = append("log_tau", [1])
        guard isHidden else { return }
        for place in inputPlaces {
            random.fill(parameters[place].matrix, within: 1 / Double(max(1, width)).squareRoot())
        }
    }

    /// The places of the matrices that multiply features.
    var inputPlaces: [Int] { [token, pool].compactMap { $0 } }

    /// Weighs rows; `squares` are those of the norms of the features, where something is divided by
    /// them.
    func weigh(
        _ features: Matrix<Scalar>, _ squares: [Scalar], _ batch: TokenBatch,
        _ parameters: [Parameter<Scalar>]
    ) -> UnitTape<Scalar> {
        var pooled: Matrix<Scalar>?
        let projected = Matrix<Scalar>(features.rows, parameters[bias].matrix.columns)
        if let pool {
            projected.set(features, times: parameters[pool].matrix.transposed)
            pooling.apply(to: projected, squares, batch)
            pooled = pooling.usesNorm ? projected.copied() : nil
        }
        if let token {
            projected.set(features, times: parameters[token].matrix.transposed, adding: true)
        }
        projected.addToRows(parameters[bias].matrix)
        var logits = projected
        if let output, let outputBias {
            for row in 0..<projected.rows {
                let values = projected.row(row)
                for column in 0..<projected.columns { values[column] = max(0, values[column]) }
            }
            logits = Matrix(features.rows, parameters[output].matrix.rows)
            logits.set(projected, times: parameters[output].matrix.transposed)
            logits.addToRows(parameters[outputBias].matrix)
        }
        let scaled = logits.copied()
        scaled.scale(by: Scalar.exponential(-parameters[temperature].matrix[0, 0]))
        return UnitTape(
            pooled: pooled, hidden: projected, scaledLogits: scaled, experts: experts, topK: topK)
    }

    func propagate(
        _ tape: UnitTape<Scalar>, _ point: PointTape<Scalar>, _ batch: TokenBatch,
        _ result: GateGradients<Scalar>
    ) {
        let byLogits = tape.gradientByScaledLogits()
        var byTemperature: Scalar = 0
        for row in 0..<byLogits.rows {
            let (gradient, logits) = (byLogits.row(row), tape.scaledLogits.row(row))
            for column in 0..<byLogits.columns {
                byTemperature -= gradient[column] * logits[column]
            }
        }
        result.gradients[temperature][0, 0] += byTemperature
        byLogits.scale(by: Scalar.exponential(-result.parameters[temperature].matrix[0, 0]))
        let byProjected = propagateHidden(tape, byLogits, result)
        result.gradients[bias].addRows(of: byProjected)
        if let token { result.add(byProjected, point.read, parameter: token) }
        if let pool {
            if let pooled = tape.pooled {
                pooling.propagateToSquares(
                    byProjected, pooled, point.squares, batch, into: result.bySquares.row(0))
            }
            pooling.propagate(byProjected, point.squares, batch)
            result.add(byProjected, point.read, parameter: pool)
        }
    }

    private func propagateHidden(
        _ tape: UnitTape<Scalar>, _ byLogits: Matrix<Scalar>, _ result: GateGradients<Scalar>
    ) -> Matrix<Scalar> {
        guard let output, let outputBias else { return byLogits }
        result.gradients[outputBias].addRows(of: byLogits)
        result.gradients[output].set(byLogits.transposed, times: tape.hidden, adding: true)
        let byHidden = Matrix<Scalar>(byLogits.rows, tape.hidden.columns)
        byHidden.set(byLogits, times: result.parameters[output].matrix)
        for row in 0..<byHidden.rows {
            let (gradient, hidden) = (byHidden.row(row), tape.hidden.row(row))
            for column in 0..<byHidden.columns where hidden[column] <= 0 { gradient[column] = 0 }
        }
        return byHidden
    }
}

/// Where the derivatives of a gate go.
struct GateGradients<Scalar: TrainingScalar> {
    let parameters: [Parameter<Scalar>]
    let gradients: [Matrix<Scalar>]
    let byFeatures: Matrix<Scalar>
    /// `[1, rows]`, of the norms of the features.
    let bySquares: Matrix<Scalar>

    /// Those of a product of the features with a parameter.
    func add(_ byProduct: Matrix<Scalar>, _ features: Matrix<Scalar>, parameter: Int) {
        gradients[parameter].set(byProduct.transposed, times: features, adding: true)
        byFeatures.set(byProduct, times: parameters[parameter].matrix, adding: true)
    }
}

/// What a unit keeps for the way back.
///
/// Where only the highest weights count, the way back takes all: an expert that was left out could
/// not be found to be of use otherwise (the straight-through estimate).
struct UnitTape<Scalar: TrainingScalar> {
    /// What came of the pool, where that is divided by a norm.
    let pooled: Matrix<Scalar>?
    /// After the rectifier, where there is a hidden layer; the logits otherwise.
    let hidden: Matrix<Scalar>
    /// Divided by the temperature.
    let scaledLogits: Matrix<Scalar>
    /// With that of the null expert, if there is one.
    private let probabilities: Matrix<Scalar>
    /// `[rows, experts]`
    let weights: Matrix<Scalar>
    /// The derivative by the weights, to be added to.
    let gradient: Matrix<Scalar>

    /// With `topK` above 0 only so many experts, those of the highest logits, share the weight.
    init(
        pooled: Matrix<Scalar>? = nil, hidden: Matrix<Scalar>, scaledLogits: Matrix<Scalar>,
        experts: Int, topK: Int
    ) {
        self.pooled = pooled
        self.hidden = hidden
        self.scaledLogits = scaledLogits
        probabilities = scaledLogits.copied()
        for row in 0..<probabilities.rows {
            Softmax<Scalar>.apply(
                probabilities.row(row), probabilities.columns, of: probabilities.columns)
        }
        let all = probabilities.part(columns: 0..<experts)
        weights = topK > 0 && topK < experts ? all.copied() : all
        gradient = Matrix(weights.rows, experts)
        guard topK > 0, topK < experts else { return }
        for row in 0..<weights.rows { Self.keep(topK, of: weights.row(row), experts) }
    }

    /// Hands the weight of all but the highest to those in proportion; of equals the first stay.
    private static func keep(
        _ count: Int, of weights: UnsafeMutablePointer<Scalar>, _ experts: Int
    ) {
        let order = (0..<experts).sorted { (weights[$1], $0) < (weights[$0], $1) }
        let whole = (0..<experts).reduce(Scalar(0)) { $0 + weights[$1] }
        let kept = order.prefix(count).reduce(Scalar(0)) { $0 + weights[$1] }
        for expert in order.prefix(count) { weights[expert] *= whole / kept }
        for expert in order.dropFirst(count) { weights[expert] = 0 }
    }

    func gradientByScaledLogits() -> Matrix<Scalar> {
        let result = Matrix<Scalar>(probabilities.rows, probabilities.columns)
        result.part(columns: 0..<gradient.columns).copy(gradient)
        for row in 0..<result.rows {
            Softmax<Scalar>.propagate(result.row(row), probabilities.row(row), result.columns)
        }
        return result
    }
}
