// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ModelLoading

/// A `config.json` as its authors published it, and what it means.
struct PublishedConfiguration: CustomTestStringConvertible {
    var name: String
    var json: String
    var expected: ModelConfiguration
    var parameterCount: Int
    var noteCount = 0

    var testDescription: String { name }

    static let all = [
        llama2, llama31, llama32, tinyLlama, smolLM135, smolLM360, mistral01, mistral03, qwen25,
        qwen3,
    ]

    static let llama2 = PublishedConfiguration(
        name: "Llama-2-7b-hf",
        json: """
            {"_name_or_path": "meta-llama/Llama-2-7b-hf", "architectures": ["LlamaForCausalLM"],
            "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 4096,
            "initializer_range": 0.02, "intermediate_size": 11008,
            "max_position_embeddings": 4096, "model_type": "llama", "num_attention_heads": 32,
            "num_hidden_layers": 32, "num_key_value_heads": 32, "pretraining_tp": 1,
            "rms_norm_eps": 1e-05, "rope_scaling": null, "tie_word_embeddings": false,
            "torch_dtype": "float16", "transformers_version": "4.31.0.dev0", "use_cache": true,
            "vocab_size": 32000}
            """,
        expected: ModelConfiguration(
            family: .llama, hiddenSize: 4096, intermediateSize: 11_008, layerCount: 32,
            headCount: 32, kvHeadCount: 32, headSize: 128, vocabularySize: 32_000,
            contextLength: 4096, beginToken: 1, endTokens: [2]),
        parameterCount: 6_738_415_616)

    static let llama31 = PublishedConfiguration(
        name: "Llama-3.1-8B-Instruct",
        json: """
            {"architectures": ["LlamaForCausalLM"], "attention_bias": false,
            "attention_dropout": 0.0, "bos_token_id": 128000,
            "eos_token_id": [128001, 128008, 128009], "hidden_act": "silu", "hidden_size": 4096,
            "initializer_range": 0.02, "intermediate_size": 14336,
            "max_position_embeddings": 131072, "mlp_bias": false, "model_type": "llama",
            "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
            "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 8.0,
            "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192, "rope_type": "llama3"},
            "rope_theta": 500000.0, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
            "transformers_version": "4.42.3", "use_cache": true, "vocab_size": 128256}
            """,
        expected: ModelConfiguration(
            family: .llama, hiddenSize: 4096, intermediateSize: 14_336, layerCount: 32,
            headCount: 32, kvHeadCount: 8, headSize: 128, vocabularySize: 128_256,
            contextLength: 131_072, rope: llama3(factor: 8), beginToken: 128_000,
            endTokens: [128_001, 128_008, 128_009]),
        parameterCount: 8_030_261_248)

    static let llama32 = PublishedConfiguration(
        name: "Llama-3.2-1B",
        json: """
            {"architectures": ["LlamaForCausalLM"], "attention_bias": false,
            "attention_dropout": 0.0, "bos_token_id": 128000, "eos_token_id": 128001,
            "head_dim": 64, "hidden_act": "silu", "hidden_size": 2048,
            "initializer_range": 0.02, "intermediate_size": 8192,
            "max_position_embeddings": 131072, "mlp_bias": false, "model_type": "llama",
            "num_attention_heads": 32, "num_hidden_layers": 16, "num_key_value_heads": 8,
            "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 32.0,
            "high_freq_factor": 4.0, "low_freq_factor": 1.0,
            "original_max_position_embeddings": 8192, "rope_type": "llama3"},
            "rope_theta": 500000.0, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
            "transformers_version": "4.45.0.dev0", "use_cache": true, "vocab_size": 128256}
            """,
        expected: ModelConfiguration(
            family: .llama, hiddenSize: 2048, intermediateSize: 8192, layerCount: 16,
            headCount: 32, kvHeadCount: 8, headSize: 64, vocabularySize: 128_256,
            contextLength: 131_072, rope: llama3(factor: 32), tiedEmbeddings: true,
            beginToken: 128_000, endTokens: [128_001]),
        parameterCount: 1_235_814_400)

