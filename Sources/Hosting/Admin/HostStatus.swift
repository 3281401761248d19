// SPDX-License-Identifier: Apache-2.0

/// What `GET /admin/status` answers. Times are in seconds; those of events say how long ago.
nonisolated package struct HostStatus: Codable, Sendable {
    package var version: String

    /// The manifest's `metadata.name`.
    package var name: String
    package var processIdentifier: Int
    package var uptime: Double

    /// The number and the digest of what is in force, and the last attempt to change it.
    package var generation: Int
    package var digest: String
    package var lastReload: GenerationRecord?

    /// The name of the manifest in force, and the folder that its paths start from.
    package var manifest: String?
    package var manifestFolder: String?

    /// Policies that have brought a host down and that the built-in default stands in for.
    package var quarantined: [Quarantined] = []
    package var isDraining: Bool
    package var unfinishedRequests: Int
    package var model: Model
    package var adapters: [Adapter]
    package var mixtures: [Mixture]
    package var replicas: [Replica]
    package var migration: Migration
    package var policies: [Policy]

    package struct Quarantined: Codable, Sendable {
        package var policy: String
        package var reason: String
    }

    package struct Model: Codable, Sendable {
        package var name: String
        package var root: String
        package var family: String
        package var dtype: String
        package var parameters: Int
        package var bytes: Int
        package var contextLength: Int
    }

    package struct Adapter: Codable, Sendable {
        package var name: String
        package var generation: Int
        package var isPinned: Bool
        package var rank: Int
        package var bytes: Int

        /// Its share of service, relative to others.
        package var weight: Double

        /// Requests since it was added, and those that have not ended.
        package var requests: Int
        package var unfinished: Int
        package var loads: Int
        package var evictions: Int

        /// For each replica `absent`, `loading` or `resident`.
        package var residency: [String]
    }

    /// A mixture of the manifest; among the adapters too while it is served.
    package struct Mixture: Codable, Sendable {
        package var name: String
        package var experts: [String]

        /// The name and the type of the policy that makes its gate.
        package var gating: String
        package var gatingType: String

        /// Why it is out of service; `nil` where it is served.
        package var fault: String?
    }

    package struct Replica: Codable, Sendable {
        package var mode: Mode

        /// The last changes of mode, the oldest first; the last one is the present one.
        package var timeline: [Mode]
        package var queue: Queue
        package var pages: Pages
        package var copies: Copies
        package var steps: Steps
        package var counts: Counts
        package var costs: Costs
        package var fairness: Fairness

        /// Whether somebody records its decisions.
        package var isTraced: Bool
    }

    package struct Mode: Codable, Sendable, Equatable {
        /// `unmerged`, `merged` or `mixed`.
        package var mode: String
        package var adapter: String?

        /// How long ago it began; `nil` where nothing has run yet.
        package var since: Double?
    }

    package struct Queue: Codable, Sendable {
        package var waiting: Int
        package var running: Int
        package var promptTokens: Int
        package var outputTokens: Int
    }

    package struct Pages: Codable, Sendable {
        package var used: Int
        package var free: Int
        package var cached: Int
        package var tokensEach: Int
    }

    package struct Copies: Codable, Sendable {
        package var capacity: Int
        package var ready: [String]
        package var building: String?
    }

    /// Steps and the time of their forward passes, by mode.
    package struct Steps: Codable, Sendable {
        package var unmerged: Int
        package var merged: Int
        package var mixed: Int

        /// Those that a policy wanted merged while the copy was not ready.
        package var unmergedInstead: Int
        package var unmergedSeconds: Double
        package var mergedSeconds: Double
        package var mixedSeconds: Double
        package var switches: Int
        package var merges: Int

        /// How long building copies held steps up.
        package var mergeSeconds: Double
        package var tokenLimit: Int
    }

    package struct Counts: Codable, Sendable {
        package var submitted: Int
        package var finished: Int
        package var cancelled: Int
        package var failed: Int
        package var aborted: Int
        package var preemptions: Int
        package var promptTokens: Int
        package var generatedTokens: Int
    }

    package struct Costs: Codable, Sendable {
        package var observations: Int
        package var relativeError: Double

        /// Seconds of a step by `CostTerm`; empty before the first step.
        package var terms: [String: Double]
        package var mergeSeconds: Double?
        package var loadSecondsPerByte: Double?

        /// Generated tokens over the most that were allowed.
        package var outputShare: Double
    }

    package struct Fairness: Codable, Sendable {
        package var adapters: Int
        package var jainIndex: Double
        package var largestServiceGap: Double
        package var longestUnserved: Double
        package var services: [Service]
    }

    /// What an adapter got in the last minute.
    package struct Service: Codable, Sendable {
        package var adapter: String
        package var tokens: Double
        package var isBacklogged: Bool
        package var unserved: Double?
    }

    /// What has moved between replicas since the start.
    package struct Migration: Codable, Sendable {
        /// Whether a plan is being solved or carried out.
        package var isMoving: Bool
        package var plans: Int
        package var stalePlans: Int
        package var failedSolves: Int

        /// Requests that moved: with their keys and values, to be computed again, and before they
        /// had any.
        package var handedOver: Int
        package var recomputed: Int
        package var waiting: Int

        /// Requests that were to move and stayed.
        package var skipped: Int

        /// Requests that went where their adapter is, as it could not be loaded where they were.
        package var rescued: Int
        package var pages: Int

        /// By a plan or a placement, not for a request.
        package var adaptersLoaded: Int
        package var adaptersDropped: Int
        package var solvingSeconds: Double
        package var longestSolving: Double
    }

    package struct Policy: Codable, Sendable {
        package var kind: String
        package var name: String
        package var type: String

        /// `nil` for those of the fleet.
        package var replica: Int?

        /// `active`, `fallenBack` or `trial`.
        package var state: String

        /// How long the built-in default still stands in for it.
        package var fallenBackFor: Double?
        package var strikes: Int
        package var fallBacks: Int
        package var lastStrike: Strike?
        package var calls: Int
        package var seconds: Double
        package var longestCall: Double
    }

    package struct Strike: Codable, Sendable {
        package var fault: String
        package var message: String
        package var ago: Double
    }
}
