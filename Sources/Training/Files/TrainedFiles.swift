// SPDX-License-Identifier: Apache-2.0

internal import Foundation
package import MoLE
package import ModelLoading
internal import StrictJSON

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

    /// An adapter as PEFT saves it: `adapter_config.json` and `adapter_model.safetensors`.
    ///
    /// - Throws: `unwritable`.
    package static func writeAdapter(
        _ shape: AdapterShape, of baseName: String, _ tensors: [NamedTensor], to folder: String
    ) throws(TrainingError) {
        var writer = JSONWriter()
        writer.beginObject()
        func member(_ key: String, _ value: JSONValue) {
            writer.key(key)
            writer.value(value)
        }
        member("peft_type", .string("LORA"))
        member("task_type", .string("CAUSAL_LM"))
        member("base_model_name_or_path", .string(baseName))
        member("r", .integer(shape.rank))
        member("lora_alpha", .number(shape.alpha))
        member("target_modules", .array(shape.targets.map { .string($0.peftName) }))
        member("bias", .string("none"))
        member("use_rslora", .boolean(false))
        member("use_dora", .boolean(false))
        member("fan_in_fan_out", .boolean(false))
        member("inference_mode", .boolean(true))
        writer.endObject()
        try write(tensors, as: AdapterWeights.weightsFile, to: folder)
        try write(
            String(decoding: writer.bytes, as: UTF8.self) + "\n", as: "adapter_config.json",
            to: folder)
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

    private static func write(
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

    private static func write(
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

extension LinearKind {
    /// The module's name as PEFT targets it.
    package var peftName: String {
        moduleName.split(separator: ".").last.map(String.init) ?? moduleName
    }
}
