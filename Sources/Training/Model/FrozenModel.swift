// SPDX-License-Identifier: Apache-2.0

internal import Inference
internal import ModelLoading

/// The weights of a base model in the precision of training; nothing here is ever trained.
final class FrozenModel<Scalar: TrainingScalar> {
    /// The weights of a transformer block.
    struct Block {
        /// By `LinearKind.ordinal`: `[outputSize, inputSize]`.
        var linears: [Matrix<Scalar>]
        /// By `LinearKind.ordinal`: `[1, outputSize]`.
        var biases: [Matrix<Scalar>?]
        var inputNorm: RMSNorm<Scalar>
        var outputNorm: RMSNorm<Scalar>
        /// Over each head, where the family has them.
        var queryNorm: RMSNorm<Scalar>?
        var keyNorm: RMSNorm<Scalar>?
    }

    let configuration: ModelConfiguration
    /// `[vocabularySize, hiddenSize]`
    let embedding: Matrix<Scalar>
    let outputHead: Matrix<Scalar>
    let finalNorm: RMSNorm<Scalar>
    let blocks: [Block]

    init(_ weights: ModelWeights) {
        // Chooses the kernels of the library, on one thread, before several use it.
        _ = BLAS.core
        let configuration = weights.configuration
        self.configuration = configuration
        embedding = Self.matrix(weights.embedding)
        outputHead =
            configuration.tiedEmbeddings ? embedding : Self.matrix(weights.outputHead)
        finalNorm = RMSNorm(
            weight: Self.vector(weights.finalNorm), epsilon: Scalar(configuration.normEpsilon))
        blocks = (0..<configuration.layerCount).map { Self.block($0, of: weights) }
    }

    private static func block(_ layer: Int, of weights: ModelWeights) -> Block {
        func norm(_ kind: NormKind) -> RMSNorm<Scalar>? {
            weights.norm(layer: layer, kind).map {
                RMSNorm(
                    weight: vector($0), epsilon: Scalar(weights.configuration.normEpsilon))
            }
        }
        let none = RMSNorm<Scalar>(
            weight: nil, epsilon: Scalar(weights.configuration.normEpsilon))
        return Block(
            linears: LinearKind.allCases.map { matrix(weights.linear(layer: layer, $0)) },
            biases: LinearKind.allCases.map { weights.bias(layer: layer, $0).map(vector) },
            inputNorm: norm(.input) ?? none, outputNorm: norm(.postAttention) ?? none,
            queryNorm: norm(.query), keyNorm: norm(.key))
    }

    private static func matrix(_ view: TensorView) -> Matrix<Scalar> {
        Matrix(view.shape[0], view.shape[1], view.floats())
    }

    private static func vector(_ view: TensorView) -> Matrix<Scalar> {
        Matrix(1, view.elementCount, view.floats())
    }
}
