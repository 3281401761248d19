// SPDX-License-Identifier: Apache-2.0

import Foundation
import Hosting
import ManifestLoading
import ModelLoading
import PolicyKit
import Training

/// The folders of a mixture that is trained: the base model and the experts in their order.
struct TrainedMixture {
    /// Which adapters are meant.
    enum Choice {
        /// Those of a mixture of the manifest.
        case mixture(String)
        case named([String])
    }

    struct Expert {
        let name: String
        let path: String
    }

    let model: String
    let experts: [Expert]

    /// What a manifest, or the folder of a base model, and the folder of `adapters` have; without
    /// that, experts are adapters of the manifest.
    ///
    /// - Throws: `TrainingError` where an expert is not found, and what opening a manifest throws.
    init(source: String, adapters: String?, _ choice: Choice) throws {
        let path = WorkingFolder.absolute(source)
        var isFolder: ObjCBool = false
        let isThere = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
        var known: [Expert] = []
        var mixtures: [Manifest.Mixture] = []
        if isThere, isFolder.boolValue {
            model = path
            guard adapters != nil else {
                throw TrainingError(
                    .invalidSettings, "with a model's folder, --adapters says where the experts are"
                )
            }
        } else {
            let spec = try onMainThread { () throws(HostError) in
                try ManifestReader.load(source).manifest.spec
            }
            (model, known, mixtures) = try Self.folders(of: spec, manifest: source)
        }
        if let adapters { known = try Self.listed(in: adapters) }
        experts = try Self.names(choice, mixtures, source).map { name in
            guard let expert = known.first(where: { $0.name == name }) else {
                throw TrainingError(
                    .invalidSettings,
                    "there is no adapter '\(name)' in a folder; known are "
                        + known.map(\.name).joined(separator: ", "), at: adapters ?? source)
            }
            return expert
        }
    }

    private static func names(
        _ choice: Choice, _ mixtures: [Manifest.Mixture], _ source: String
    ) throws(TrainingError) -> [String] {
        switch choice {
        case .mixture(let name):
            guard let mixture = mixtures.first(where: { $0.name.value == name }) else {
                let known = mixtures.map(\.name.value).joined(separator: ", ")
                throw TrainingError(
                    .invalidSettings,
                    "there is no mixture '\(name)'"
                        + (known.isEmpty ? "; there is none" : "; known are \(known)"), at: source)
            }
            return mixture.experts.map(\.value)
        case .named(let names):
            let limit = MixtureDescription.maximumExperts
            guard Set(names).count == names.count, (1...limit).contains(names.count) else {
                throw TrainingError(
                    .invalidSettings, "--experts must name 1 to \(limit) different adapters")
            }
            return names
        }
    }

    private static func listed(in directory: String) throws(ModelLoadingError) -> [Expert] {
        try FolderListing.adapters(in: directory).map { Expert(name: $0.name, path: $0.path) }
    }

    private static func folders(
        of spec: Manifest.Spec, manifest: String
    ) throws -> (model: String, adapters: [Expert], mixtures: [Manifest.Mixture]) {
        guard case .path(let model) = spec.model.source else {
            throw TrainingError(
                .invalidSettings, "a synthetic model has nothing to learn", at: manifest)
        }
        var known: [Expert] = []
        for adapter in spec.adapters {
            switch adapter.source {
            case .directory(let directory): known += try listed(in: directory.value)
            case .named(let named):
                known.append(Expert(name: named.name.value, path: named.path.value))
            case .synthetic: break
            }
        }
        return (model.value, known, spec.mixtures)
    }
}
