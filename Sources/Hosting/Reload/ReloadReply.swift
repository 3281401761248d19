// SPDX-License-Identifier: Apache-2.0

/// What somebody who wished for a change is told.
nonisolated package struct ReloadReply: Codable, Sendable {
    package enum Outcome: String, Codable, Sendable {
        case live, planned, unchanged, refused, stale, superseded
    }

    package var outcome: Outcome

    /// The generation that is live now, and its digest.
    package var generation: Int
    package var digest: String

    /// The digest of what was built.
    package var candidate: String?
    package var stages: [StageTime] = []
    package var changes: [ManifestChange] = []
    package var states: [CarriedState] = []

    /// Why it was refused, or what could not be done of it.
    package var reason: String?
    package var failedStage: ReloadStage?
}

/// How a manifest is to be applied.
nonisolated struct ApplyTerms: Sendable, Equatable {
    /// The digest that it was planned against; `nil` is any.
    var base: String?
    var isPlan = false
    /// Whether what was rolled back before, or changes nothing, is put in force all the same.
    var isForced = false
}
