// SPDX-License-Identifier: Apache-2.0

internal import Foundation
import StrictJSON

/// An adapter's folder as far as it can be read, with everything that speaks against serving it.
struct AdapterReading {
    static let configurationName = AdapterWeights.configurationFile

    let folder: String
    private(set) var plan: AdapterPlan?
    private(set) var file: SafetensorsFile?
    private(set) var sites: [AdapterSite: LoRAFactors] = [:]
    private(set) var problems: [ModelLoadingError] = []

    private var configurationPath: String { "\(folder)/\(Self.configurationName)" }
    private var tensorsPath: String { "\(folder)/\(AdapterWeights.weightsFile)" }

    /// Where the factors are read to check their values; nil where whoever packs them does.
    private let buffer: ReadBuffer?

    /// Reads and checks the folder; without a `model`, only against itself, and without its
    /// `values`, only their sizes.
    init(folder: String, model: ModelConfiguration?, values: Bool = true) {
        self.folder = folder
        buffer = values ? ReadBuffer() : nil
        readConfiguration()
        readFile()
        guard let plan, let file else { return }
        let pairs = pairTensors(of: file)
        for site in pairs.keys.sorted() {
            guard let pair = pairs[site] else { continue }
            check(site, pair, plan: plan, file: file, model: model)
        }
        checkCoverage(Set(pairs.keys), plan: plan, model: model)
    }

    // MARK: - Files

    private mutating func readConfiguration() {
        do {
            let object = try JSONFile.object(path: configurationPath)
            let decoded = AdapterPlan.decode(object)
            problems += decoded.problems.map { $0.at(path: configurationPath) }
            guard object["peft_type"]?.string == "LORA" else { return }
            plan = decoded.plan
        } catch {
            problems.append(error)
        }
    }

    private mutating func readFile() {
        do {
            file = try SafetensorsFile.opened(path: tensorsPath)
        } catch  where error.code == .notFound && hasPickledWeights {
            problems.append(
                ModelLoadingError(
                    .notFound,
                    "the folder holds adapter_model.bin, which can run code when it is read; "
                        + "convert it to \(AdapterWeights.weightsFile)", path: tensorsPath))
        } catch {
            problems.append(error)
        }
    }

    private var hasPickledWeights: Bool {
        FileManager.default.fileExists(atPath: "\(folder)/adapter_model.bin")
    }

    private mutating func refuse(
        _ code: ModelLoadingError.Code, _ message: String, tensor: String? = nil
    ) {
        problems.append(ModelLoadingError(code, message, path: tensorsPath, key: tensor))
    }

    // MARK: - Tensors

    private struct Pair {
        var a: SafetensorsHeader.Entry?
        var b: SafetensorsHeader.Entry?
    }

    /// Groups the factors by site; every other tensor is refused, once per reason.
    private mutating func pairTensors(of file: SafetensorsFile) -> [AdapterSite: Pair] {
        var pairs: [AdapterSite: Pair] = [:]
        var infixes: [String?] = []
        var others: [(reason: String, first: String, count: Int)] = []
        for entry in file.header.entries.sorted(by: { $0.name < $1.name }) {
            switch AdapterTensorName(entry.name) {
            case .factor(let site, let isA, let infix):
                if !infixes.contains(infix) { infixes.append(infix) }
                // Two spellings of one factor differ in their infix, which is refused below.
                if isA { pairs[site, default: Pair()].a = entry }
                if !isA { pairs[site, default: Pair()].b = entry }
            case .other(let reason):
                if let index = others.firstIndex(where: { $0.reason == reason }) {
                    others[index].count += 1
                } else {
                    others.append((reason, entry.name, 1))
                }
            }
        }
        for other in others {
            let more = other.count > 1 ? " (and \(other.count - 1) more such tensors)" : ""
            refuse(.unexpectedTensor, other.reason + more, tensor: other.first)
        }
        if infixes.count > 1 {
            let names = infixes.map { $0 ?? "(none)" }.sorted().joined(separator: ", ")
            refuse(.malformedTensors, "the file mixes several adapters: \(names)")
        }
        return pairs
    }

