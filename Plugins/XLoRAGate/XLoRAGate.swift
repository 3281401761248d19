// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([XLoRAGate.self])
}

/// Weighs experts by an X-LoRA classifier (Buehler and Buehler, 2024), as PEFT saves it: from the
/// last hidden state of a pass of the base model.
final class XLoRAGate: GatingPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "x-lora-gate", version: "1.0.0",
            summary: "Weighs the experts of a mixture by an X-LoRA classifier of PEFT, for each "
                + "token and layer. Computes the base model twice.")
    }

    private let parameters: Parameters

    init(parameters: Parameters, seed: UInt64) throws(PolicyError) {
        self.parameters = parameters
    }

    var folder: ParameterPath? { parameters.gate.path.isEmpty ? nil : parameters.gate }

    func gate(
        for mixture: MixtureDescription, from sources: any MixtureSources
    ) throws(PolicyError) -> any Gate {
        let (configurationFile, tensorFile) = ("adapter_config.json", "adapter_model.safetensors")
        guard let file = try sources.json(configurationFile) else {
            throw PolicyError(missing(configurationFile))
        }
        guard let tensors = try sources.tensors(tensorFile) else {
            throw PolicyError(missing(tensorFile))
        }
        let configuration: XLoRAConfiguration
        do throws(PolicyError) {
            configuration = try XLoRAConfiguration(file)
        } catch {
            throw PolicyError("\(configurationFile): \(error.description)")
        }
        try check(configuration, fits: mixture)
        let places = mixture.actedPlaces
        let classifier = try XLoRAClassifier(tensors, depth: configuration.depth)
        let outputs =
            mixture.experts.count * (configuration.isLayerwise ? places.count : 1)
        guard classifier.inputs == mixture.hiddenSize, classifier.outputs == outputs else {
            throw PolicyError(
                "the classifier maps \(classifier.inputs) values to \(classifier.outputs); this "
                    + "mixture needs \(mixture.hiddenSize) to \(outputs)")
        }
        return ClassifierGate(configuration, classifier, places: places, of: mixture)
    }

    private func missing(_ file: String) -> String {
        guard let folder else {
            return "the parameter 'gate' is not set: it names the folder with \(file)"
        }
        return "there is no \(file) in '\(folder.path)'"
    }

    private func check(
        _ configuration: XLoRAConfiguration, fits mixture: MixtureDescription
    ) throws(PolicyError) {
        guard configuration.hiddenSize == mixture.hiddenSize else {
            throw PolicyError(
                "the classifier is for the hidden size \(configuration.hiddenSize); the model's is "
                    + "\(mixture.hiddenSize)")
        }
        let given = mixture.experts.map(\.name)
        let wanted = parameters.trustOrder ? given.sorted() : given
        guard configuration.adapters == wanted else {
            throw PolicyError(
                "the classifier was trained for \(configuration.adapters.joined(separator: ", ")); "
                    + "the mixture has \(given.joined(separator: ", "))"
                    + (given.sorted() == configuration.adapters
                        ? ": PEFT writes names in alphabetical order; set 'trustOrder' if the "
                            + "mixture has the order of the training" : ""))
        }
    }
}

extension MixtureDescription {
    /// The places where some expert acts, in the order of the modules: X-LoRA counts them as layers.
    fileprivate var actedPlaces: [MatrixPlace] {
        (0..<layers).flatMap { layer in
            ModelMatrix.allCases.map { MatrixPlace(layer: layer, matrix: $0) }
        }.filter { place in experts.contains { ($0.ranks[place] ?? 0) > 0 } }
    }
}
