// SPDX-License-Identifier: Apache-2.0

internal import HTTPServing
internal import ManifestLoading
internal import PolicyKit
internal import Scheduling

/// A generation that is built whole and not in force.
///
/// Safety of the unchecked conformance: the thread that builds it makes its policies and gives them
/// away with it; the loop is the only one to use them.
nonisolated struct Candidate: @unchecked Sendable {
    let facts: GenerationFacts
    let loaded: LoadedManifest
    let comparison: GenerationComparison

    /// The policies that change, made and without a state.
    let policies: PolicyReplacement

    /// New ones, and those with other weights.
    let adapters: [OpenedAdapter]
    let mixtures: [OpenedMixture]
    let keys: KeyRing

    /// The adapters and mixtures of the whole manifest, with their shares of service.
    let shares: ServiceShares
}

/// What became of building a candidate.
nonisolated enum BuildOutcome: Sendable {
    case built(Candidate)
    /// The generation that is live is this one.
    case unchanged
    case refused(Refusal)

    /// Why, and where it came to light.
    struct Refusal: Error, Sendable {
        var stage: ReloadStage
        var message: String
        /// The digest, where it could be told.
        var digest: String?
        /// What would have changed, where it came so far.
        var changes: [ManifestChange] = []
    }
}

/// The stages of a reload, in their order.
nonisolated package enum ReloadStage: String, Codable, Sendable, CaseIterable {
    /// Reading the manifest.
    case read
    /// Trying it in a process of its own.
    case preflight
    /// Loading plugins and checking the whole manifest.
    case validate
    /// Making policies and gates, opening adapters.
    case build
    /// Swapping.
    case commit
    /// Waiting for each replica to plan by it.
    case acknowledge
    /// Watching how it does.
    case probation
}

/// How long a stage took.
nonisolated package struct StageTime: Codable, Sendable, Equatable {
    package var stage: ReloadStage
    package var seconds: Double
}
