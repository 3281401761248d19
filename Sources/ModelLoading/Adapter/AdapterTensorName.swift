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

    private static let beginning = Array("\(prefix)model.layers.".utf8)
    private static let modules = LinearKind.allCases.map {
        (kind: $0, name: Array(".\($0.moduleName).lora_".utf8))
    }
    private static let ending = Array(".weight".utf8)

    /// Parses bytes instead of splitting strings: an adapter has some hundred names, and is loaded
    /// while a request waits.
    private static func factor(_ name: String) -> AdapterTensorName? {
        var name = name
        return name.withUTF8 { factor($0[...]) }
    }

    /// `model.layers.N.block.linear.lora_X.weight`, perhaps with an infix before the last word.
    private static func factor(_ name: Slice<UnsafeBufferPointer<UInt8>>) -> AdapterTensorName? {
        var rest = name
        guard take(beginning, from: &rest), let layer = takeLayer(from: &rest),
            let module = modules.first(where: { take($0.name, from: &rest) }),
            let letter = rest.popFirst(),
            letter == UInt8(ascii: "A") || letter == UInt8(ascii: "B"),
            rest.count >= ending.count, rest.suffix(ending.count).elementsEqual(ending)
        else { return nil }
        rest.removeLast(ending.count)
        var infix: String?
        if let dot = rest.popFirst() {
            guard dot == UInt8(ascii: "."), !rest.contains(UInt8(ascii: ".")) else { return nil }
            infix = String(decoding: rest, as: UTF8.self)
        }
        return .factor(
            AdapterSite(layer: layer, linear: module.kind), isA: letter == UInt8(ascii: "A"),
            infix: infix)
    }

    private static func take(
        _ beginning: [UInt8], from rest: inout Slice<UnsafeBufferPointer<UInt8>>
    ) -> Bool {
        guard rest.starts(with: beginning) else { return false }
        rest.removeFirst(beginning.count)
        return true
    }

    /// A decimal without sign or leading zeros, so that each site has one spelling.
    private static func takeLayer(from rest: inout Slice<UnsafeBufferPointer<UInt8>>) -> Int? {
        let digits = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard !digits.isEmpty, digits.count == 1 || digits.first != UInt8(ascii: "0"),
            let layer = Int(String(decoding: digits, as: UTF8.self))
        else { return nil }
        rest.removeFirst(digits.count)
        return layer
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
