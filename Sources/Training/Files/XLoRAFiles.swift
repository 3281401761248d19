// SPDX-License-Identifier: Apache-2.0

internal import Foundation
package import MoLE
package import ModelLoading
internal import PolicyKit

/// Writes a gate that reads the final hidden state as an X-LoRA classifier of PEFT: its linear layers
/// under `base_model.internal_xlora_classifier.layers`, and an `adapter_config.json` of the type XLORA.
package struct XLoRAFiles {
    private let configuration: MoLEConfiguration
    private let hiddenSize: Int
    /// The layer of each linear layer that an expert changes, in the order of the modules.
    private let layers: [Int]

    /// For a gate over experts of a model.
    ///
    /// - Throws: `invalidSettings` where X-LoRA has nothing that computes the same.
    package init(
        _ configuration: MoLEConfiguration, of experts: [AdapterWeights],
        for model: ModelConfiguration
    ) throws(TrainingError) {
        if let refusal = configuration.refusalOfXLoRA {
            throw TrainingError(.invalidSettings, "X-LoRA cannot hold this gate: \(refusal)")
        }
        self.configuration = configuration
        hiddenSize = model.hiddenSize
        layers = (0..<model.layerCount).flatMap { layer in
            ModelMatrix.allCases.filter { matrix in
                let site = AdapterSite(layer: layer, linear: matrix.linear)
                return experts.contains { $0.sites[site] != nil }
            }.map { _ in layer }
        }
    }

    private var isLayerwise: Bool { configuration.granularity == .blocksAtOnce }

    /// Writes both files into a folder that is made if need be, from the gate's tensors and the
    /// `folders` where the experts lie.
    ///
    /// - Throws: `unwritable`.
    package func write(
        _ tensors: [NamedTensor], folders: [String], to folder: String
    ) throws(TrainingError) {
        let named = Dictionary(
            tensors.map { ($0.name, $0.values) }, uniquingKeysWith: { first, _ in first })
        try TrainedFiles.write(
            linearLayers(named), as: "adapter_model.safetensors", to: folder)
        let file = ConfigurationFile(
            adapters: Dictionary(
                zip(configuration.experts.map(\.name), folders),
                uniquingKeysWith: { first, _ in first }),
            hiddenSize: hiddenSize, layerwiseScalings: isLayerwise,
            depth: configuration.hidden > 0 ? 2 : 1, size: max(1, configuration.hidden))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        guard let text = try? encoder.encode(file) else {
            throw TrainingError(.unwritable, "the configuration is no JSON", at: folder)
        }
        try TrainedFiles.write(
            String(decoding: text, as: UTF8.self) + "\n", as: "adapter_config.json", to: folder)
    }

    /// The classifier's layers; between those of a hidden layer stands a ReLU with a number of its own.
    private func linearLayers(_ tensors: [String: [Float]]) -> [NamedTensor] {
        let prefix = "base_model.internal_xlora_classifier.layers"
        let sets = isLayerwise ? layers.map { "layers.\($0).block" } : ["network"]
        func scaled(_ part: String) -> [Float] {
            sets.flatMap { set -> [Float] in
                // One temperature is all that the file has: each set's own goes into its weights.
                let factor = Float(exp(-Double(tensors["\(set).log_tau"]?.first ?? 0)))
                return (tensors["\(set).\(part)"] ?? []).map { $0 * factor }
            }
        }
        let outputs = sets.count * configuration.experts.count
        guard configuration.hidden > 0 else {
            return [
                NamedTensor("\(prefix).0.weight", [outputs, hiddenSize], scaled("gate.weight")),
                NamedTensor("\(prefix).0.bias", [outputs], scaled("bias")),
            ]
        }
        let units = configuration.hidden
        return [
            NamedTensor(
                "\(prefix).0.weight", [units, hiddenSize], tensors["network.gate.weight"] ?? []),
            NamedTensor("\(prefix).0.bias", [units], tensors["network.bias"] ?? []),
            NamedTensor("\(prefix).2.weight", [outputs, units], scaled("out.weight")),
            NamedTensor("\(prefix).2.bias", [outputs], scaled("out.bias")),
        ]
    }

    /// The keys of PEFT's `XLoraConfig`.
    private struct ConfigurationFile: Encodable {
        let peftType = "XLORA"
        let taskType = "CAUSAL_LM"
        let inferenceMode = true
        let adapters: [String: String]
        let hiddenSize: Int
        let enableSoftmax = true
        let enableSoftmaxTopk = false
        let layerwiseScalings: Bool
        let depth: Int
        let size: Int
        let xloraDropoutP = 0.0
        let softmaxTemperature = 1.0
        let scalingPassValue = 0.0
        let globalScalingWeight = 1.0
        let useTrainableAdapters = false

        enum CodingKeys: String, CodingKey {
            case peftType, taskType, inferenceMode, adapters, hiddenSize, enableSoftmax
            case enableSoftmaxTopk, layerwiseScalings
            case depth = "xloraDepth"
            case size = "xloraSize"
            case xloraDropoutP, softmaxTemperature, scalingPassValue, globalScalingWeight
            case useTrainableAdapters
        }
    }
}

extension MoLEConfiguration {
    /// What X-LoRA has not, in words.
    fileprivate var refusalOfXLoRA: String? {
        let needed: [(Bool, String)] = [
            (reading == .finalHidden, "it reads 'final-hidden'"),
            (pooling == .token, "the pooling is 'token'"),
            (normalisation == .none, "the normalisation is 'none'"),
            (!hasNullExpert, "there is no null expert"),
            (topK == 0, "'top_k' is 0, as the highest weights do not grow there"),
            (
                hidden == 0 || granularity == .network,
                "with 'blocks-at-once' there is no hidden layer"
            ),
        ]
        if let missing = needed.first(where: { !$0.0 })?.1 { return "\(missing) there" }
        let names = experts.map(\.name)
        guard names != names.sorted() else { return nil }
        return "PEFT takes experts in the order of their names: give them as "
            + names.sorted().joined(separator: ",")
    }
}
