// SPDX-License-Identifier: Apache-2.0

import StrictJSON

/// Sizes above any published model, so that products of sizes cannot overflow.
enum ModelLimits {
    static let width = 1 << 20
    static let layers = 1024
    static let heads = 4096
    static let headSize = 1024
    static let vocabulary = 1 << 24
    static let contextLength = 1 << 26
}

extension ModelConfiguration {
    /// Reads a folder's `config.json` and, if it is there, `generation_config.json`.
    package static func open(folder: String) throws(ModelLoadingError) -> ModelConfiguration {
        let path = "\(folder)/config.json"
        let object = try JSONFile.object(path: path)
        var generation: JSONObject?
        do {
            generation = try JSONFile.object(path: "\(folder)/generation_config.json")
        } catch  where error.code == .notFound {
            generation = nil
        }
        do {
            return try decode(object, generation: generation)
        } catch {
            throw error.at(path: path)
        }
    }

    /// The configuration that the parsed files describe, or everything that is wrong with it.
    static func decode(
        _ object: JSONObject, generation: JSONObject?
    ) throws(ModelLoadingError) -> ModelConfiguration {
        var reader = KeyReader(object)
        guard let name = reader.string("model_type"), let family = ModelFamily(rawValue: name)
        else {
            let known = ModelFamily.allCases.map(\.rawValue).joined(separator: ", ")
            let found = object["model_type"]?.excerpt ?? "nothing"
            throw ModelLoadingError(
                .unsupportedModel, "must be one of \(known), found \(found)", key: "model_type")
        }
        var configuration = decodeSizes(&reader, family: family)
        configuration.rope = .decode(&reader)
        configuration.normEpsilon = Float(reader.positive("rms_norm_eps", fallback: 1e-6))
        configuration.tiedEmbeddings = reader.flag("tie_word_embeddings")
        configuration.decodeBiases(&reader)
        configuration.decodeWindow(&reader)
        configuration.decodeTokens(&reader, generation: generation)
        checkFixedChoices(&reader, family: family)
        reader.refuseOthers(
            ignored: ConfigurationKeys.harmless, reasons: ConfigurationKeys.reasons,
            code: .unsupportedModel)
        if let error = ModelLoadingError.joining(reader.problems) { throw error }
        return configuration
    }

    private static func decodeSizes(
        _ reader: inout KeyReader, family: ModelFamily
    ) -> ModelConfiguration {
        let hidden = reader.count("hidden_size", in: 1...ModelLimits.width)
        let heads = reader.count("num_attention_heads", in: 1...ModelLimits.heads)
        // The first Llama configurations, older than grouped queries, do not name the key.
        let kvHeads = reader.count(
            "num_key_value_heads", in: 1...ModelLimits.heads,
            fallback: family == .llama ? heads : nil)
        if heads % kvHeads != 0 {
            reader.refuse(
                "num_key_value_heads", .invalidValue,
                "must divide num_attention_heads (\(heads)), found \(kvHeads)")
        }
        // Only Qwen3 has a default that is not derived: 128.
        let derived = family == .qwen3 ? 128 : (hidden % heads == 0 ? hidden / heads : nil)
        let headSize = reader.count("head_dim", in: 2...ModelLimits.headSize, fallback: derived)
        if headSize % 2 != 0 {
            reader.refuse(
                "head_dim", .invalidValue, "a head must have an even size, found \(headSize)")
        }
        return ModelConfiguration(
            family: family, hiddenSize: hidden,
            intermediateSize: reader.count("intermediate_size", in: 1...ModelLimits.width),
            layerCount: reader.count("num_hidden_layers", in: 1...ModelLimits.layers),
            headCount: heads, kvHeadCount: kvHeads, headSize: max(headSize, 2),
            vocabularySize: reader.count("vocab_size", in: 1...ModelLimits.vocabulary),
            contextLength: reader.count(
                "max_position_embeddings", in: 1...ModelLimits.contextLength),
            queryKeyNorm: family == .qwen3)
    }

    /// Sources: the attention and MLP classes of each family in Hugging Face transformers.
    private mutating func decodeBiases(_ reader: inout KeyReader) {
        switch family {
        case .llama:
            if reader.flag("attention_bias") { linearBiases.formUnion([.q, .k, .v, .o]) }
            if reader.flag("mlp_bias") { linearBiases.formUnion([.gate, .up, .down]) }
        case .qwen3:
            if reader.flag("attention_bias") { linearBiases = [.q, .k, .v, .o] }
        case .qwen2:
            linearBiases = [.q, .k, .v]
        case .mistral:
            linearBiases = []
        }
    }

