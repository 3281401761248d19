// SPDX-License-Identifier: Apache-2.0

import StrictJSON

/// What an `adapter_config.json` asks for, as far as it is plain LoRA.
struct AdapterPlan {
    var rank = 0
    var alpha = 0.0
    /// Whether the scale is `alpha / sqrt(rank)` instead of `alpha / rank`.
    var isRankStabilised = false
    /// In the order of the file, which decides when two match.
    var ranks: [(pattern: ModulePattern, value: Int)] = []
    var alphas: [(pattern: ModulePattern, value: Double)] = []
    var targets = AdapterTargets()
    var baseModelName: String?

    /// The rank at a site: `get_pattern_key` in PEFT, `utils/other.py`.
    func rank(at site: AdapterSite) throws(ModelLoadingError) -> Int {
        for (pattern, value) in ranks where try pattern.matches(site.moduleName) { return value }
        return rank
    }

    /// The factor that multiplies the product of the low-rank factors at a site.
    func scale(at site: AdapterSite) throws(ModelLoadingError) -> Float {
        var alpha = alpha
        for (pattern, value) in alphas where try pattern.matches(site.moduleName) {
            alpha = value
            break
        }
        let rank = Double(try rank(at: site))
        return Float(isRankStabilised ? alpha / rank.squareRoot() : alpha / rank)
    }

    /// Reads the configuration, and everything about it that is not implemented.
    static func decode(_ object: JSONObject) -> (plan: AdapterPlan, problems: [ModelLoadingError]) {
        var reader = KeyReader(object)
        var plan = AdapterPlan()
        let type = reader.string("peft_type")
        if type != "LORA" {
            reader.refuse(
                "peft_type", .unsupportedAdapter,
                "must be \"LORA\", found \(object["peft_type"]?.excerpt ?? "nothing")")
            // The keys of other methods mean other things.
            return (plan, reader.problems)
        }
        plan.rank = reader.count("r", in: AdapterWeights.ranks)
        plan.alpha = number(&reader, "lora_alpha")
        plan.isRankStabilised = reader.flag("use_rslora")
        plan.baseModelName = reader.string("base_model_name_or_path")
        plan.decodePatterns(&reader)
        plan.decodeTargets(&reader)
        AdapterRefusals.check(&reader)
        return (plan, reader.problems)
    }

    private static func number(_ reader: inout KeyReader, _ key: String) -> Double {
        guard let value = reader.value(key)?.double, Float(value).isFinite else {
            let found = reader.object[key]?.excerpt ?? "nothing"
            reader.refuse(key, .invalidValue, "must be a number, found \(found)")
            return 0
        }
        return value
    }

    private mutating func decodePatterns(_ reader: inout KeyReader) {
        if var nested = reader.nested("rank_pattern") {
            for key in nested.object.members.map(\.name) {
                let value = nested.count(key, in: AdapterWeights.ranks)
                if let pattern = Self.pattern(key, .pathSuffix, key: key, &nested) {
                    ranks.append((pattern, value))
                }
            }
            reader.adopt(nested)
        }
        if var nested = reader.nested("alpha_pattern") {
            for key in nested.object.members.map(\.name) {
                let value = Self.number(&nested, key)
                if let pattern = Self.pattern(key, .pathSuffix, key: key, &nested) {
                    alphas.append((pattern, value))
                }
            }
            reader.adopt(nested)
        }
    }

    private static func pattern(
        _ text: String, _ anchoring: ModulePattern.Anchoring, key: String, _ reader: inout KeyReader
    ) -> ModulePattern? {
        do {
            return try ModulePattern(text, anchoring)
        } catch {
            reader.refuse(key, error.code, error.message)
            return nil
        }
    }

    private mutating func decodeTargets(_ reader: inout KeyReader) {
        targets.targets = Self.selection(&reader, "target_modules")
        targets.exclusions = Self.selection(&reader, "exclude_modules")
        if case .none = targets.targets {
            reader.refuse(
                "target_modules", .invalidValue, "must name at least one linear layer")
        }
        if case .allLinear = targets.exclusions {
            reader.refuse("exclude_modules", .invalidValue, "cannot be \"all-linear\"")
        }
        decodeLayers(&reader)
    }

    private static func selection(
        _ reader: inout KeyReader, _ key: String
    ) -> AdapterTargets.Selection {
        switch reader.value(key) {
        case .none:
            return .none
        case .string(let text) where text.lowercased() == "all-linear":
            return .allLinear
        case .string(let text):
            guard !text.isEmpty, let pattern = pattern(text, .wholeName, key: key, &reader) else {
                return .none
            }
            return .pattern(pattern)
        case .array(let values):
            let names = values.compactMap(\.string)
            guard names.count == values.count, names.count <= 16_384 else {
                reader.refuse(key, .invalidValue, "must be a list of at most 16384 strings")
                return .none
            }
            return names.isEmpty ? .none : .names(names)
        case .some(let value):
            reader.refuse(
                key, .invalidValue, "must be a list of names or a string, found \(value.excerpt)")
            return .none
        }
    }

    private mutating func decodeLayers(_ reader: inout KeyReader) {
        let patterns = reader.value("layers_pattern")
        guard let value = reader.value("layers_to_transform") else { return }
        let values = if case .array(let list) = value { list } else { [value] }
        // As in PEFT, an empty list means all layers.
        guard !values.isEmpty else { return }
        let layers = values.compactMap(\.exactInteger).filter {
            (0..<ModelLimits.layers).contains($0)
        }
        guard layers.count == values.count else {
            reader.refuse(
                "layers_to_transform", .invalidValue,
                "must be a layer's index or a list of them, found \(value.excerpt)")
            return
        }
        switch targets.targets {
        case .pattern, .allLinear:
            reader.refuse(
                "layers_to_transform", .invalidValue,
                "cannot be used when target_modules is a string; give a list of names")
        case .none, .names:
            self.targets.layers = Set(layers)
        }
        checkLayersPattern(patterns, &reader)
    }

    private func checkLayersPattern(_ value: JSONValue?, _ reader: inout KeyReader) {
        guard let value, !value.isInactive else { return }
        let patterns = if case .array(let list) = value { list } else { [value] }
        if !patterns.contains(.string("layers")) {
            reader.refuse(
                "layers_pattern", .unsupportedAdapter,
                "must be \"layers\", the name of the list of blocks, found \(value.excerpt)")
        }
    }
}
