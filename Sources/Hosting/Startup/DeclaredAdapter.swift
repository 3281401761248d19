// SPDX-License-Identifier: Apache-2.0

internal import ManifestLoading
internal import ModelLoading
internal import PluginLoading

/// An adapter as a manifest names it, not opened yet.
nonisolated struct DeclaredAdapter: Sendable {
    var name: String
    var source: AdapterSource
    var isPinned = false
    var share = ServiceShares.Share()
    /// What its files were like.
    var stamps: [FileStamp?] = []
    var position: SourcePosition?
    var path: String

    /// The files that hold it.
    var files: [String] {
        guard case .folder(let folder) = source else { return [] }
        return [AdapterWeights.weightsFile, AdapterWeights.configurationFile].map {
            "\(folder)/\($0)"
        }
    }

    /// Whether both are served with the same weights.
    func hasWeights(of other: DeclaredAdapter) -> Bool {
        source == other.source && stamps == other.stamps
    }
}

/// An adapter of the manifest that fits the model.
nonisolated struct OpenedAdapter {
    var weights: AdapterWeights
    var source: AdapterSource
    var isPinned: Bool
    var share: ServiceShares.Share
    var position: SourcePosition?
    var path: String
}

nonisolated extension ModelOpening {
    /// Every adapter of the manifest, checked against the model.
    ///
    /// - Throws: all faults of all adapters together.
    func adapters(for model: ServedModel) throws(HostError) -> [OpenedAdapter] {
        try open(try declaredAdapters(named: model.name), for: model)
    }

    /// What the manifest names as adapters, each name once; nothing of it is read.
    ///
    /// - Throws: all faults of all of them together.
    func declaredAdapters(named model: String) throws(HostError) -> [DeclaredAdapter] {
        var declared: [DeclaredAdapter] = []
        var faults: [Diagnostic] = []
        for (index, adapter) in spec.adapters.enumerated() {
            let path = "spec.adapters[\(index)]"
            do throws(HostError) {
                for var entry in try sources(of: adapter.source, path) {
                    entry.share = ServiceShares.Share(adapter.share)
                    entry.stamps = entry.files.map(FileStamp.init(of:))
                    declared.append(entry)
                }
            } catch {
                faults += error.diagnostics
            }
        }
        faults += duplicates(in: declared, model: model)
        guard faults.isEmpty else { throw HostError(faults) }
        return declared
    }

    /// Opens adapters and checks them against the model.
    ///
    /// - Throws: all faults of all of them together.
    func open(
        _ declared: [DeclaredAdapter], for model: ServedModel
    ) throws(HostError) -> [OpenedAdapter] {
        var opened: [OpenedAdapter] = []
        var faults: [Diagnostic] = []
        for adapter in declared {
            do throws(HostError) {
                opened.append(try open(adapter, for: model))
            } catch {
                faults += error.diagnostics
            }
        }
        guard faults.isEmpty else { throw HostError(faults) }
        return opened
    }

    private func sources(
        of adapter: Manifest.Adapter.Source, _ path: String
    ) throws(HostError) -> [DeclaredAdapter] {
        switch adapter {
        case .directory(let directory):
            let listed = try at(directory.position, "\(path).directory") {
                () throws(ModelLoadingError) in
                try FolderListing.adapters(in: directory.value)
            }
            return listed.map {
                DeclaredAdapter(
                    name: $0.name, source: .folder($0.path), position: directory.position,
                    path: "\(path).directory")
            }
        case .named(let named):
            return [
                DeclaredAdapter(
                    name: named.name.value, source: .folder(named.path.value),
                    isPinned: named.pinned.value, position: named.path.position,
                    path: "\(path).path")
            ]
        case .synthetic(let synthetic):
            return synthetic.names.enumerated().map { number, name in
                DeclaredAdapter(
                    name: name,
                    source: .synthetic(
                        rank: synthetic.rank.value, seed: synthetic.seed.value &+ UInt64(number)),
                    position: synthetic.rank.position, path: "\(path).synthetic")
            }
        }
    }

    private func open(
        _ declared: DeclaredAdapter, for model: ServedModel
    ) throws(HostError) -> OpenedAdapter {
        let weights = try at(declared.position, declared.path) { () throws(ModelLoadingError) in
            try AdapterLoader.open(declared.source, named: declared.name, for: model)
        }
        return OpenedAdapter(
            weights: weights, source: declared.source, isPinned: declared.isPinned,
            share: declared.share, position: declared.position, path: declared.path)
    }

    private func duplicates(in declared: [DeclaredAdapter], model: String) -> [Diagnostic] {
        var seen: Set<String> = [model]
        return declared.compactMap { adapter in
            guard !seen.insert(adapter.name).inserted else { return nil }
            let owner = adapter.name == model ? "the base model" : "another adapter"
            return fault(
                "the name '\(adapter.name)' is that of \(owner): rename one",
                at: adapter.position, adapter.path
            ).diagnostics.first
        }
    }
}
