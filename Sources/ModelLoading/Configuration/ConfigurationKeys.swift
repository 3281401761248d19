// SPDX-License-Identifier: Apache-2.0

/// What is known about keys of `config.json` that the decoder does not read.
enum ConfigurationKeys {
    /// Keys that do not change the logits, whatever their value: provenance, training, defaults of
    /// generation, and what the tokenizer decides.
    static let harmless: Set<String> = [
        "_attn_implementation", "_attn_implementation_autoset", "_commit_hash",
        "_flash_attn_2_enabled", "_from_model_config", "_name_or_path", "attention_dropout",
        "attn_implementation", "bad_words_ids", "begin_suppress_tokens", "decoder_start_token_id",
        "diversity_penalty", "do_sample", "dtype", "early_stopping",
        "encoder_no_repeat_ngram_size", "exponential_decay_length_penalty", "finetuning_task",
        "forced_bos_token_id", "forced_eos_token_id", "hidden_dropout", "id2label",
        "initializer_range", "is_llama_config", "label2id", "length_penalty", "max_length",
        "max_sequence_length", "max_window_layers", "min_length", "model_name",
        "no_repeat_ngram_size", "num_beam_groups", "num_beams", "num_return_sequences",
        "output_attentions", "output_hidden_states", "output_scores", "pad_token_id", "prefix",
        "pretraining_tp", "problem_type", "remove_invalid_values", "repetition_penalty",
        "resid_pdrop", "return_dict", "return_dict_in_generate", "sep_token_id",
        "suppress_tokens", "task_specific_params", "temperature", "tf_legacy_loss",
        "tokenizer_class", "top_k", "top_p", "torch_dtype", "torchscript", "transformers.js_config",
        "transformers_version", "typical_p", "unsloth_fixed", "unsloth_version", "use_bfloat16",
        "use_cache",
    ]

    /// Why known keys are refused when they are active.
    static let reasons: [String: String] = [
        "quantization_config":
            "quantised checkpoints are not read; use the original weights (f32, f16 or bf16)",
        "num_local_experts": "mixture-of-experts models are not implemented",
        "num_experts": "mixture-of-experts models are not implemented",
        "num_experts_per_tok": "mixture-of-experts models are not implemented",
        "n_routed_experts": "mixture-of-experts models are not implemented",
        "moe_intermediate_size": "mixture-of-experts models are not implemented",
        "final_logit_softcapping": "soft-capped logits are not implemented",
        "attn_logit_softcapping": "soft-capped attention is not implemented",
        "logit_scale": "scaled logits are not implemented",
        "logits_scaling": "scaled logits are not implemented",
        "embedding_multiplier": "scaled embeddings are not implemented",
        "residual_multiplier": "scaled residuals are not implemented",
        "attention_multiplier": "another attention scale than 1/sqrt(head size) is not implemented",
        "query_pre_attn_scalar":
            "another attention scale than 1/sqrt(head size) is not implemented",
        "clip_qkv": "clipped queries, keys and values are not implemented",
        "attention_chunk_size": "chunked attention is not implemented",
        "no_rope_layers": "layers without rotary embeddings are not implemented",
        "use_mrope": "multimodal rotary embeddings are not implemented",
        "rope_interleaved": "interleaved rotary embeddings are not implemented",
        "sliding_window": "sliding windows are implemented for mistral only",
        "attention_bias": "this family has no attention_bias",
        "mlp_bias": "this family has no mlp_bias",
        "auto_map": "the model brings its own Python code, which may compute anything",
        "vision_config": "multimodal models are not implemented",
        "text_config": "multimodal models are not implemented",
        "is_encoder_decoder": "encoder-decoder models are not implemented",
        "pruned_heads": "pruned heads are not implemented",
    ]

    /// Factors that multiply something, so that one changes nothing.
    static let multipliers = [
        "partial_rotary_factor", "logit_scale", "logits_scaling", "embedding_multiplier",
        "residual_multiplier",
    ]
}
