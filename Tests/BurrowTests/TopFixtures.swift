// SPDX-License-Identifier: Apache-2.0

@testable import Hosting
@testable import burrow

/// Statuses to draw.
enum TopFixtures {
    /// A host of `replicas` and `adapters`, `seconds` after its start.
    static func status(
        at seconds: Double = 100, replicas: Int = 1, adapters: Int = 2
    ) -> HostStatus {
        let all = (0..<replicas).map { replica(number: $0, adapters: adapters) }
        return HostStatus(
            version: "0.1.0", name: "quick", processIdentifier: 7, uptime: seconds, generation: 3,
            digest: "abc",
            isDraining: false, unfinishedRequests: 3,
            model: .init(
                name: "sample", root: "/m", family: "llama", dtype: "bf16", parameters: 1,
                bytes: 2, contextLength: 512),
            adapters: (0..<adapters).map { adapter(number: $0, replicas: replicas) },
            mixtures: [], replicas: all,
            migration: .init(
                isMoving: false, plans: 0, stalePlans: 0, failedSolves: 0, handedOver: 0,
                recomputed: 0, waiting: 0, skipped: 0, rescued: 0, pages: 0, adaptersLoaded: 0,
                adaptersDropped: 0, solvingSeconds: 0, longestSolving: 0),
            policies: policies)
    }

    private static func adapter(number: Int, replicas: Int) -> HostStatus.Adapter {
        HostStatus.Adapter(
            name: "adapter-\(number)", generation: 1, isPinned: number == 0, rank: 8, bytes: 1000,
            weight: 1, requests: 10 * number, unfinished: number == 1 ? 3 : 0, loads: 1,
            evictions: 0, residency: Array(repeating: "resident", count: replicas))
    }

    private static func replica(number: Int, adapters: Int) -> HostStatus.Replica {
        HostStatus.Replica(
            mode: .init(mode: "merged", adapter: "adapter-1", since: 2), timeline: [],
            queue: .init(waiting: 1, running: 2, promptTokens: 0, outputTokens: 0),
            pages: .init(used: 25, free: 75, cached: 0, tokensEach: 16),
            copies: .init(capacity: 1, ready: ["adapter-1"], building: "adapter-0"),
            steps: .init(
                unmerged: 0, merged: 0, mixed: 0, unmergedInstead: 0, unmergedSeconds: 0,
                mergedSeconds: 0, mixedSeconds: 0, switches: 0, merges: 0, mergeSeconds: 0,
                tokenLimit: 512),
            counts: .init(
                submitted: 0, finished: 0, cancelled: 0, failed: 0, aborted: 0, preemptions: 0,
                promptTokens: 1000, generatedTokens: 5000),
            costs: .init(observations: 0, relativeError: 0, terms: [:], outputShare: 1),
            fairness: .init(
                adapters: adapters, jainIndex: 1, largestServiceGap: 0, longestUnserved: 0,
                services: [
                    .init(adapter: "adapter-0", tokens: 900, isBacklogged: false, unserved: nil),
                    .init(adapter: "adapter-1", tokens: 30, isBacklogged: false, unserved: nil),
                ]),
            isTraced: false)
    }

    private static let policies = [
        HostStatus.Policy(
            kind: "batching", name: "switch", type: "dlora-batching", replica: 0, state: "active",
            strikes: 0, fallBacks: 0, calls: 2000, seconds: 0.05, longestCall: 0.001),
        HostStatus.Policy(
            kind: "dispatch", name: "spread", type: "round-robin", replica: nil,
            state: "fallenBack", fallenBackFor: 12, strikes: 3, fallBacks: 1, calls: 0, seconds: 0,
            longestCall: 0),
    ]
}
