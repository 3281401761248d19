// SPDX-License-Identifier: Apache-2.0

import Foundation
import Hosting
import ManifestLoading
import ModelLoading
import Training

/// The folders of a mixture that is trained: the base model and the experts in their order.
struct TrainedMixture {
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
    init(source: String, adapters: String?, experts: [String]) throws {
        guard Set(experts).count == experts.count, !experts.isEmpty, experts.count <= 64 else {
            throw TrainingError(
                .invalidSettings, "--experts must name 1 to 64 different adapters")
        }
        let path = WorkingFolder.absolute(source)
        var isFolder: ObjCBool = false
        let isThere = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
        var known: [Expert] = []
        if isThere, isFolder.boolValue {
            model = path
            guard adapters != nil else {
                throw TrainingError(
                    .invalidSettings, "with a model's folder, --adapters says where the experts are"
                )
            }
        } else {
            (model, known) = try Self.read(manifest: source)
        }
        if let adapters { known = try Self.listed(in: adapters) }
        self.experts = try experts.map { name in
            guard let entry = known.first(where: { $0.name == name }) else {
                throw TrainingError(
                    .invalidSettings,
                    "there is no adapter '\(name)'; known are "
                        + known.map(\.name).joined(separator: ", "), at: adapters ?? source)
            }
            return entry
        }
    }

    private static func listed(in directory: String) throws -> [Expert] {
        try FolderListing.adapters(in: directory).map { Expert(name: $0.name, path: $0.path) }
    }

    private static func read(
        manifest: String
    ) throws -> (model: String, adapters: [Expert]) {
        let spec = try onMainThread { () throws(HostError) in
            try ManifestReader.load(manifest).manifest.spec
        }
        guard case .path(let model) = spec.model.source else {
            throw TrainingError(
                .invalidSettings, "a synthetic model has nothing to learn", at: manifest)
        }
        var known: [Expert] = []
        for adapter in spec.adapters {
            switch adapter.source {
            case .directory(let directory):
                known += try listed(in: directory.value)
            case .named(let named):
                known.append(
                    Expert(name: named.name.value, path: named.path.value))
            case .synthetic: break
            }
        }
        return (model.value, known)
    }
}
