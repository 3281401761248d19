// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// What PEFT's `adapter_config.json` of the type XLORA says that matters when serving.
struct XLoRAConfiguration {
    let hiddenSize: Int

    /// Sorted; PEFT sorts the keys that it writes.
    let adapters: [String]
    let hasSoftmax: Bool
    let hasTopSoftmax: Bool

    /// Whether each linear layer has weights of its own.
    let isLayerwise: Bool
    let depth: Int
    let temperature: Float

    /// 0 for all.
    let top: Int

    /// Multiplies all weights.
    let globalWeight: Float

    /// Whether the classifier's layers have a ReLU between them; early versions could do without.
    let hasReLU: Bool

    init(_ file: FileValue) throws(PolicyError) {
        guard case .string("XLORA")? = file["peft_type"] else {
            throw PolicyError("'peft_type' is not XLORA")
        }
        guard case .object(let adapters)? = file["adapters"],
            1...MixtureDescription.maximumExperts ~= adapters.count
        else {
            throw PolicyError(
                "'adapters' does not name 1 to \(MixtureDescription.maximumExperts) adapters")
        }
        self.adapters = adapters.keys.sorted()
        let keys = ConfigurationKeys(file: file)
        hiddenSize = Int(try keys.number("hidden_size", in: 1...1_000_000, default: nil))
        hasSoftmax = try keys.boolean("enable_softmax", default: true)
        hasTopSoftmax = try keys.boolean("enable_softmax_topk", default: false)
        isLayerwise = try keys.boolean("layerwise_scalings", default: false)
        depth = Int(try keys.number("xlora_depth", in: 1...64, default: 1))
        temperature = Float(try keys.number("softmax_temperature", in: 1e-4...1e4, default: 1))
        top = min(
            adapters.count, Int(try keys.number("top_k_lora", in: 1...1_000, default: 0)))
        globalWeight = Float(
            try keys.number("global_scaling_weight", in: -1_000...1_000, default: 1))
        hasReLU = try keys.boolean("enable_relu_and_dropout", default: true)
    }
}

private struct ConfigurationKeys {
    let file: FileValue

    func boolean(_ key: String, default fallback: Bool) throws(PolicyError) -> Bool {
        switch file[key] {
        case nil, .null?: return fallback
        case .boolean(let boolean)?: return boolean
        default: throw PolicyError("'\(key)' is neither true nor false")
        }
    }

    func number(
        _ key: String, in range: ClosedRange<Double>, default fallback: Double?
    ) throws(PolicyError) -> Double {
        switch file[key] {
        case nil, .null?:
            guard let fallback else { throw PolicyError("'\(key)' is missing") }
            return fallback
        case .number(let number)? where range.contains(number): return number
        default:
            throw PolicyError(
                "'\(key)' is no number from \(range.lowerBound) to \(range.upperBound)")
        }
    }
}
