// SPDX-License-Identifier: Apache-2.0

/// Which tensors a configuration calls for: their names and shapes in the published files.
struct ModelTensorLayout {
    struct Entry: Hashable {
        let name: String
        let shape: [Int]
    }

    let configuration: ModelConfiguration

    var embedding: Entry {
        Entry(
            name: "model.embed_tokens.weight",
            shape: [configuration.vocabularySize, configuration.hiddenSize])
    }

    var finalNorm: Entry { Entry(name: "model.norm.weight", shape: [configuration.hiddenSize]) }

    var outputHead: Entry { Entry(name: "lm_head.weight", shape: embedding.shape) }

    /// The norms that every layer has, in this family.
    var norms: [NormKind] {
        configuration.queryKeyNorm ? NormKind.allCases : [.input, .postAttention]
    }

    func linear(layer: Int, _ kind: LinearKind) -> Entry {
        Entry(
            name: "model.layers.\(layer).\(kind.moduleName).weight",
            shape: [configuration.outputSize(of: kind), configuration.inputSize(of: kind)])
    }

    func bias(layer: Int, _ kind: LinearKind) -> Entry {
        Entry(
            name: "model.layers.\(layer).\(kind.moduleName).bias",
            shape: [configuration.outputSize(of: kind)])
    }

    func norm(layer: Int, _ kind: NormKind) -> Entry {
        let size =
            switch kind {
            case .input, .postAttention: configuration.hiddenSize
            case .query, .key: configuration.headSize
            }
        return Entry(name: "model.layers.\(layer).\(kind.moduleName).weight", shape: [size])
    }

    /// Every tensor, in the order of the computation.
    var entries: [Entry] {
        var entries = [embedding]
        for layer in 0..<configuration.layerCount {
            entries += norms.map { norm(layer: layer, $0) }
            for kind in LinearKind.allCases {
                entries.append(linear(layer: layer, kind))
                if configuration.linearBiases.contains(kind) {
                    entries.append(bias(layer: layer, kind))
                }
            }
        }
        entries.append(finalNorm)
        if !configuration.tiedEmbeddings { entries.append(outputHead) }
        return entries
    }

    func missing(_ entry: Entry) -> ModelLoadingError {
        let hint =
            entry.name == outputHead.name
            ? "; if the model shares it with the embedding, set tie_word_embeddings to true" : ""
        return ModelLoadingError(
            .missingTensor,
            "the configuration calls for this tensor of shape \(entry.shape), "
                + "but no file of the model holds it\(hint)",
            key: entry.name)
    }
}
