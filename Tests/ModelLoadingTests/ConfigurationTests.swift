// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ModelLoading

struct ConfigurationTests {
    private func decode(
        _ text: String, generation: String? = nil
    ) throws -> ModelConfiguration {
        try ModelConfiguration.decode(
            parseObject(text), generation: generation.map { try parseObject($0) })
    }

    @Test(arguments: PublishedConfiguration.all)
    func publishedConfigurationsLoad(_ published: PublishedConfiguration) throws {
        let configuration = try decode(published.json)
        var expected = published.expected
        expected.notes = configuration.notes
        #expect(configuration == expected)
        #expect(configuration.parameterCount == published.parameterCount)
        #expect(configuration.notes.count == published.noteCount)
    }

    @Test func aMistralWithoutTheKeyHasTheDefaultWindow() throws {
        let mistral = TinyModel.json.with("model_type", #""mistral""#)
            .with("architectures", nil).with("max_position_embeddings", "8192")
        #expect(try decode(mistral.text).contextLength == 4096)
        #expect(try decode(mistral.with("sliding_window", "null").text).contextLength == 8192)
        #expect(try decode(mistral.with("sliding_window", "8192").text).notes.isEmpty)
    }

    @Test func endTokensComeFromBothFiles() throws {
        let json = TinyModel.json.with("eos_token_id", "[2, 3]").with("bos_token_id", "1")
        let configuration = try decode(json.text, generation: #"{"eos_token_id": [5, 2]}"#)
        #expect(configuration.endTokens == [5, 2, 3])
        #expect(configuration.beginToken == 1)
    }

    @Test func tokensOutsideTheVocabularyAreNotedAndLeftOut() throws {
        let json = TinyModel.json.with("eos_token_id", "[2, 16]").with("bos_token_id", "-1")
        let configuration = try decode(json.text)
        #expect(configuration.endTokens == [2])
        #expect(configuration.beginToken == nil)
        #expect(configuration.notes.count == 1)
    }

    @Test func biasesFollowTheFamily() throws {
        let llama = TinyModel.json.with("attention_bias", "true").with("mlp_bias", "true")
        #expect(try decode(llama.text).linearBiases == Set(LinearKind.allCases))
        let qwen2 = TinyModel.json.with("model_type", #""qwen2""#).with("architectures", nil)
        #expect(try decode(qwen2.text).linearBiases == [.q, .k, .v])
        let qwen3 = TinyModel.json.with("model_type", #""qwen3""#).with("architectures", nil)
        #expect(
            try decode(qwen3.with("attention_bias", "true").text).linearBiases == [.q, .k, .v, .o])
        #expect(try decode(qwen3.text).headSize == 128)
        #expect(try decode(qwen3.text).queryKeyNorm)
    }

    @Test func bothSpellingsOfRotaryParametersAreRead() throws {
        let old = TinyModel.json.with("rope_theta", "500000.0")
            .with("rope_scaling", #"{"type": "linear", "factor": 2.0}"#)
        let new = TinyModel.json.with(
            "rope_parameters",
            #"{"rope_theta": 500000.0, "rope_type": "linear", "factor": 2.0}"#)
        let expected = RopeConfiguration(theta: 500_000, scaling: .linear(factor: 2))
        #expect(try decode(old.text).rope == expected)
        #expect(try decode(new.text).rope == expected)
    }

    static let refusals: [(key: String, value: String?, place: String, message: String)] = [
        ("model_type", #""gpt2""#, "model_type", "must be one of"),
        ("model_type", nil, "model_type", "must be one of"),
        (
            "architectures", #"["LlamaForSequenceClassification"]"#, "architectures",
            "LlamaForCausalLM"
        ),
        ("hidden_size", nil, "hidden_size", "missing"),
        ("hidden_size", "0", "hidden_size", "whole number"),
        ("hidden_size", "1e30", "hidden_size", "whole number"),
        ("hidden_size", #""8""#, "hidden_size", "whole number"),
        ("hidden_size", "9", "head_dim", "missing"),
        ("head_dim", "3", "head_dim", "even"),
        ("num_key_value_heads", "3", "num_key_value_heads", "divide"),
        ("num_hidden_layers", "1025", "num_hidden_layers", "1024"),
        ("vocab_size", "-1", "vocab_size", "whole number"),
        ("max_position_embeddings", nil, "max_position_embeddings", "missing"),
        ("rms_norm_eps", "0", "rms_norm_eps", "above 0"),
        ("hidden_act", #""gelu""#, "hidden_act", "silu"),
        ("tie_word_embeddings", #""yes""#, "tie_word_embeddings", "true or false"),
        (
            "rope_scaling", #"{"rope_type": "yarn", "factor": 4.0}"#, "rope_scaling.rope_type",
            "yarn"
        ),
        (
            "rope_scaling", #"{"type": "dynamic", "factor": 2.0}"#, "rope_scaling.rope_type",
            "dynamic"
        ),
        ("rope_scaling", #"{"type": "longrope"}"#, "rope_scaling.rope_type", "longrope"),
        ("rope_scaling", #"{"type": "linear"}"#, "rope_scaling.factor", "missing"),
        (
            "rope_scaling", #"{"type": "linear", "factor": 0.5}"#, "rope_scaling.factor",
            "at least 1"
        ),
        (
            "rope_scaling", #"{"type": "linear", "rope_type": "llama3", "factor": 2}"#,
            "rope_scaling.rope_type", "contradicts"
        ),
        (
            "rope_scaling", #"{"type": "linear", "factor": 2, "attention_factor": 1.2}"#,
            "rope_scaling.attention_factor", "not known"
        ),
        ("rope_scaling", "7", "rope_scaling", "object"),
        (
            "rope_parameters", #"{"rope_theta": 10000.0, "partial_rotary_factor": 0.5}"#,
            "rope_parameters.partial_rotary_factor", "part of each head"
        ),
        (
            "rope_parameters", #"{"full_attention": {"rope_theta": 1.0}}"#,
            "rope_parameters.full_attention", "not known"
        ),
        ("partial_rotary_factor", "0.4", "partial_rotary_factor", "part of each head"),
        ("quantization_config", #"{"bits": 4}"#, "quantization_config", "quantised"),
        ("num_local_experts", "8", "num_local_experts", "mixture-of-experts"),
        ("final_logit_softcapping", "30.0", "final_logit_softcapping", "soft-capped"),
        ("logit_scale", "0.0625", "logit_scale", "scaled logits"),
        ("embedding_multiplier", "12", "embedding_multiplier", "scaled embeddings"),
        ("use_sliding_window", "true", "use_sliding_window", "may change"),
        (
            "layer_types", #"["full_attention", "sliding_attention"]"#, "layer_types",
            "full_attention"
        ),
        ("rope_interleaved", "true", "rope_interleaved", "interleaved"),
        ("auto_map", #"{"AutoModel": "modeling.X"}"#, "auto_map", "Python"),
        ("brand_new_gain", "0.5", "brand_new_gain", "not known"),
        ("eos_token_id", #""</s>""#, "eos_token_id", "token id"),
        ("eos_token_id", "1e12", "eos_token_id", "token id"),
    ]

    @Test(arguments: refusals.indices)
    func whatIsNotImplementedIsRefusedByName(index: Int) {
        let (key, value, place, message) = Self.refusals[index]
        let text = TinyModel.json.with(key, value).text
        let error = loadingError { _ = try decode(text) }
        #expect(error?.key == place, "\(key): \(String(describing: error))")
        #expect(error?.message.contains(message) == true, "\(key): \(String(describing: error))")
    }

    @Test func inactiveKeysOfOtherVersionsAreAccepted() throws {
        var json = TinyModel.json
        for (key, value) in [
            ("future_flag", "false"), ("future_gain", "null"), ("pruned_heads", "{}"),
            ("logit_scale", "1.0"), ("partial_rotary_factor", "1.0"), ("auto_map", "null"),
        ] { json[key] = value }
        #expect(try decode(json.text).hiddenSize == 8)
    }

    @Test func qwenWithASlidingWindowInUseIsRefused() {
        let json = TinyModel.json.with("model_type", #""qwen2""#).with("architectures", nil)
            .with("use_sliding_window", "true").with("sliding_window", "32")
        #expect(loadingError { _ = try decode(json.text) }?.key == "use_sliding_window")
    }

    @Test func everyFaultIsReportedAtOnce() {
        let json = TinyModel.json.with("hidden_act", #""gelu""#).with("num_local_experts", "8")
            .with("vocab_size", nil)
        let error = loadingError { _ = try decode(json.text) }
        for word in ["gelu", "num_local_experts", "missing"] {
            #expect(error?.description.contains(word) == true, "\(String(describing: error))")
        }
    }
}

struct RopeTests {
    @Test func frequenciesFallGeometrically() {
        let frequencies = RopeConfiguration(theta: 10_000).inverseFrequencies(headSize: 8)
        let expected: [Float] = [1, 0.1, 0.01, 0.001]
        for (found, wanted) in zip(frequencies, expected) { #expect(abs(found - wanted) < 1e-8) }
        #expect(frequencies.count == 4)
    }

    @Test func linearScalingDividesThemAll() {
        let scaled = RopeConfiguration(theta: 10_000, scaling: .linear(factor: 4))
        #expect(scaled.inverseFrequencies(headSize: 8)[0] == 0.25)
    }

    /// Values of Llama-3.2-1B from `_compute_llama3_parameters`: the fast pairs are kept, the slow
    /// ones divided by 32, and those in between follow the formula's ramp, computed by hand here.
    @Test func llama3ScalingHasItsThreeRanges() {
        let scaling = RopeConfiguration.Scaling.llama3(
            factor: 32, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContextLength: 8192)
        let plain = RopeConfiguration(theta: 500_000).inverseFrequencies(headSize: 64)
        let scaled = RopeConfiguration(theta: 500_000, scaling: scaling)
            .inverseFrequencies(headSize: 64)
        for pair in 0..<32 {
            let wavelength = 2 * Double.pi / Double(plain[pair])
            let expected: Double
            if wavelength < 2048 {
                expected = Double(plain[pair])
            } else if wavelength > 8192 {
                expected = Double(plain[pair]) / 32
            } else {
                let smooth = (8192 / wavelength - 1) / 3
                expected = Double(plain[pair]) * ((1 - smooth) / 32 + smooth)
            }
            #expect(abs(Double(scaled[pair]) / expected - 1) < 1e-5, "pair \(pair)")
        }
        #expect(scaled[0] == plain[0])
        #expect(scaled[31] == plain[31] / 32)
    }
}
