// SPDX-License-Identifier: Apache-2.0

extension ModelWeights {
    /// The names that `synthetic(preset:seed:)` knows.
    package static let presets = ["smollm2-135m", "smollm2-360m", "tinyllama-1.1b"]

    /// A model with the exact shapes of a published one and random bf16 weights, for benchmarks.
    ///
    /// It has no tokenizer, and so no begin or end tokens.
    package static func synthetic(
        preset: String, seed: UInt64
    ) throws(ModelLoadingError) -> ModelWeights {
        guard let configuration = configuration(preset: preset) else {
            throw ModelLoadingError(
                .notFound,
                "there is no synthetic model \"\(preset)\"; use one of "
                    + presets.joined(separator: ", "), key: "preset")
        }
        return try synthetic(configuration, name: preset, seed: seed)
    }

    /// A model of any configuration with random bf16 weights; its norms are all one.
    package static func synthetic(
        _ configuration: ModelConfiguration, name: String, seed: UInt64
    ) throws(ModelLoadingError) -> ModelWeights {
        let layout = ModelTensorLayout(configuration: configuration)
        let entries = layout.entries
        var random = RandomTensors(
            seed: seed, largestTensor: entries.map { $0.shape.reduce(1, *) }.max() ?? 1,
            widestRow: entries.compactMap(\.shape.last).max() ?? 1)
        let tensors = random.tensors(entries) { $0.contains("norm") }
        return try ModelWeights(
            configuration: configuration, folder: nil, name: name, tensors: tensors)
    }

    /// Shapes from the published `config.json` of SmolLM2-135M, SmolLM2-360M and
    /// TinyLlama-1.1B-Chat-v1.0; nil for a name that is not in `presets`.
    package static func configuration(preset: String) -> ModelConfiguration? {
        switch preset {
        case "smollm2-135m":
            ModelConfiguration(
                family: .llama, hiddenSize: 576, intermediateSize: 1536, layerCount: 30,
                headCount: 9, kvHeadCount: 3, headSize: 64, vocabularySize: 49_152,
                contextLength: 8192, rope: RopeConfiguration(theta: 100_000), tiedEmbeddings: true)
        case "smollm2-360m":
            ModelConfiguration(
                family: .llama, hiddenSize: 960, intermediateSize: 2560, layerCount: 32,
                headCount: 15, kvHeadCount: 5, headSize: 64, vocabularySize: 49_152,
                contextLength: 8192, rope: RopeConfiguration(theta: 100_000), tiedEmbeddings: true)
        case "tinyllama-1.1b":
            ModelConfiguration(
                family: .llama, hiddenSize: 2048, intermediateSize: 5632, layerCount: 22,
                headCount: 32, kvHeadCount: 4, headSize: 64, vocabularySize: 32_000,
                contextLength: 2048)
        default:
            nil
        }
    }
}
