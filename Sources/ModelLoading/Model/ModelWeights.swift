// SPDX-License-Identifier: Apache-2.0

/// A base model's checked configuration and tensors; never written after it was opened.
package final class ModelWeights: Sendable {
    package let configuration: ModelConfiguration
    /// The folder it was read from; nil when it is synthetic.
    package let folder: String?
    /// The folder's last component, or the preset's name.
    package let name: String
    /// The weight files; none when it is synthetic.
    package let files: [FileIdentity]
    /// Bytes of all tensors, counting a tied embedding once.
    package let byteCount: Int

    package let embedding: TensorView
    package let finalNorm: TensorView
    /// `[vocabularySize, hiddenSize]`: the embedding itself when they are tied.
    package let outputHead: TensorView
    private let layers: [LayerTensors]

    /// The tensors of one transformer block.
    struct LayerTensors: Sendable {
        var linears: [LinearKind: TensorView] = [:]
        var biases: [LinearKind: TensorView] = [:]
        var norms: [NormKind: TensorView] = [:]

        var all: [TensorView] {
            Array(linears.values) + Array(biases.values) + Array(norms.values)
        }
    }

    /// Assembles tensors by name; each of `ModelTensorLayout`'s names must be in `tensors`.
    init(
        configuration: ModelConfiguration, folder: String?, name: String,
        files: [FileIdentity] = [], tensors: [String: TensorView]
    ) throws(ModelLoadingError) {
        let layout = ModelTensorLayout(configuration: configuration)
        func tensor(_ wanted: ModelTensorLayout.Entry) throws(ModelLoadingError) -> TensorView {
            guard let view = tensors[wanted.name] else { throw layout.missing(wanted) }
            return view
        }
        var layers: [LayerTensors] = []
        for layer in 0..<configuration.layerCount {
            var block = LayerTensors()
            for linear in LinearKind.allCases {
                block.linears[linear] = try tensor(layout.linear(layer: layer, linear))
                if configuration.linearBiases.contains(linear) {
                    block.biases[linear] = try tensor(layout.bias(layer: layer, linear))
                }
            }
            for norm in layout.norms {
                block.norms[norm] = try tensor(layout.norm(layer: layer, norm))
            }
            layers.append(block)
        }
        self.layers = layers
        self.configuration = configuration
        self.folder = folder
        self.name = name
        self.files = files
        embedding = try tensor(layout.embedding)
        finalNorm = try tensor(layout.finalNorm)
        outputHead = configuration.tiedEmbeddings ? embedding : try tensor(layout.outputHead)
        let head = configuration.tiedEmbeddings ? 0 : outputHead.byteCount
        byteCount = layers.flatMap(\.all).reduce(
            embedding.byteCount + finalNorm.byteCount + head
        ) { $0 + $1.byteCount }
    }

    /// The weight of a linear layer, `[outputSize, inputSize]`.
    package func linear(layer: Int, _ kind: LinearKind) -> TensorView {
        guard let view = layers[layer].linears[kind] else {
            preconditionFailure("layer \(layer) has no \(kind): init sets every kind")
        }
        return view
    }

    /// The bias of a linear layer, `[outputSize]`, for the kinds in `linearBiases`.
    package func bias(layer: Int, _ kind: LinearKind) -> TensorView? {
        layers[layer].biases[kind]
    }

    /// A norm's weight: `[hiddenSize]`, or `[headSize]` for `query` and `key`, which are nil
    /// without `queryKeyNorm`.
    package func norm(layer: Int, _ kind: NormKind) -> TensorView? {
        layers[layer].norms[kind]
    }
}