    static let tinyLlama = PublishedConfiguration(
        name: "TinyLlama-1.1B-Chat-v1.0",
        json: """
            {"architectures": ["LlamaForCausalLM"], "attention_bias": false, "bos_token_id": 1,
            "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 2048,
            "initializer_range": 0.02, "intermediate_size": 5632,
            "max_position_embeddings": 2048, "model_type": "llama", "num_attention_heads": 32,
            "num_hidden_layers": 22, "num_key_value_heads": 4, "pretraining_tp": 1,
            "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 10000.0,
            "tie_word_embeddings": false, "torch_dtype": "bfloat16",
            "transformers_version": "4.35.0", "use_cache": true, "vocab_size": 32000}
            """,
        expected: ModelConfiguration(
            family: .llama, hiddenSize: 2048, intermediateSize: 5632, layerCount: 22,
            headCount: 32, kvHeadCount: 4, headSize: 64, vocabularySize: 32_000,
            contextLength: 2048, beginToken: 1, endTokens: [2]),
        parameterCount: 1_100_048_384)

    static let smolLM135 = PublishedConfiguration(
        name: "SmolLM2-135M",
        json: smolLM(hidden: 576, intermediate: 1536, layers: 30, heads: 9, kvHeads: 3),
        expected: smolLM2(hidden: 576, intermediate: 1536, layers: 30, heads: 9, kvHeads: 3),
        parameterCount: 134_515_008)

    static let smolLM360 = PublishedConfiguration(
        name: "SmolLM2-360M",
        json: smolLM(hidden: 960, intermediate: 2560, layers: 32, heads: 15, kvHeads: 5),
        expected: smolLM2(hidden: 960, intermediate: 2560, layers: 32, heads: 15, kvHeads: 5),
        parameterCount: 361_821_120)

    static let mistral01 = PublishedConfiguration(
        name: "Mistral-7B-v0.1",
        json: """
            {"architectures": ["MistralForCausalLM"], "bos_token_id": 1, "eos_token_id": 2,
            "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02,
            "intermediate_size": 14336, "max_position_embeddings": 32768,
            "model_type": "mistral", "num_attention_heads": 32, "num_hidden_layers": 32,
            "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta": 10000.0,
            "sliding_window": 4096, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
            "transformers_version": "4.34.0.dev0", "use_cache": true, "vocab_size": 32000}
            """,
        expected: ModelConfiguration(
            family: .mistral, hiddenSize: 4096, intermediateSize: 14_336, layerCount: 32,
            headCount: 32, kvHeadCount: 8, headSize: 128, vocabularySize: 32_000,
            contextLength: 4096, beginToken: 1, endTokens: [2]),
        parameterCount: 7_241_732_096, noteCount: 1)

    static let mistral03 = PublishedConfiguration(
        name: "Mistral-7B-v0.3",
        json: """
            {"architectures": ["MistralForCausalLM"], "attention_dropout": 0.0,
            "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 4096,
            "initializer_range": 0.02, "intermediate_size": 14336,
            "max_position_embeddings": 32768, "model_type": "mistral",
            "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
            "rms_norm_eps": 1e-05, "rope_theta": 1000000.0, "sliding_window": null,
            "tie_word_embeddings": false, "torch_dtype": "bfloat16",
            "transformers_version": "4.42.0.dev0", "use_cache": true, "vocab_size": 32768}
            """,
        expected: ModelConfiguration(
            family: .mistral, hiddenSize: 4096, intermediateSize: 14_336, layerCount: 32,
            headCount: 32, kvHeadCount: 8, headSize: 128, vocabularySize: 32_768,
            contextLength: 32_768, rope: RopeConfiguration(theta: 1_000_000), beginToken: 1,
            endTokens: [2]),
        parameterCount: 7_248_023_552)

