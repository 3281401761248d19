// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// The tensors of one point, as the evaluation wants them.
struct SiteParameters: Sendable {
    /// Features of a row; 0 where they are not looked at.
    let inputs: Int
    let sets: Int

    /// Matrices in a row that have the weights of one set each to themselves.
    private let copies: Int
    private let configuration: MoLEConfiguration
    private let token: GateProjection?
    let pool: GateProjection?
    private let bias: [Float]

    /// With a hidden layer, for each set.
    private let outputs: [(weight: GateProjection, bias: [Float])]
    private let softmaxes: [ExpertSoftmax]
    private let outputNorm: OutputNorm?

    /// Space for one row.
    struct Scratch {
        var sums: [Float]
        var logits: [Float]
        var ranks: [Float]
    }

    /// Takes the tensors of a site out of `parameters`.
    ///
    /// - Throws: ``PolicyKit/PolicyError`` where one is missing or does not fit.
    init(
        _ site: MoLESite, _ configuration: MoLEConfiguration, norm: OutputNorm?, width: Int?,
        takingFrom parameters: inout MoLEParameters
    ) throws(PolicyError) {
        self.configuration = configuration
        sets = site.names.count
        copies = site.point.matrices / max(1, site.names.count)
        let rows = configuration.projected
        var (token, pool) = (Stack(), Stack())
        var bias: [Float] = []
        var outputs: [(weight: GateProjection, bias: [Float])] = []
        var softmaxes: [ExpertSoftmax] = []
        for name in site.names {
            if configuration.pooling.hasTokenTerm {
                token.append(try parameters.take("\(name).gate.weight", [rows, width]))
            }
            if configuration.pooling.hasPoolTerm {
                pool.append(try parameters.take("\(name).pool.weight", [rows, width]))
            }
            bias += try parameters.take("\(name).bias", [rows]).values
            if configuration.hidden > 0 {
                let weight = try parameters.take(
                    "\(name).out.weight", [configuration.logits, configuration.hidden])
                outputs.append(
                    (
                        try GateProjection(weight),
                        try parameters.take("\(name).out.bias", [configuration.logits]).values
                    ))
            }
            let logTau = try parameters.take("\(name).log_tau", [1]).values[0]
            guard abs(logTau) <= 20 else {
                throw PolicyError(
                    "the tensor '\(name).log_tau' is \(logTau); -20 to 20 are possible")
            }
            softmaxes.append(
                ExpertSoftmax(
                    logTemperature: logTau,
                    mostExperts: configuration.topK > 0 ? configuration.topK : .max))
        }
        self.token = try token.projection
        self.pool = try pool.projection
        inputs = self.token?.inputs ?? self.pool?.inputs ?? 0
        self.bias = bias
        self.outputs = outputs
        self.softmaxes = softmaxes
        outputNorm = norm
        try checkWidths(of: site)
    }

    private func checkWidths(of site: MoLESite) throws(PolicyError) {
        for other in [token?.inputs, pool?.inputs, outputNorm?.inputs] {
            guard let other, other != inputs else { continue }
            throw PolicyError("'\(site.names[0])' reads \(inputs) features and \(other) at once")
        }
    }

    /// Matrices of the sets, one below the other.
    private struct Stack {
        var shape: [Int] = [0, 0]
        var values: [Float] = []
        var isEven = true

        mutating func append(_ tensor: GateTensor) {
            isEven = isEven && (shape[0] == 0 || shape[1] == tensor.shape[1])
            shape = [shape[0] + tensor.shape[0], tensor.shape[1]]
            values += tensor.values
        }

        var projection: GateProjection? {
            get throws(PolicyError) {
                guard shape[0] > 0 else { return nil }
                guard isEven else { throw PolicyError("matrices of one point differ in width") }
                return try GateProjection(GateTensor(shape: shape, values: values))
            }
        }
    }

    /// Weights of one row.
    var weightCount: Int { sets * copies * configuration.experts.count }

    var scratch: Scratch {
        Scratch(
            sums: bias, logits: Array(repeating: 0, count: configuration.logits),
            ranks: Array(repeating: 0, count: outputNorm?.largestRank ?? 0))
    }

    /// Whether features go into the pool as they are, and only the sum is divided by a norm.
    var poolsBareFeatures: Bool { configuration.poolDivisor == .norm }

