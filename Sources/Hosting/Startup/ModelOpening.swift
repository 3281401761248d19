// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Inference
internal import ManifestLoading
internal import ModelLoading
internal import PolicyKit
internal import Tokenization

/// Opens what a manifest names: the model, its tokenizer, its adapters.
struct ModelOpening {
    let loaded: LoadedManifest
    let threads: Int
    let created: Int

    private var spec: Manifest.Spec { loaded.manifest.spec }

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

    /// Every adapter of the manifest, checked against the model.
    ///
    /// - Throws: all faults of all adapters together.
    func adapters(for model: ServedModel) throws(HostError) -> [OpenedAdapter] {
        var opened: [OpenedAdapter] = []
        var faults: [Diagnostic] = []
        for (index, adapter) in spec.adapters.enumerated() {
            let path = "spec.adapters[\(index)]"
            do throws(HostError) {
                for var entry in try sources(of: adapter.source, path) {
                    entry.share = ServiceShares.Share(adapter.share)
                    do throws(HostError) {
                        opened.append(try open(entry, for: model))
                    } catch {
                        faults += error.diagnostics
                    }
                }
            } catch {
                faults += error.diagnostics
            }
        }
        faults += duplicates(in: opened, model: model)
        guard faults.isEmpty else { throw HostError(faults) }
        return opened
    }

    /// Every mixture of the manifest, with its gate made for the experts as they are now.
    ///
    /// - Throws: all faults of all mixtures together.
    func mixtures(
        of adapters: [OpenedAdapter], for model: ServedModel
    ) throws(HostError) -> [OpenedMixture] {
        var opened: [OpenedMixture] = []
        var faults: [Diagnostic] = []
        for (index, mixture) in spec.mixtures.enumerated() {
            do throws(HostError) {
                opened.append(
                    try open(mixture, "spec.mixtures[\(index)]", of: adapters, for: model))
            } catch {
                faults += error.diagnostics
            }
        }
        guard faults.isEmpty else { throw HostError(faults) }
        return opened
    }

    private func open(
        _ mixture: Manifest.Mixture, _ path: String, of adapters: [OpenedAdapter],
        for model: ServedModel
    ) throws(HostError) -> OpenedMixture {
        let names = adapters.map(\.weights.name)
        guard !names.contains(mixture.name.value) else {
            throw fault(
                "the name '\(mixture.name.value)' is that of an adapter: rename one",
                at: mixture.name.position, "\(path).name")
        }
        let experts = try experts(of: mixture, path, among: adapters)
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

    private func experts(
        of mixture: Manifest.Mixture, _ path: String, among adapters: [OpenedAdapter]
    ) throws(HostError) -> [OpenedAdapter] {
        let faults = ExpertNames(document: loaded.document).unknown(
            in: mixture, path: path, among: adapters.map(\.weights.name))
        guard faults.isEmpty else { throw HostError(faults) }
        return mixture.experts.compactMap { expert in
            adapters.first { $0.weights.name == expert.value }
        }
    }

    // MARK: - Adapters

    private struct Entry {
        var name: String
        var source: AdapterSource
        var isPinned = false
        var share = ServiceShares.Share()
        var position: SourcePosition?
        var path: String
    }

    private func sources(
        of adapter: Manifest.Adapter.Source, _ path: String
    ) throws(HostError) -> [Entry] {
        switch adapter {
        case .directory(let directory):
            let listed = try at(directory.position, "\(path).directory") {
                () throws(ModelLoadingError) in
                try FolderListing.adapters(in: directory.value)
            }
            return listed.map {
                Entry(
                    name: $0.name, source: .folder($0.path), position: directory.position,
                    path: "\(path).directory")
            }
        case .named(let named):
            return [
                Entry(
                    name: named.name.value, source: .folder(named.path.value),
                    isPinned: named.pinned.value, position: named.path.position,
                    path: "\(path).path")
            ]
        case .synthetic(let synthetic):
            return synthetic.names.enumerated().map { number, name in
                Entry(
                    name: name,
                    source: .synthetic(
                        rank: synthetic.rank.value, seed: synthetic.seed.value &+ UInt64(number)),
                    position: synthetic.rank.position, path: "\(path).synthetic")
            }
        }
    }

    private func open(_ entry: Entry, for model: ServedModel) throws(HostError) -> OpenedAdapter {
        let weights = try at(entry.position, entry.path) { () throws(ModelLoadingError) in
            try AdapterLoader.open(entry.source, named: entry.name, for: model)
        }
        return OpenedAdapter(
            weights: weights, source: entry.source, isPinned: entry.isPinned,
            share: entry.share, position: entry.position, path: entry.path)
    }

    private func duplicates(in opened: [OpenedAdapter], model: ServedModel) -> [Diagnostic] {
        var seen: Set<String> = [model.name]
        return opened.compactMap { adapter in
            guard !seen.insert(adapter.weights.name).inserted else { return nil }
            let owner = adapter.weights.name == model.name ? "the base model" : "another adapter"
            return loaded.document.diagnostic(
                "the name '\(adapter.weights.name)' is that of \(owner): rename one",
                at: adapter.position, path: adapter.path)
        }
    }

    // MARK: - Faults

    private func fault(
        _ message: String, at position: SourcePosition?, _ path: String
    ) -> HostError {
        HostError([loaded.document.diagnostic(message, at: position, path: path)])
    }

    private func at<Value, Failure: Error & CustomStringConvertible>(
        _ position: SourcePosition?, _ path: String, _ body: () throws(Failure) -> Value
    ) throws(HostError) -> Value {
        do throws(Failure) {
            return try body()
        } catch {
            throw fault(error.description, at: position, path)
        }
    }
}

/// An adapter of the manifest that fits the model.
struct OpenedAdapter {
    var weights: AdapterWeights
    var source: AdapterSource
    var isPinned: Bool
    var share: ServiceShares.Share
    var position: SourcePosition?
    var path: String
}

extension WeightType {
    fileprivate init(_ type: Manifest.ElementType) {
        switch type {
        case .f32: self = .f32
        case .bf16: self = .bf16
        case .int8: self = .int8
        }
    }
}