    /// Checks one site and, if nothing speaks against it, adds it to `sites`.
    private mutating func check(
        _ site: AdapterSite, _ pair: Pair, plan: AdapterPlan, file: SafetensorsFile,
        model: ModelConfiguration?
    ) {
        guard let a = pair.a, let b = pair.b else {
            let there = pair.a?.name ?? pair.b?.name
            let missing = pair.a == nil ? "lora_A" : "lora_B"
            return refuse(.missingTensor, "has no \(missing) beside it", tensor: there)
        }
        if let model, site.layer >= model.layerCount {
            return refuse(
                .unexpectedTensor, "the base model has only \(model.layerCount) layers",
                tensor: a.name)
        }
        do {
            guard try plan.targets.includes(site) else {
                return refuse(
                    .unexpectedTensor,
                    "\(Self.configurationName) does not target this layer, so it would be ignored",
                    tensor: a.name)
            }
            let rank = try plan.rank(at: site)
            // A configuration that was refused may lack its rank; its refusal says so.
            guard AdapterWeights.ranks.contains(rank) else { return }
            try checkShapes(site, a: a, b: b, rank: rank, model: model)
            let factors = LoRAFactors(
                rank: rank, scale: try plan.scale(at: site), a: try file.factor(a),
                b: try file.factor(b))
            try checkFinite(factors)
            sites[site] = factors
        } catch {
            problems.append(error.at(path: tensorsPath))
        }
    }

    private func checkShapes(
        _ site: AdapterSite, a: SafetensorsHeader.Entry, b: SafetensorsHeader.Entry, rank: Int,
        model: ModelConfiguration?
    ) throws(ModelLoadingError) {
        for (entry, isA) in [(a, true), (b, false)] {
            guard entry.shape.count == 2, entry.shape.allSatisfy({ $0 > 0 }) else {
                throw ModelLoadingError(
                    .wrongShape, "must be a matrix, has shape \(entry.shape)", key: entry.name)
            }
            let found = isA ? entry.shape[0] : entry.shape[1]
            guard found == rank else {
                throw ModelLoadingError(
                    .wrongShape,
                    "has rank \(found), \(Self.configurationName) says \(rank) for this layer",
                    key: entry.name)
            }
            guard let model else { continue }
            let wanted =
                isA
                ? [rank, model.inputSize(of: site.linear)]
                : [model.outputSize(of: site.linear), rank]
            guard entry.shape == wanted else {
                throw ModelLoadingError(
                    .wrongShape,
                    "has shape \(entry.shape), the base model calls for \(wanted): "
                        + "the adapter was trained for another model", key: entry.name)
            }
        }
    }

    private func checkFinite(_ factors: LoRAFactors) throws(ModelLoadingError) {
        guard factors.scale.isFinite else {
            throw ModelLoadingError(.notFinite, "alpha over rank is not finite", key: "lora_alpha")
        }
        guard let buffer else { return }
        for factor in [factors.a, factors.b] { try factor.read(into: buffer) { _, _ in } }
    }

    /// Every site that the configuration names must have its tensors.
    private mutating func checkCoverage(
        _ found: Set<AdapterSite>, plan: AdapterPlan, model: ModelConfiguration?
    ) {
        let highest = (found.map(\.layer) + (plan.targets.layers ?? [])).max() ?? 0
        let layerCount = model?.layerCount ?? min(highest + 1, ModelLimits.layers)
        for name in plan.targets.unmatchedNames(layerCount: layerCount) {
            problems.append(
                ModelLoadingError(
                    .unsupportedAdapter,
                    "\"\(name)\" is none of the linear layers that adapters can act on here "
                        + "(q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj)",
                    path: configurationPath, key: "target_modules"))
        }
        if let beyond = plan.targets.layers?.filter({ $0 >= layerCount }).min() {
            problems.append(
                ModelLoadingError(
                    .invalidValue, "layer \(beyond) is beyond the base model's \(layerCount)",
                    path: configurationPath, key: "layers_to_transform"))
        }
        do {
            let missing = try uncoveredSites(found, plan: plan, layerCount: layerCount)
            guard let first = missing.first else { return }
            let more = missing.count > 1 ? " (nor for \(missing.count - 1) more)" : ""
            refuse(
                .missingTensor,
                "\(Self.configurationName) targets this layer, but there are no tensors for it"
                    + more, tensor: first.moduleName)
        } catch {
            problems.append(error.at(path: configurationPath))
        }
    }

    private func uncoveredSites(
        _ found: Set<AdapterSite>, plan: AdapterPlan, layerCount: Int
    ) throws(ModelLoadingError) -> [AdapterSite] {
        var missing: [AdapterSite] = []
        for layer in 0..<layerCount {
            for linear in LinearKind.allCases {
                let site = AdapterSite(layer: layer, linear: linear)
                if found.contains(site) { continue }
                if try plan.targets.includes(site) { missing.append(site) }
            }
        }
        return missing
    }
}