    /// Floats of state: the pooled sums, and with the divisor `norm` the sum of the squares.
    var poolState: Int { (pool?.outputs ?? 0) + (poolsBareFeatures ? 1 : 0) }

    // MARK: - One row

    /// The square of the norm that features are divided by.
    func squaredNorm(of row: Span<Float>, _ scratch: inout Scratch) -> Float {
        let epsilon = Float(configuration.epsilon)
        switch configuration.normalisation {
        case .none: return poolsBareFeatures ? Self.squares(row) + epsilon : 1
        case .rms: return Self.squares(row) / Float(row.count) + epsilon
        case .outputs:
            var ranks = scratch.ranks.mutableSpan
            return (outputNorm?.square(of: row, scratch: &ranks) ?? 0) + epsilon
        }
    }

    private static func squares(_ row: Span<Float>) -> Float {
        var sums = SIMD4<Float>.zero
        var index = 0
        while index + 4 <= row.count {
            let values = SIMD4(row[index], row[index + 1], row[index + 2], row[index + 3])
            sums += values * values
            index += 4
        }
        while index < row.count {
            sums[0] += row[index] * row[index]
            index += 1
        }
        return (sums[0] + sums[1]) + (sums[2] + sums[3])
    }

    /// What a token's features are multiplied by.
    func scale(_ squaredNorm: Float) -> Float {
        configuration.normalisation == .none || squaredNorm <= 0 ? 1 : 1 / squaredNorm.squareRoot()
    }

    /// Begins a row with the bias and the token's own term.
    func begin(_ row: Span<Float>, scale: Float, _ scratch: inout Scratch) {
        var sums = scratch.sums.mutableSpan
        for index in bias.indices { sums[index] = bias[index] }
        token?.add(row, scaledBy: scale, to: &sums, at: 0)
    }

    /// Adds a token to a pool that lies in `pools` from `start` on.
    func accumulate(
        _ row: Span<Float>, squaredNorm: Float, into pools: inout MutableSpan<Float>, at start: Int
    ) {
        guard let pool else { return }
        let scale = poolsBareFeatures ? 1 : scale(squaredNorm)
        pool.add(row, scaledBy: scale, to: &pools, at: start)
        if poolsBareFeatures { pools[start + pool.outputs] += squaredNorm }
    }

    /// Adds the term of a pool of `count` tokens, which lies in `pools` from `start` on.
    func addPool(
        _ pools: borrowing MutableSpan<Float>, at start: Int, count: Int, _ scratch: inout Scratch
    ) {
        guard let pool else { return }
        let divisor: Float =
            switch configuration.poolDivisor {
            case .rootCount: Float(count).squareRoot()
            case .count: Float(count)
            case .norm: pools[start + pool.outputs].squareRoot()
            }
        let factor = divisor > 0 ? 1 / divisor : 1
        for index in 0..<pool.outputs { scratch.sums[index] += pools[start + index] * factor }
    }

    private func apply(
        _ output: (weight: GateProjection, bias: [Float]), to units: Span<Float>,
        into logits: inout [Float]
    ) {
        var sums = logits.mutableSpan
        for index in output.bias.indices { sums[index] = output.bias[index] }
        output.weight.add(units, scaledBy: 1, to: &sums, at: 0)
    }

    /// Turns the sums into the weights of all sets.
    func finish(
        _ scratch: inout Scratch, masked: UInt64, into weights: inout MutableSpan<Float>,
        at start: Int
    ) {
        let experts = configuration.experts.count
        let rows = configuration.projected
        for set in 0..<sets {
            let own = set * rows..<(set + 1) * rows
            let target = start + set * copies * experts
            if configuration.hidden > 0 {
                for index in own { scratch.sums[index] = max(0, scratch.sums[index]) }
                // Out of `scratch` for a while: one part of it is read while another is written.
                var logits: [Float] = []
                swap(&logits, &scratch.logits)
                apply(outputs[set], to: scratch.sums.span.extracting(own), into: &logits)
                softmaxes[set].weigh(
                    logits.span, experts: experts, masked: masked, into: &weights, at: target)
                swap(&logits, &scratch.logits)
            } else {
                softmaxes[set].weigh(
                    scratch.sums.span.extracting(own), experts: experts, masked: masked,
                    into: &weights, at: target)
            }
            for index in target + experts..<target + copies * experts {
                weights[index] = weights[index - experts]
            }
        }
    }
}
