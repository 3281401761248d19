// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Inference
internal import ManifestLoading
internal import ModelLoading
internal import PolicyKit
internal import Tokenization

/// Opens what a manifest names: the model, its tokenizer, its adapters.
nonisolated struct ModelOpening {
    let loaded: LoadedManifest
    let threads: Int
    let created: Int

    var spec: Manifest.Spec { loaded.manifest.spec }

    /// - Throws: the fault at the manifest's position of `spec.model`.
    func model() throws(HostError) -> ServedModel {
        let weights: ModelWeights
        var tokenizer: Tokenizer?
        let root: String
        switch spec.model.source {
        case .path(let path):
            root = path.value
            weights = try at(path.position, "spec.model.path") { () throws(ModelLoadingError) in
                try ModelWeights.open(folder: path.value)
            }
            tokenizer = try at(path.position, "spec.model.path") { () throws(TokenizationError) in
                try Tokenizer.load(folder: path.value)
            }
        case .synthetic(let synthetic):
            root = "synthetic:\(synthetic.preset.value),seed=\(synthetic.seed.value)"
            weights = try at(synthetic.preset.position, "spec.model.synthetic.preset") {
                () throws(ModelLoadingError) in
                try ModelWeights.synthetic(
                    preset: synthetic.preset.value, seed: synthetic.seed.value)
            }
        }
        let packed = try at(spec.model.dtype.position, "spec.model.dtype") {
            () throws(InferenceError) in
            try PackedModel(
                weights, type: WeightType(spec.model.dtype.value), threads: threads,
                cache: cache)
        }
        return ServedModel(
            name: spec.model.servedName, root: root, configuration: weights.configuration,
            packed: packed, tokenizer: tokenizer,
            contextLength: try contextLength(of: weights.configuration), created: created)
    }

    private var cache: PackedModelCache? {
        guard let cache = spec.model.cache else { return nil }
        let folders = FileManager.default.urls(for: .cachesDirectory, in: .userDomainMask)
        guard
            let directory = cache.directory?.value
                ?? folders.first?.appending(path: "burrow").path
        else { return nil }
        return PackedModelCache(
            directory: directory, limitBytes: Int(clamping: cache.limit.value.bytes))
    }

    private func contextLength(of model: ModelConfiguration) throws(HostError) -> Int {
        guard let limit = spec.limits.contextLength else { return model.contextLength }
        guard limit.value <= model.contextLength else {
            throw fault(
                "the model's context length is \(model.contextLength); lower this to it or less",
                at: limit.position, "spec.limits.contextLength")
        }
        return limit.value
    }

    /// Every mixture of the manifest, with its gate made for the experts as they are now.
    ///
    /// - Throws: all faults of all mixtures together.
    func mixtures(
        of adapters: [OpenedAdapter], for model: ServedModel
    ) throws(HostError) -> [OpenedMixture] {
        try mixtures(
            of: adapters, among: adapters.map(\.weights.name), for: model, where: { _ in true })
    }

    /// The mixtures that are wanted, of experts that are open; `names` are those of all adapters.
    ///
    /// - Throws: all faults of all mixtures together, wanted or not.
    func mixtures(
        of adapters: [OpenedAdapter], among names: [String], for model: ServedModel,
        where isWanted: (String) -> Bool
    ) throws(HostError) -> [OpenedMixture] {
        var opened: [OpenedMixture] = []
        var faults: [Diagnostic] = []
        for (index, mixture) in spec.mixtures.enumerated() {
            do throws(HostError) {
                let path = "spec.mixtures[\(index)]"
                try check(mixture, path, among: names)
                guard isWanted(mixture.name.value) else { continue }
                opened.append(try open(mixture, path, of: adapters, for: model))
            } catch {
                faults += error.diagnostics
            }
        }
        guard faults.isEmpty else { throw HostError(faults) }
        return opened
    }

    private func check(
        _ mixture: Manifest.Mixture, _ path: String, among names: [String]
    ) throws(HostError) {
        guard !names.contains(mixture.name.value) else {
            throw fault(
                "the name '\(mixture.name.value)' is that of an adapter: rename one",
                at: mixture.name.position, "\(path).name")
        }
        let faults = ExpertNames(document: loaded.document).unknown(
            in: mixture, path: path, among: names)
        guard faults.isEmpty else { throw HostError(faults) }
    }

    private func open(
        _ mixture: Manifest.Mixture, _ path: String, of adapters: [OpenedAdapter],
        for model: ServedModel
    ) throws(HostError) -> OpenedMixture {
        let experts = mixture.experts.compactMap { expert in
            adapters.first { $0.weights.name == expert.value }
        }
        let selection = loaded.manifest.gating(of: mixture)
        let policy = try PolicyAssembly(loaded).gating(selection)
        let source = MixtureSource(
            experts: experts.map {
                MixtureSource.Expert(name: $0.weights.name, generation: 1, source: $0.source)
            }, gating: selection)
        return try at(mixture.gating.position ?? mixture.name.position, "\(path).gating") {
            () throws(AdapterLoadFailure) in
            try OpenedMixture(
                source, named: mixture.name.value, experts: experts.map(\.weights), for: model,
                by: policy)
        }
    }

    // MARK: - Faults

    func fault(
        _ message: String, at position: SourcePosition?, _ path: String
    ) -> HostError {
        HostError([loaded.document.diagnostic(message, at: position, path: path)])
    }

    func at<Value, Failure: Error & CustomStringConvertible>(
        _ position: SourcePosition?, _ path: String, _ body: () throws(Failure) -> Value
    ) throws(HostError) -> Value {
        do throws(Failure) {
            return try body()
        } catch {
            throw fault(error.description, at: position, path)
        }
    }
}

nonisolated extension WeightType {
    fileprivate init(_ type: Manifest.ElementType) {
        switch type {
        case .f32: self = .f32
        case .bf16: self = .bf16
        case .int8: self = .int8
        }
    }
}
