// SPDX-License-Identifier: Apache-2.0

internal import Foundation
package import MoLE
package import ModelLoading

/// Writes what was trained into folders that are served.
package enum TrainedFiles {
    /// A gate's `mole_config.json` and `mole_gate.safetensors`, in a folder that is made if need be.
    ///
    /// - Throws: `unwritable`.
    package static func writeGate(
        _ configuration: MoLEConfiguration, _ tensors: [NamedTensor], to folder: String
    ) throws(TrainingError) {
        try write(tensors, as: "mole_gate.safetensors", to: folder)
        try write(configuration.jsonText, as: "mole_config.json", to: folder)
    }

    /// An adapter as PEFT saves it, from the tensors of its factors.
    ///
    /// - Throws: `unwritable`.
    package static func writeAdapter(
        _ shape: AdapterShape, of base: ModelWeights, _ tensors: [NamedTensor], to folder: String
    ) throws(TrainingError) {
        try makeFolder(folder)
        let named = Dictionary(
            tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        var sites: [AdapterSite: LoRAFactors] = [:]
        for layer in 0..<base.configuration.layerCount {
            for linear in shape.targets {
                let site = AdapterSite(layer: layer, linear: linear)
                let name = "base_model.model.\(site.moduleName)"
                guard let down = named["\(name).lora_A.weight"],
                    let up = named["\(name).lora_B.weight"]
                else { continue }
                sites[site] = LoRAFactors(
                    site: site, rank: shape.rank,
                    scale: Float(shape.alpha / Double(shape.rank)), a: down.values, b: up.values)
            }
        }
        do throws(ModelLoadingError) {
            try AdapterWeights(
                name: "trained", computed: sites, for: base.configuration,
                baseModelName: base.name
            ).write(to: folder, for: base.configuration)
        } catch {
            throw TrainingError(.unwritable, error.description)
        }
    }

    /// Makes a folder, so that a run does not find out at its end that it cannot.
    ///
    /// - Throws: `unwritable`.
    package static func makeFolder(_ folder: String) throws(TrainingError) {
        do {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw TrainingError(.unwritable, error.localizedDescription, at: folder)
        }
    }

    /// Writes a safetensors file into a folder that is made if need be.
    static func write(
        _ tensors: [NamedTensor], as name: String, to folder: String
    ) throws(TrainingError) {
        try makeFolder(folder)
        do {
            try SafetensorsWriter.write(
                tensors, metadata: ["format": "pt"], to: "\(folder)/\(name)")
        } catch {
            throw TrainingError(.unwritable, error.description)
        }
    }

    /// Writes a text into a folder, whole or not at all.
    static func write(
        _ text: String, as name: String, to folder: String
    ) throws(TrainingError) {
        let path = "\(folder)/\(name)"
        do {
            try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw TrainingError(.unwritable, error.localizedDescription, at: path)
        }
    }
}
