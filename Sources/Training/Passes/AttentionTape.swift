// SPDX-License-Identifier: Apache-2.0

internal import ModelLoading

/// Causal attention within each sequence, and what its way back needs.
struct AttentionTape<Scalar: TrainingScalar> {
    private let queries: Matrix<Scalar>
    private let keys: Matrix<Scalar>
    private let values: Matrix<Scalar>
    /// Before the norms over the heads, in families that have them.
    private let rawQueries: Matrix<Scalar>?
    private let rawKeys: Matrix<Scalar>?
    private let queryFactors: [Scalar]
    private let keyFactors: [Scalar]
    /// Of each sequence, `[heads * tokens, tokens]`.
    private let probabilities: [Matrix<Scalar>]
    /// `[rows, heads * headSize]`
    let output: Matrix<Scalar>

    /// Attends with `projections`: queries, keys and values, of which the first two are rotated in
    /// place.
    init(_ pass: SequencePass<Scalar>, _ layer: Int, _ projections: [Matrix<Scalar>]) {
        let (configuration, block) = (pass.configuration, pass.model.blocks[layer])
        (queries, keys, values) = (projections[0], projections[1], projections[2])
        (rawQueries, queryFactors) = Self.normalise(
            queries, block.queryNorm, configuration.headSize)
        (rawKeys, keyFactors) = Self.normalise(keys, block.keyNorm, configuration.headSize)
        pass.rotation.apply(to: queries)
        pass.rotation.apply(to: keys)
        output = pass.zeros(queries.columns)
        var probabilities: [Matrix<Scalar>] = []
        for span in pass.batch.spans {
            let count = span.rows.count
            let all = Matrix<Scalar>(configuration.headCount * count, count)
            for head in 0..<configuration.headCount {
                let part = HeadPart(head: head, rows: span.rows, configuration)
                let scores = all.part(rows: head * count..<(head + 1) * count)
                scores.set(
                    part.ofQuery(queries), times: part.ofKey(keys).transposed, scale: part.scale())
                for row in 0..<count { Softmax<Scalar>.apply(scores.row(row), row + 1, of: count) }
                part.ofQuery(output).set(scores, times: part.ofKey(values))
            }
            probabilities.append(all)
        }
        self.probabilities = probabilities
    }

    private static func normalise(
        _ matrix: Matrix<Scalar>, _ norm: RMSNorm<Scalar>?, _ headSize: Int
    ) -> (raw: Matrix<Scalar>?, factors: [Scalar]) {
        guard let norm else { return (nil, []) }
        let raw = matrix.copied()
        return (raw, norm.apply(raw.inRows(of: headSize), into: matrix.inRows(of: headSize)))
    }

    /// The derivatives by queries, keys and values as they were projected.
    func propagate(
        _ gradient: Matrix<Scalar>, _ pass: SequencePass<Scalar>, _ layer: Int
    ) -> [Matrix<Scalar>] {
        let (configuration, block) = (pass.configuration, pass.model.blocks[layer])
        let byQueries = pass.zeros(queries.columns)
        let byKeys = pass.zeros(keys.columns)
        let byValues = pass.zeros(values.columns)
        for (span, all) in zip(pass.batch.spans, probabilities) {
            let count = span.rows.count
            let byScores = Matrix<Scalar>(count, count)
            for head in 0..<configuration.headCount {
                let part = HeadPart(head: head, rows: span.rows, configuration)
                let scores = all.part(rows: head * count..<(head + 1) * count)
                let byOutput = part.ofQuery(gradient)
                byScores.set(byOutput, times: part.ofKey(values).transposed)
                for row in 0..<count {
                    Softmax<Scalar>.propagate(byScores.row(row), scores.row(row), count)
                }
                part.ofKey(byValues).set(scores.transposed, times: byOutput, adding: true)
                part.ofQuery(byQueries).set(
                    byScores, times: part.ofKey(keys), scale: part.scale())
                part.ofKey(byKeys).set(
                    byScores.transposed, times: part.ofQuery(queries), scale: part.scale(),
                    adding: true)
            }
        }
        pass.rotation.apply(to: byQueries, backwards: true)
        pass.rotation.apply(to: byKeys, backwards: true)
        let size = configuration.headSize
        return [
            Self.unnormalise(byQueries, block.queryNorm, rawQueries, queryFactors, size),
            Self.unnormalise(byKeys, block.keyNorm, rawKeys, keyFactors, size), byValues,
        ]
    }

    private static func unnormalise(
        _ gradient: Matrix<Scalar>, _ norm: RMSNorm<Scalar>?, _ raw: Matrix<Scalar>?,
        _ factors: [Scalar], _ headSize: Int
    ) -> Matrix<Scalar> {
        guard let norm, let raw else { return gradient }
        let result = Matrix<Scalar>(gradient.rows, gradient.columns)
        norm.propagate(
            gradient.inRows(of: headSize), input: raw.inRows(of: headSize), factors: factors,
            into: result.inRows(of: headSize))
        return result
    }
}

/// Where a head's values of one sequence lie.
private struct HeadPart {
    let rows: Range<Int>
    let queryColumns: Range<Int>
    let keyColumns: Range<Int>
    let headSize: Int

    init(head: Int, rows: Range<Int>, _ configuration: ModelConfiguration) {
        headSize = configuration.headSize
        let group = configuration.headCount / configuration.kvHeadCount
        self.rows = rows
        queryColumns = head * headSize..<(head + 1) * headSize
        keyColumns = head / group * headSize..<(head / group + 1) * headSize
    }

    func scale<Scalar: TrainingScalar>() -> Scalar { 1 / Scalar(headSize).squareRoot() }

    func ofQuery<Scalar>(_ matrix: Matrix<Scalar>) -> Matrix<Scalar> {
        matrix.part(rows: rows, columns: queryColumns)
    }

    func ofKey<Scalar>(_ matrix: Matrix<Scalar>) -> Matrix<Scalar> {
        matrix.part(rows: rows, columns: keyColumns)
    }
}
