// SPDX-License-Identifier: Apache-2.0

internal import ModelLoading

/// How an adapter was composed, and how near it is to what the method calls for.
package struct CompositionReport: Sendable, Equatable, Codable {
    /// An adapter that went into it.
    package struct Source: Sendable, Equatable, Codable {
        package let name: String
        package let path: String?
        package let weight: Double
    }

    /// One linear layer.
    package struct Site: Sendable, Equatable, Codable {
        package let module: String
        package let rank: Int
        /// The Frobenius norm of the update that the method calls for.
        package let norm: Double
        /// The Frobenius norm of what is missing, relative to `norm`.
        package let relativeError: Double
    }

    /// A search for weights.
    package struct Search: Sendable, Equatable, Codable {
        package let evaluations: Int
        /// Cross-entropy in nats per token with the weights that were given, and with those found;
        /// without the penalty on large weights.
        package let firstLoss: Double
        package let loss: Double
        package let examples: Int
        package let composesFactorwise: Bool
    }

    /// As the command line has it.
    package var method: String
    package let sources: [Source]
    package let density: Double?
    package let seed: UInt64
    /// `F32` or `BF16`.
    package let elementType: String
    package let byteCount: Int
    package let parameterCount: Int
    package let sites: [Site]
    package var search: Search?

    init(_ sites: [SiteComposition], by composition: AdapterComposition) {
        method = composition.method.name
        sources = composition.adapters.map {
            Source(name: $0.name, path: $0.adapter.path, weight: $0.weight)
        }
        density = composition.method.density
        seed = composition.seed
        elementType = composition.type.rawValue
        parameterCount = sites.reduce(0) { $0 + $1.a.count + $1.b.count }
        byteCount = parameterCount * (composition.type == .f32 ? 4 : 2)
        self.sites = sites.map {
            Site(
                module: $0.site.moduleName, rank: $0.rank, norm: $0.targetNorm,
                relativeError: $0.relativeError)
        }
    }

    /// The distinct ranks of the layers, ascending.
    package var ranks: [Int] { Set(sites.map(\.rank)).sorted() }

    package var meanError: Double {
        sites.reduce(0) { $0 + $1.relativeError } / Double(max(1, sites.count))
    }

    /// The layer that lost the most.
    package var worst: Site? { sites.max { $0.relativeError < $1.relativeError } }
}

extension CompositionMethod {
    /// As the command line has it.
    package var name: String {
        switch self {
        case .concatenate: "concatenate"
        case .svd: "svd"
        case .magnitudePrune: "magnitude-prune"
        case .dare: "dare"
        case .ties: "ties"
        case .dareTies: "dare-ties"
        case .factorwise: "factorwise"
        case .regressionMean: "regmean"
        }
    }
}
