// SPDX-License-Identifier: Apache-2.0

internal import ManifestLoading
internal import ModelLoading
internal import Spelling

/// Checks that the experts of mixtures are adapters, where directories of adapters are at hand.
nonisolated struct ExpertNames {
    let document: ManifestDocument

    /// Names that a message lists at most.
    private static let listed = 16

    /// The experts of all mixtures that are in no directory of the manifest; none where a directory
    /// cannot be read, which is a fault of its own when the host starts.
    func unknown(in manifest: Manifest) -> [Diagnostic] {
        if manifest.spec.mixtures.isEmpty { return [] }
        var names: [String] = []
        for adapter in manifest.spec.adapters {
            switch adapter.source {
            case .named(let named): names.append(named.name.value)
            case .synthetic(let synthetic): names += synthetic.names
            case .directory(let directory):
                guard let found = try? FolderListing.adapters(in: directory.value) else {
                    return []
                }
                names += found.map(\.name)
            }
        }
        return manifest.spec.mixtures.enumerated().flatMap { index, mixture in
            unknown(in: mixture, path: "spec.mixtures[\(index)]", among: names)
        }
    }

    /// The experts of a mixture that are not among the names.
    func unknown(
        in mixture: Manifest.Mixture, path: String, among names: [String]
    ) -> [Diagnostic] {
        mixture.experts.enumerated().compactMap { index, expert in
            guard !names.contains(expert.value) else { return nil }
            let meant = nearestName(to: expert.value, among: names)
            let list = names.prefix(Self.listed).joined(separator: ", ")
            let more = names.count > Self.listed ? " and \(names.count - Self.listed) more" : ""
            let known = meant == nil ? "; known: \(list)\(more)" : ""
            return document.diagnostic(
                "no adapter is called '\(expert.value)'\(known)", at: expert.position,
                path: "\(path).experts[\(index)]", suggestion: meant)
        }
    }
}
