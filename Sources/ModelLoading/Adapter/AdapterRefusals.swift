// SPDX-License-Identifier: Apache-2.0

import StrictJSON

/// The options of PEFT's `LoraConfig` that change the result and are not implemented.
enum AdapterRefusals {
    /// Keys that do not change an adapter's output, whatever their value.
    private static let harmless: Set<String> = [
        "auto_mapping", "ensure_weight_tying", "inference_mode", "lora_dropout", "megatron_core",
        "peft_version", "qalora_group_size", "revision", "runtime_config",
        // Settings of initialisations and training methods whose switch is checked by itself.
        "corda_config", "eva_config", "lora_ga_config", "loftq_config",
    ]

    private static let reasons: [String: String] = [
        "use_dora":
            "DoRA rescales the base weights by trained magnitudes, which is not implemented; "
            + "train with use_dora false, or merge the adapter into the base model",
        "modules_to_save":
            "whole modules trained beside the adapter are not implemented; train without "
            + "modules_to_save",
        "lora_bias": "a trained bias of the low-rank factors is not implemented",
        "fan_in_fan_out": "transposed weights (Conv1D) do not occur in the supported families",
        "trainable_token_indices": "trained token embeddings are not implemented",
        "layer_replication": "replicated layers are not implemented",
        "megatron_config": "adapters of Megatron layers are not implemented",
        "target_parameters": "adapters of bare parameters are not implemented",
        "alora_invocation_tokens":
            "activated LoRA, which starts in the middle of a prompt, is not implemented",
        "arrow_config": "Arrow routing inside an adapter is not implemented",
        "use_qalora": "QA-LoRA pools its inputs, which is not implemented",
        "use_bdlora": "block-diagonal LoRA is not implemented",
        "kasa_config": "KaSA adapters are not implemented",
        "velora_config": "VeLoRA adapters are not implemented",
        "monteclora_config": "MonteCLoRA adapters are not implemented",
    ]

    /// Initialisations that leave the base weights as they are: the stored factors are all.
    private static let cleanInitialisations = ["gaussian", "eva", "orthogonal"]

    /// Judges every key that the plan does not read.
    static func check(_ reader: inout KeyReader) {
        if let bias = reader.value("bias"), bias.string != "none" {
            reader.refuse(
                "bias", .unsupportedAdapter,
                "trained biases are not implemented: must be \"none\", found \(bias.excerpt)")
        }
        if let task = reader.value("task_type"), task.string != "CAUSAL_LM" {
            reader.refuse(
                "task_type", .unsupportedAdapter, "must be \"CAUSAL_LM\", found \(task.excerpt)")
        }
        checkInitialisation(&reader)
        reader.refuseOthers(ignored: harmless, reasons: reasons, code: .unsupportedAdapter)
    }

    private static func checkInitialisation(_ reader: inout KeyReader) {
        switch reader.value("init_lora_weights") {
        case .none, .boolean: return
        case .string(let name) where cleanInitialisations.contains(name): return
        case .some(let value):
            reader.refuse(
                "init_lora_weights", .unsupportedAdapter,
                "\(value.excerpt) changes the base weights when training begins, so the adapter "
                    + "does not fit the published ones; convert it to a plain LoRA (save_pretrained "
                    + "with path_initial_model_for_weight_conversion)")
        }
    }
}
