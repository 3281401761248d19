// SPDX-License-Identifier: Apache-2.0

/// What a tensor's name in `adapter_model.safetensors` says it is.
enum AdapterTensorName: Equatable {
    /// One of the two factors; `infix` is the adapter's name where it was saved with one
    /// (`lora_A.default.weight`).
    case factor(AdapterSite, isA: Bool, infix: String?)
    /// Not a factor at a linear layer, with the reason why that cannot be used.
    case other(String)

    private static let prefix = "base_model.model."

    init(_ name: String) {
        self = Self.factor(name) ?? .other(Self.reason(name))
    }

    private static func factor(_ name: String) -> AdapterTensorName? {
        guard name.hasPrefix(prefix) else { return nil }
        var parts = name.dropFirst(prefix.count).split(
            separator: ".", omittingEmptySubsequences: false)
        guard parts.popLast() == "weight" else { return nil }
        // model.layers.N.block.linear.lora_X, then perhaps the infix.
        guard parts.count == 6 || parts.count == 7, parts[0] == "model", parts[1] == "layers",
            let layer = layerIndex(parts[2]), parts[5] == "lora_A" || parts[5] == "lora_B",
            let linear = LinearKind.allCases.first(where: {
                $0.moduleName == "\(parts[3]).\(parts[4])"
            })
        else { return nil }
        return .factor(
            AdapterSite(layer: layer, linear: linear), isA: parts[5] == "lora_A",
            infix: parts.count == 7 ? String(parts[6]) : nil)
    }

    /// A decimal without sign or leading zeros, so that each site has one spelling.
    private static func layerIndex(_ text: Substring) -> Int? {
        guard let value = Int(text), value >= 0, String(value) == text else { return nil }
        return value
    }

    private static func reason(_ name: String) -> String {
        if name.contains("lora_magnitude_vector") { return "DoRA magnitudes are not implemented" }
        if name.contains("lora_embedding_") || name.contains("embed_tokens.lora_") {
            return "adapters of the embedding are not implemented"
        }
        if name.contains("lm_head.lora_") {
            return "adapters of the output head are not implemented"
        }
        if name.hasSuffix(".bias") { return "trained biases are not implemented" }
        if name.contains("trainable_tokens") {
            return "trained token embeddings are not implemented"
        }
        if name.contains(".lora_A") || name.contains(".lora_B") {
            return "not the name of a linear layer of this architecture "
                + "(base_model.model.model.layers.N.self_attn.q_proj.lora_A.weight and the like)"
        }
        return "a weight trained beside the adapter (modules_to_save) or of another method, "
            + "which is not implemented"
    }
}