    static let qwen25 = PublishedConfiguration(
        name: "Qwen2.5-0.5B",
        json: """
            {"architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0,
            "bos_token_id": 151643, "eos_token_id": 151643, "hidden_act": "silu",
            "hidden_size": 896, "initializer_range": 0.02, "intermediate_size": 4864,
            "max_position_embeddings": 32768, "max_window_layers": 24, "model_type": "qwen2",
            "num_attention_heads": 14, "num_hidden_layers": 24, "num_key_value_heads": 2,
            "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": 32768,
            "tie_word_embeddings": true, "torch_dtype": "bfloat16",
            "transformers_version": "4.40.1", "use_cache": true, "use_mrope": false,
            "use_sliding_window": false, "vocab_size": 151936}
            """,
        expected: ModelConfiguration(
            family: .qwen2, hiddenSize: 896, intermediateSize: 4864, layerCount: 24,
            headCount: 14, kvHeadCount: 2, headSize: 64, vocabularySize: 151_936,
            contextLength: 32_768, normEpsilon: 1e-6, rope: RopeConfiguration(theta: 1_000_000),
            tiedEmbeddings: true, linearBiases: [.q, .k, .v], beginToken: 151_643,
            endTokens: [151_643]),
        parameterCount: 494_032_768)

    static let qwen3 = PublishedConfiguration(
        name: "Qwen3-0.6B",
        json: """
            {"architectures": ["Qwen3ForCausalLM"], "attention_bias": false,
            "attention_dropout": 0.0, "bos_token_id": 151643, "eos_token_id": 151645,
            "head_dim": 128, "hidden_act": "silu", "hidden_size": 1024,
            "initializer_range": 0.02, "intermediate_size": 3072,
            "max_position_embeddings": 40960, "max_window_layers": 28, "model_type": "qwen3",
            "num_attention_heads": 16, "num_hidden_layers": 28, "num_key_value_heads": 8,
            "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000,
            "sliding_window": null, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
            "transformers_version": "4.51.0", "use_cache": true, "use_sliding_window": false,
            "vocab_size": 151936}
            """,
        expected: ModelConfiguration(
            family: .qwen3, hiddenSize: 1024, intermediateSize: 3072, layerCount: 28,
            headCount: 16, kvHeadCount: 8, headSize: 128, vocabularySize: 151_936,
            contextLength: 40_960, normEpsilon: 1e-6, rope: RopeConfiguration(theta: 1_000_000),
            tiedEmbeddings: true, queryKeyNorm: true, beginToken: 151_643,
            endTokens: [151_645]),
        parameterCount: 596_049_920)

    private static func llama3(factor: Double) -> RopeConfiguration {
        RopeConfiguration(
            theta: 500_000,
            scaling: .llama3(
                factor: factor, lowFrequencyFactor: 1, highFrequencyFactor: 4,
                originalContextLength: 8192))
    }

    private static func smolLM(
        hidden: Int, intermediate: Int, layers: Int, heads: Int, kvHeads: Int
    ) -> String {
        """
        {"architectures": ["LlamaForCausalLM"], "attention_bias": false,
        "attention_dropout": 0.0, "bos_token_id": 0, "eos_token_id": 0, "hidden_act": "silu",
        "hidden_size": \(hidden), "initializer_range": 0.041666666666666664,
        "intermediate_size": \(intermediate), "is_llama_config": true,
        "max_position_embeddings": 8192, "mlp_bias": false, "model_type": "llama",
        "num_attention_heads": \(heads), "num_hidden_layers": \(layers),
        "num_key_value_heads": \(kvHeads), "pretraining_tp": 1, "rms_norm_eps": 1e-05,
        "rope_interleaved": false, "rope_scaling": null, "rope_theta": 100000,
        "tie_word_embeddings": true, "torch_dtype": "bfloat16",
        "transformers_version": "4.40.1", "use_cache": true, "vocab_size": 49152}
        """
    }

    private static func smolLM2(
        hidden: Int, intermediate: Int, layers: Int, heads: Int, kvHeads: Int
    ) -> ModelConfiguration {
        ModelConfiguration(
            family: .llama, hiddenSize: hidden, intermediateSize: intermediate,
            layerCount: layers, headCount: heads, kvHeadCount: kvHeads, headSize: 64,
            vocabularySize: 49_152, contextLength: 8192, rope: RopeConfiguration(theta: 100_000),
            tiedEmbeddings: true, beginToken: 0, endTokens: [0])
    }
}
