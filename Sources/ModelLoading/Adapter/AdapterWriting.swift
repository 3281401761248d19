// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import StrictJSON

extension AdapterWeights {
    /// Writes the adapter into a folder, which must exist, as PEFT saves it: `adapter_config.json`
    /// and `adapter_model.safetensors`.
    ///
    /// Each site keeps its rank and its scale, which becomes `alpha / rank`. The same adapter gives
    /// the same bytes.
    ///
    /// - Throws: what reading a factor throws, `notFinite` where bf16 cannot hold a value, and
    ///   `unwritable`.
    package func write(
        to folder: String, for model: ModelConfiguration,
        as type: SafetensorsWriter.ElementType = .f32
    ) throws(ModelLoadingError) {
        var tensors: [NamedTensor] = []
        for site in sites.keys.sorted() {
            guard let factors = sites[site] else { continue }
            for (matrix, letter) in [(factors.a, "A"), (factors.b, "B")] {
                tensors.append(
                    NamedTensor(
                        "base_model.model.\(site.moduleName).lora_\(letter).weight", matrix.shape,
                        try matrix.floats()))
            }
        }
        // The configuration comes last: a folder counts as an adapter once it holds one.
        try SafetensorsWriter.write(
            tensors, type: type, metadata: ["format": "pt"],
            to: "\(folder)/\(AdapterWeights.weightsFile)")
        let path = "\(folder)/\(AdapterReading.configurationName)"
        do {
            try Data(configuration(layerCount: model.layerCount)).write(
                to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw ModelLoadingError(.unwritable, error.localizedDescription, path: path)
        }
    }

    /// The text of `adapter_config.json`.
    private func configuration(layerCount: Int) -> [UInt8] {
        let scaling = StoredScaling(sites)
        var members: [(String, JSONValue)] = [
            ("peft_type", .string("LORA")), ("task_type", .string("CAUSAL_LM")),
            ("base_model_name_or_path", baseModelName.map { .string($0) } ?? .null),
            ("r", .integer(scaling.rank)), ("lora_alpha", .number(scaling.alpha)),
        ]
        members.append(
            ("rank_pattern", Self.object(scaling.otherRanks.map { ($0, .integer($1)) })))
        members.append(
            ("alpha_pattern", Self.object(scaling.otherAlphas.map { ($0, .number($1)) })))
        members.append(
            ("target_modules", .array(targetNames(layerCount: layerCount).map { .string($0) })))
        members += [
            ("bias", .string("none")), ("lora_dropout", .number(0)),
            ("inference_mode", .boolean(true)), ("init_lora_weights", .boolean(true)),
            ("fan_in_fan_out", .boolean(false)), ("use_dora", .boolean(false)),
            ("use_rslora", .boolean(false)),
        ]
        var writer = JSONWriter(reserving: 1024)
        writer.value(Self.object(members))
        return writer.bytes + [UInt8(ascii: "\n")]
    }

    private static func object(_ members: [(String, JSONValue)]) -> JSONValue {
        var object = JSONObject()
        for (name, value) in members { _ = object.append(name, value) }
        return .object(object)
    }

    /// The linear layers by their last name where each is in all layers of the model, else every
    /// site by its whole name.
    private func targetNames(layerCount: Int) -> [String] {
        let kinds = LinearKind.allCases.filter { kind in sites.keys.contains { $0.linear == kind } }
        guard sites.count == kinds.count * layerCount else {
            return sites.keys.sorted().map(\.moduleName)
        }
        return kinds.map { $0.moduleName.split(separator: ".").last.map(String.init) ?? "" }
    }
}

/// The rank and alpha that most sites have, and those of the others.
private struct StoredScaling {
    private(set) var rank = 1
    private(set) var alpha = 1.0
    private(set) var otherRanks: [(String, Int)] = []
    private(set) var otherAlphas: [(String, Double)] = []

    init(_ sites: [AdapterSite: LoRAFactors]) {
        let all = sites.sorted { $0.key < $1.key }.map { site, factors in
            (site: site, rank: factors.rank, alpha: Double(factors.scale) * Double(factors.rank))
        }
        rank = Self.commonest(all.map(\.rank)) ?? 1
        alpha = Self.commonest(all.map(\.alpha)) ?? 1
        otherRanks = all.filter { $0.rank != rank }.map { ($0.site.moduleName, $0.rank) }
        otherAlphas = all.filter { $0.alpha != alpha }.map { ($0.site.moduleName, $0.alpha) }
    }

    /// Of values that are as frequent, the smallest.
    private static func commonest<Value: Hashable & Comparable>(_ values: [Value]) -> Value? {
        let counts = values.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        return counts.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key
    }
}
