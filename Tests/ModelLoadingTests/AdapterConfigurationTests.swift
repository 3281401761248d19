// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import ModelLoading

/// Adapters made here, to reach each option and each fault.
struct AdapterConfigurationTests {
    private func open(
        _ json: RawObject = TinyAdapter.json, _ tensors: [StoredTensor] = TinyAdapter.tensors()
    ) throws -> AdapterWeights {
        let folder = try TemporaryFolder()
        try TinyAdapter.write(json, tensors, to: folder.path)
        return try AdapterWeights.open(
            folder: folder.path, name: "tiny", for: TinyModel.configuration, baseNames: ["tiny"])
    }

    static let refusals: [(key: String, value: String?, place: String, message: String)] = [
        ("peft_type", #""IA3""#, "peft_type", "LORA"),
        ("peft_type", nil, "peft_type", "LORA"),
        ("task_type", #""SEQ_CLS""#, "task_type", "CAUSAL_LM"),
        ("r", "0", "r", "whole number"),
        ("r", nil, "r", "missing"),
        ("lora_alpha", #""8""#, "lora_alpha", "number"),
        ("lora_alpha", "1e300", "lora_alpha", "number"),
        ("bias", #""lora_only""#, "bias", "biases"),
        ("use_dora", "true", "use_dora", "DoRA"),
        ("modules_to_save", #"["lm_head"]"#, "modules_to_save", "modules_to_save"),
        ("fan_in_fan_out", "true", "fan_in_fan_out", "Conv1D"),
        ("lora_bias", "true", "lora_bias", "bias"),
        ("init_lora_weights", #""pissa""#, "init_lora_weights", "pissa"),
        ("init_lora_weights", #""pissa_niter_16""#, "init_lora_weights", "base weights"),
        ("init_lora_weights", #""olora""#, "init_lora_weights", "base weights"),
        ("init_lora_weights", #""loftq""#, "init_lora_weights", "base weights"),
        ("init_lora_weights", #""corda""#, "init_lora_weights", "base weights"),
        ("trainable_token_indices", "[5]", "trainable_token_indices", "token"),
        ("layer_replication", "[[0, 2]]", "layer_replication", "replicated"),
        ("megatron_config", #"{"a": 1}"#, "megatron_config", "Megatron"),
        ("target_parameters", #"["w"]"#, "target_parameters", "parameters"),
        ("alora_invocation_tokens", "[1, 2]", "alora_invocation_tokens", "activated"),
        ("use_qalora", "true", "use_qalora", "QA-LoRA"),
        ("future_option", "true", "future_option", "not known"),
        ("target_modules", "null", "target_modules", "at least one"),
        ("target_modules", "[]", "target_modules", "at least one"),
        ("target_modules", "[1]", "target_modules", "strings"),
        ("target_modules", #""(q_proj""#, "target_modules", "regular expression"),
        ("target_modules", #"["q_proj", "v_proj", "lm_head"]"#, "target_modules", "lm_head"),
        ("target_modules", #"["q_proj", "v_proj", "c_attn"]"#, "target_modules", "c_attn"),
        (
            "target_modules", #"["q_proj"]"#,
            "base_model.model.model.layers.0.self_attn.v_proj.lora_A.weight", "ignored"
        ),
        (
            "target_modules", #"["q_proj", "v_proj", "o_proj"]"#, "model.layers.0.self_attn.o_proj",
            "no tensors"
        ),
        ("target_modules", #""all-linear""#, "model.layers.0.self_attn.k_proj", "no tensors"),
        (
            "exclude_modules", #"["v_proj"]"#,
            "base_model.model.model.layers.0.self_attn.v_proj.lora_A.weight", "ignored"
        ),
        (
            "rank_pattern", #"{"v_proj": 2}"#,
            "base_model.model.model.layers.0.self_attn.v_proj.lora_A.weight", "rank 4"
        ),
        ("rank_pattern", #"{"v_proj": -1}"#, "rank_pattern.v_proj", "whole number"),
        ("alpha_pattern", #"{"v_(": 1}"#, "alpha_pattern.v_(", "regular expression"),
        ("alpha_pattern", #"{"v_proj": "x"}"#, "alpha_pattern.v_proj", "number"),
        (
            "layers_to_transform", "[0]",
            "base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight", "ignored"
        ),
        ("layers_to_transform", "[0, 1, 2]", "layers_to_transform", "beyond"),
        ("layers_to_transform", #"["0"]"#, "layers_to_transform", "index"),
    ]

    @Test(arguments: refusals.indices)
    func optionsThatAreNotImplementedAreRefusedByName(index: Int) {
        let (key, value, place, message) = Self.refusals[index]
        let error = loadingError { _ = try open(TinyAdapter.json.with(key, value)) }
        #expect(error?.key == place, "\(key): \(String(describing: error))")
        #expect(error?.message.contains(message) == true, "\(key): \(String(describing: error))")
    }

    @Test(arguments: [
        ("init_lora_weights", "true"), ("init_lora_weights", "false"),
        ("init_lora_weights", #""gaussian""#), ("init_lora_weights", #""eva""#),
        ("lora_dropout", "0.1"), ("use_dora", "false"), ("modules_to_save", "[]"),
        ("layers_to_transform", "[0, 1]"), ("layers_to_transform", "[]"),
        ("target_modules", #"".*\\.(q|v)_proj""#),
        ("target_modules", #"["self_attn.q_proj", "v_proj"]"#),
        ("exclude_modules", #"["k_proj"]"#), ("exclude_modules", #"".*mlp.*""#),
        ("rank_pattern", "null"), ("rank_pattern", #"{"down_proj": 16}"#),
        ("future_option", "null"), ("task_type", "null"), ("revision", #""main""#),
    ])
    func harmlessOptionsAreAccepted(key: String, value: String) throws {
        let adapter = try open(TinyAdapter.json.with(key, value))
        #expect(adapter.sites.count == 4)
        #expect(adapter.sites.values.allSatisfy { $0.rank == 4 && $0.scale == 2 })
    }

    @Test func theFirstPatternThatMatchesDecides() throws {
        let adapter = try open(
            TinyAdapter.json.with(
                "alpha_pattern",
                #"{"layers.1.self_attn.q_proj": 4, "q_proj": 16, "[qv]_proj": 40, ".*": 1}"#))
        func scale(_ layer: Int, _ linear: LinearKind) -> Float? {
            adapter.sites[AdapterSite(layer: layer, linear: linear)]?.scale
        }
        #expect(scale(1, .q) == 1)
        #expect(scale(0, .q) == 4)
        #expect(scale(0, .v) == 10)
    }

    @Test func rankStabilisedScalesDivideByTheRoot() throws {
        let adapter = try open(TinyAdapter.json.with("use_rslora", "true"))
        #expect(adapter.sites.values.allSatisfy { $0.scale == 4 })
    }

    @Test func theAdaptersOwnNameInsideTensorNamesIsAccepted() throws {
        let tensors = [0, 1].flatMap { layer in
            [LinearKind.q, .v].flatMap {
                TinyAdapter.factors($0, layer: layer, infix: ".default")
            }
        }
        #expect(try open(TinyAdapter.json, tensors).sites.count == 4)
        let mixed = Array(tensors.dropLast(4)) + TinyAdapter.tensors(layers: [1])
        let error = loadingError { _ = try open(TinyAdapter.json, mixed) }
        #expect(error?.message.contains("several adapters") == true)
    }

    static let strangers: [(name: String, reason: String)] = [
        ("base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector", "DoRA"),
        ("base_model.model.model.embed_tokens.lora_embedding_A", "embedding"),
        ("base_model.model.lm_head.lora_A.weight", "output head"),
        ("base_model.model.lm_head.weight", "modules_to_save"),
        ("base_model.model.model.layers.0.self_attn.q_proj.base_layer.bias", "biases"),
        ("base_model.model.model.layers.0.self_attn.q_proj.lora_B.bias", "biases"),
        ("base_model.model.model.layers.00.self_attn.q_proj.lora_A.weight", "linear layer"),
        ("base_model.model.model.layers.-1.self_attn.q_proj.lora_A.weight", "linear layer"),
        ("model.layers.0.self_attn.q_proj.lora_A.weight", "linear layer"),
        ("base_model.model.transformer.h.0.attn.c_attn.lora_A.weight", "linear layer"),
    ]

    @Test(arguments: strangers.indices)
    func otherTensorsAreRefusedWithAReason(index: Int) {
        let (name, reason) = Self.strangers[index]
        let stranger = StoredTensor.floats(name, [4, 8]) { _ in 1 }
        let error = loadingError {
            _ = try open(TinyAdapter.json, TinyAdapter.tensors() + [stranger])
        }
        #expect(error?.code == .unexpectedTensor)
        #expect(error?.key == name)
        #expect(error?.message.contains(reason) == true, "\(String(describing: error))")
    }

    @Test func factorsWithoutTheirPartnerAreRefused() {
        let error = loadingError {
            _ = try open(TinyAdapter.json, Array(TinyAdapter.tensors().dropLast()))
        }
        #expect(error?.code == .missingTensor)
        #expect(error?.message.contains("lora_B") == true)
    }

    @Test func layersBeyondTheModelAreRefused() {
        let error = loadingError {
            _ = try open(TinyAdapter.json, TinyAdapter.tensors(layers: [0, 1, 2]))
        }
        #expect(error?.message.contains("only 2 layers") == true)
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity])
    func valuesThatAreNotFiniteAreRefused(value: Float) {
        var tensors = TinyAdapter.tensors()
        let last = tensors.count - 1
        tensors[last] = .floats(tensors[last].name, tensors[last].shape) { $0 == 5 ? value : 0 }
        let error = loadingError { _ = try open(TinyAdapter.json, tensors) }
        #expect(error?.code == .notFinite)
        #expect(error?.key == tensors[last].name)
    }

    @Test func wrongTypesAndShapesAreRefused() {
        var tensors = TinyAdapter.tensors()
        tensors[0].type = "I32"
        #expect(loadingError { _ = try open(TinyAdapter.json, tensors) }?.code == .wrongType)
        tensors = TinyAdapter.tensors()
        tensors[0].shape = [2, 16]
        #expect(loadingError { _ = try open(TinyAdapter.json, tensors) }?.code == .wrongShape)
        tensors[0].shape = [32]
        #expect(loadingError { _ = try open(TinyAdapter.json, tensors) }?.code == .wrongShape)
        tensors[0].shape = [4, 4, 2]
        #expect(loadingError { _ = try open(TinyAdapter.json, tensors) }?.code == .wrongShape)
    }

    @Test func pickledWeightsAreRefusedWithAdvice() throws {
        let folder = try TemporaryFolder()
        try folder.write("adapter_config.json", TinyAdapter.json.text)
        try folder.write("adapter_model.bin", "x")
        let path = folder.path
        let error = loadingError {
            _ = try AdapterWeights.open(folder: path, name: "a", for: TinyModel.configuration)
        }
        #expect(error?.message.contains("convert it") == true)
    }

    @Test func adaptersWithoutTensorsAreRefused() {
        let error = loadingError { _ = try open(TinyAdapter.json, []) }
        #expect(error?.code == .missingTensor)
    }

    @Test func allRefusalsAreListedTogether() throws {
        let folder = try TemporaryFolder()
        let json = TinyAdapter.json.with("use_dora", "true").with("bias", #""all""#)
            .with("modules_to_save", #"["lm_head"]"#)
        try TinyAdapter.write(json, TinyAdapter.tensors(layers: [0, 1, 2]), to: folder.path)
        let inspection = AdapterInspection(folder: folder.path, for: TinyModel.configuration)
        let keys = inspection.refusals.map { $0.key ?? "" }
        #expect(keys.prefix(3).sorted() == ["bias", "modules_to_save", "use_dora"])
        #expect(inspection.refusals.count == 5)
        #expect(inspection.layers == [0, 1])
    }

    @Test func namesOfOtherBasesAreNoted() throws {
        let folder = try TemporaryFolder()
        try TinyAdapter.write(to: folder.path)
        let adapter = try AdapterWeights.open(
            folder: folder.path, name: "a", for: TinyModel.configuration, baseNames: ["large"])
        #expect(adapter.notes.count == 1)
        let fitting = try AdapterWeights.open(
            folder: folder.path, name: "a", for: TinyModel.configuration,
            baseNames: ["x", "models/Tiny"])
        #expect(fitting.notes.isEmpty)
    }
}
