// SPDX-License-Identifier: Apache-2.0

internal import ModelLoading
internal import PolicyKit

/// One way of whole sequences through a network and back.
///
/// The way there keeps what the way back needs, of every block; all rows of the batch go through
/// each linear layer at once.
final class SequencePass<Scalar: TrainingScalar> {
    /// What a block keeps.
    struct BlockTape {
        let input: Matrix<Scalar>
        /// After the attention.
        let middle: Matrix<Scalar>
        let inputFactors: [Scalar]
        let middleFactors: [Scalar]
        let attention: AttentionTape<Scalar>
        let gate: Matrix<Scalar>
        let up: Matrix<Scalar>
    }

    let network: Network<Scalar>
    let batch: TokenBatch
    let rotation: Rotation<Scalar>
    /// Of each block, by group of linear layers.
    var groups: [LinearGroupTape<Scalar>] = []
    /// The gate's points in the order of the computation.
    var points: [PointTape<Scalar>] = []
    private(set) var gradients: [Matrix<Scalar>] = []
    private var blocks: [BlockTape] = []
    private var head: HeadTape<Scalar>?

    init(_ network: Network<Scalar>, _ batch: TokenBatch) {
        self.network = network
        self.batch = batch
        rotation = Rotation(positions: batch.positions, network.model.configuration)
    }

    var model: FrozenModel<Scalar> { network.model }
    var configuration: ModelConfiguration { model.configuration }

    func zeros(_ columns: Int) -> Matrix<Scalar> { Matrix(batch.rowCount, columns) }

    // MARK: - There

    /// Computes the losses of all targets.
    func run() { head = HeadTape(model, runBlocks(), batch) }

    /// What the output head reads.
    private func finalHidden() -> Matrix<Scalar> {
        let residual = runBlocks()
        let normed = zeros(residual.columns)
        _ = model.finalNorm.apply(residual, into: normed)
        return normed
    }

    /// The residual stream behind all blocks.
    private func runBlocks() -> Matrix<Scalar> {
        let x = zeros(configuration.hiddenSize)
        for (row, token) in batch.tokens.enumerated() {
            x.row(row).update(from: model.embedding.row(Int(token)), count: x.columns)
        }
        askGate(.tokens, -1, zeros(0))
        if let base = network.base {
            askGate(.finalHidden, -1, SequencePass(base, batch).finalHidden())
        }
        var residual = x
        for layer in 0..<configuration.layerCount { residual = runBlock(layer, residual) }
        return residual
    }

    /// What came of the targets; after ``run()``.
    var outcome: HeadOutcome { head?.outcome ?? HeadOutcome() }

    private func runBlock(_ layer: Int, _ input: Matrix<Scalar>) -> Matrix<Scalar> {
        let block = model.blocks[layer]
        askGate(.blockInput, layer, input)
        let normed = zeros(input.columns)
        let inputFactors = block.inputNorm.apply(input, into: normed)
        let projections = runLinears(.attentionInput, layer, normed)
        let attention = AttentionTape(self, layer, projections)
        let middle = runLinears(.attentionOutput, layer, attention.output)[0]
        middle.add(input)
        let middleNormed = zeros(input.columns)
        let middleFactors = block.outputNorm.apply(middle, into: middleNormed)
        let inner = runLinears(.feedForwardInput, layer, middleNormed)
        let product = zeros(configuration.intermediateSize)
        GatedUnit.apply(gate: inner[0], up: inner[1], into: product)
        let output = runLinears(.feedForwardOutput, layer, product)[0]
        output.add(middle)
        blocks.append(
            BlockTape(
                input: input, middle: middle, inputFactors: inputFactors,
                middleFactors: middleFactors, attention: attention, gate: inner[0], up: inner[1]))
        return output
    }

    // MARK: - And back

    /// The derivatives of `lossScale` times the sum of the losses, plus those that
    /// ``PointTape/gradient`` holds already, by all parameters of the network.
    ///
    /// - Returns: the derivative by the embeddings of the rows.
    @discardableResult
    func runBack(lossScale: Scalar) -> Matrix<Scalar> {
        gradients = network.gradients()
        var gradient = zeros(configuration.hiddenSize)
        head?.propagate(model, batch, scale: lossScale, into: gradient)
        for layer in (0..<configuration.layerCount).reversed() {
            gradient = runBlockBack(layer, gradient)
        }
        // The base model's pass depends on nothing that is trained, and is not followed back.
        propagateGate(.finalHidden, -1, into: zeros(configuration.hiddenSize))
        return gradient
    }

    private func runBlockBack(_ layer: Int, _ gradient: Matrix<Scalar>) -> Matrix<Scalar> {
        let (block, tape) = (model.blocks[layer], blocks[layer])
        let byProduct = runLinearsBack(.feedForwardOutput, layer, [gradient])
        let inner = GatedUnit.propagate(byProduct, gate: tape.gate, up: tape.up)
        let byMiddle = runLinearsBack(.feedForwardInput, layer, [inner.gate, inner.up])
        block.outputNorm.propagate(
            byMiddle, input: tape.middle, factors: tape.middleFactors, into: gradient)
        let byAttended = runLinearsBack(.attentionOutput, layer, [gradient])
        let byProjections = tape.attention.propagate(byAttended, self, layer)
        let byNormed = runLinearsBack(.attentionInput, layer, byProjections)
        block.inputNorm.propagate(
            byNormed, input: tape.input, factors: tape.inputFactors, into: gradient)
        propagateGate(.blockInput, layer, into: gradient)
        return gradient
    }
}
