// SPDX-License-Identifier: Apache-2.0

import Foundation

@testable import ModelLoading

/// A tensor to be written into a `.safetensors` file.
struct StoredTensor {
    var name: String
    var type = "F32"
    var shape: [Int]
    var bytes: [UInt8]

    static func floats(_ name: String, _ shape: [Int], _ value: (Int) -> Float) -> StoredTensor {
        let count = shape.reduce(1, *)
        let bytes = (0..<count).flatMap { index in
            withUnsafeBytes(of: value(index).bitPattern.littleEndian, Array.init)
        }
        return StoredTensor(name: name, shape: shape, bytes: bytes)
    }
}

enum SafetensorsWriter {
    /// A file with this header text and these data bytes.
    static func file(header: String, data: [UInt8]) -> [UInt8] {
        let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian, Array.init)
        return length + Array(header.utf8) + data
    }

    /// A well-formed file, padded as the reference implementation does.
    static func file(_ tensors: [StoredTensor]) -> [UInt8] {
        var data: [UInt8] = []
        var entries = ["\"__metadata__\":{\"format\":\"pt\"}"]
        for tensor in tensors {
            let end = data.count + tensor.bytes.count
            entries.append(
                "\"\(tensor.name)\":{\"dtype\":\"\(tensor.type)\",\"shape\":\(tensor.shape),"
                    + "\"data_offsets\":[\(data.count),\(end)]}")
            data += tensor.bytes
        }
        var header = "{" + entries.joined(separator: ",") + "}"
        while header.utf8.count % 8 != 0 { header += " " }
        return file(header: header, data: data)
    }
}

/// A model small enough to be written out by a test.
enum TinyModel {
    static let configuration = ModelConfiguration(
        family: .llama, hiddenSize: 8, intermediateSize: 12, layerCount: 2, headCount: 2,
        kvHeadCount: 1, headSize: 4, vocabularySize: 16, contextLength: 64)

    static let json = RawObject([
        "architectures": #"["LlamaForCausalLM"]"#, "model_type": #""llama""#,
        "hidden_size": "8", "intermediate_size": "12", "num_hidden_layers": "2",
        "num_attention_heads": "2", "num_key_value_heads": "1", "vocab_size": "16",
        "max_position_embeddings": "64", "rms_norm_eps": "1e-05", "hidden_act": #""silu""#,
    ])

    /// Every tensor that the configuration calls for.
    static var tensors: [StoredTensor] {
        ModelTensorLayout(configuration: configuration).entries.enumerated().map {
            position, entry in
            .floats(entry.name, entry.shape) { Float(position) + Float($0) / 1024 }
        }
    }
}

/// An adapter of rank 4 on the queries and values of `TinyModel`.
enum TinyAdapter {
    static let json = RawObject([
        "peft_type": #""LORA""#, "task_type": #""CAUSAL_LM""#, "r": "4", "lora_alpha": "8",
        "target_modules": #"["q_proj", "v_proj"]"#, "bias": #""none""#,
        "base_model_name_or_path": #""someone/tiny""#,
    ])

    static func factors(
        _ linear: LinearKind, layer: Int, rank: Int = 4, infix: String = ""
    ) -> [StoredTensor] {
        let model = TinyModel.configuration
        let module = "base_model.model.model.layers.\(layer).\(linear.moduleName)"
        return [
            .floats("\(module).lora_A\(infix).weight", [rank, model.inputSize(of: linear)]) {
                Float($0)
            },
            .floats("\(module).lora_B\(infix).weight", [model.outputSize(of: linear), rank]) {
                -Float($0)
            },
        ]
    }

    static func tensors(_ linears: [LinearKind] = [.q, .v], layers: [Int] = [0, 1])
        -> [StoredTensor]
    {
        layers.flatMap { layer in linears.flatMap { factors($0, layer: layer) } }
    }

    static func write(
        _ json: RawObject = json, _ tensors: [StoredTensor] = tensors(), to folder: String
    ) throws {
        try Data(json.text.utf8).write(to: URL(fileURLWithPath: "\(folder)/adapter_config.json"))
        try Data(SafetensorsWriter.file(tensors)).write(
            to: URL(fileURLWithPath: "\(folder)/adapter_model.safetensors"))
    }
}
