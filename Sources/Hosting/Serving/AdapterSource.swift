// SPDX-License-Identifier: Apache-2.0

package import ManifestLoading
internal import ModelLoading

/// Where the weights of an adapter come from.
nonisolated package enum AdapterSource: Sendable, Equatable {
    /// A PEFT folder, as an absolute path.
    case folder(String)
    /// Random weights for benchmarks.
    case synthetic(rank: Int, seed: UInt64)
    /// Several adapters that answer together.
    case mixture(MixtureSource)

    /// What `/v1/models` shows as `root`.
    package var root: String {
        switch self {
        case .folder(let path): path
        case .synthetic(let rank, let seed): "synthetic:rank=\(rank),seed=\(seed)"
        case .mixture(let mixture):
            "mixture:\(mixture.gating.name)(\(mixture.names.joined(separator: ",")))"
        }
    }

    /// What it is made of, where it is a mixture.
    package var mixture: MixtureSource? {
        if case .mixture(let mixture) = self { mixture } else { nil }
    }

    /// What tells its weights from all others': the SHA-256 of the file that holds them, or of the
    /// words that synthetic ones are made from.
    func digest() throws(ModelLoadingError) -> String {
        switch self {
        case .folder(let path):
            try SHA256.digest(ofFile: "\(path)/\(AdapterWeights.weightsFile)")
        case .synthetic, .mixture: try SHA256.digest(of: root)
        }
    }
}

/// What a mixture is made of: the weights of its experts as they are now, and its gate's policy.
nonisolated package struct MixtureSource: Sendable, Equatable {
    /// One generation of an adapter, as a part of the mixture.
    package struct Expert: Sendable, Equatable {
        package var name: String
        package var generation: Int
        package var source: AdapterSource
    }

    /// In the order of the gate's weights.
    package var experts: [Expert]
    package var gating: PolicySelection

    package var names: [String] { experts.map(\.name) }
}