    private mutating func decodeWindow(_ reader: inout KeyReader) {
        switch family {
        case .llama:
            break
        case .mistral:
            // An absent key means the family's default, null means no window.
            let isAbsent = reader.object["sliding_window"] == nil
            guard isAbsent || reader.value("sliding_window") != nil else { return }
            let window = reader.count(
                "sliding_window", in: 1...ModelLimits.contextLength, fallback: 4096)
            guard window < contextLength else { return }
            notes.append(
                "context length cut from \(contextLength) to the sliding window of \(window): "
                    + "within the window, attention is the full one")
            contextLength = window
        case .qwen2, .qwen3:
            if reader.flag("use_sliding_window") {
                reader.refuse(
                    "use_sliding_window", .unsupportedModel,
                    "sliding windows are implemented for mistral only; "
                        + "set it to false if prompts stay within the window")
            }
            _ = reader.value("sliding_window")
        }
    }

    private mutating func decodeTokens(_ reader: inout KeyReader, generation: JSONObject?) {
        var ignored: [Int] = []
        func usable(_ ids: [Int]) -> [Int32] {
            ignored += ids.filter { !(0..<vocabularySize).contains($0) }
            return ids.filter { (0..<vocabularySize).contains($0) }.map(Int32.init)
        }
        beginToken = usable(Self.tokens(&reader, "bos_token_id")).first
        var ends: [Int] = []
        if let generation {
            var generationReader = KeyReader(generation, prefix: "generation_config.")
            ends = Self.tokens(&generationReader, "eos_token_id")
            reader.adopt(generationReader)
        }
        ends += Self.tokens(&reader, "eos_token_id")
        for token in usable(ends) where !endTokens.contains(token) { endTokens.append(token) }
        if !ignored.isEmpty {
            notes.append(
                "special tokens \(ignored) lie outside the vocabulary of \(vocabularySize) "
                    + "and are not used")
        }
    }

    /// The ids of a key that holds one, a list of them, or null.
    private static func tokens(_ reader: inout KeyReader, _ key: String) -> [Int] {
        guard let value = reader.value(key) else { return [] }
        let values = if case .array(let list) = value { list } else { [value] }
        let ids = values.compactMap(\.exactInteger).filter { Int32(exactly: $0) != nil }
        guard ids.count == values.count, ids.count <= 64 else {
            reader.refuse(
                key, .invalidValue,
                "must be a token id or a list of at most 64, found \(value.excerpt)")
            return []
        }
        return ids
    }

    /// Keys that are only implemented with one value.
    private static func checkFixedChoices(_ reader: inout KeyReader, family: ModelFamily) {
        let architecture =
            switch family {
            case .llama: "LlamaForCausalLM"
            case .mistral: "MistralForCausalLM"
            case .qwen2: "Qwen2ForCausalLM"
            case .qwen3: "Qwen3ForCausalLM"
            }
        if let value = reader.value("architectures"), value != .array([.string(architecture)]) {
            reader.refuse(
                "architectures", .unsupportedModel,
                "must be [\"\(architecture)\"] for this family, found \(value.excerpt)")
        }
        for key in ["hidden_act", "hidden_activation"] {
            if let activation = reader.string(key), activation != "silu", activation != "swish" {
                reader.refuse(
                    key, .unsupportedModel,
                    "the activation \"\(activation)\" is not implemented, only silu")
            }
        }
        if let value = reader.value("layer_types") {
            let isFull =
                if case .array(let types) = value {
                    types.allSatisfy { $0.string == "full_attention" }
                } else {
                    false
                }
            if !isFull {
                reader.refuse(
                    "layer_types", .unsupportedModel,
                    "only full_attention is implemented, found \(value.excerpt)")
            }
        }
        for key in ConfigurationKeys.multipliers where reader.object[key]?.double == 1 {
            _ = reader.value(key)
        }
        // Here zero is not the inactive value: it would mean that nothing is rotated.
        if let value = reader.value("partial_rotary_factor"), value.double != 1 {
            reader.refuse(
                "partial_rotary_factor", .unsupportedModel,
                "rotating only a part of each head is not implemented")
        }
    }
}
