// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// Requests for a small replica to serve, and its size.
struct Workload {
    /// One request that will come, and how long its answer really is.
    struct Job {
        var id: RequestID
        var adapter: AdapterID
        var arrival: Instant
        var promptTokens: Int
        var outputTokens: Int
        var maximumTokens: Int

        /// The request as it comes.
        var snapshot: RequestSnapshot {
            var request = RequestSnapshot(
                id: id, adapter: adapter, arrival: arrival, promptTokens: promptTokens)
            request.maximumTokens = maximumTokens
            return request
        }
    }

    var jobs: [Job]
    var limits: BatchLimits

    /// How long an adapter takes to become resident after its first request came.
    var adapterLoadTime: Duration

    init(jobs: [Job], limits: BatchLimits, adapterLoadTime: Duration) {
        self.jobs = jobs
        self.limits = limits
        self.adapterLoadTime = adapterLoadTime
    }

    /// Some dozens of requests over a few adapters; each fits alone, seldom all at once.
    init(from generator: inout SeededGenerator) {
        let spread = generator.integer(1...40_000)
        let adapters = generator.integer(0...6)
        jobs = (0..<generator.integer(1...40)).map { index in
            Job.random(index, adapters: adapters, arrivesWithin: spread, from: &generator)
        }
        jobs.sort { ($0.arrival, $0.id) < ($1.arrival, $1.id) }
        limits = BatchLimits(
            requests: generator.integer(1...8), tokens: generator.integer(1...48), freePages: 0,
            pageTokens: [1, 4, 16].randomElement(using: &generator)!)
        adapterLoadTime = generator.duration(upToMicroseconds: 3_000)
        let longest = Job.pagesOfLongest(pageTokens: limits.pageTokens)
        limits.freePages = longest * generator.integer(1...4)
    }

    var text: String {
        listing(
            [limits.text]
                + jobs.map { job in
                    "  at \(job.arrival.nanoseconds / 1_000) us request \(job.id.rawValue): "
                        + "adapter \(job.adapter.rawValue), prompt \(job.promptTokens), gives "
                        + "\(job.outputTokens) of at most \(job.maximumTokens)"
                })
    }
}

extension Workload.Job {
    private static let longestPrompt = 60
    private static let longestOutput = 24

    static func random(
        _ index: Int, adapters: Int, arrivesWithin spread: Int,
        from generator: inout SeededGenerator
    ) -> Self {
        let maximumTokens = generator.integer(1...longestOutput)
        return Self(
            id: RequestID(rawValue: UInt64(index)),
            adapter: AdapterID(rawValue: UInt32(generator.integer(0...adapters))),
            arrival: Instant(nanoseconds: Int64(generator.integer(0...spread)) * 1_000),
            promptTokens: generator.integer(1...longestPrompt),
            outputTokens: generator.integer(1...maximumTokens), maximumTokens: maximumTokens)
    }

    /// Pages that hold the longest request that ``random(_:adapters:arrivesWithin:from:)`` makes.
    static func pagesOfLongest(pageTokens: Int) -> Int {
        KVPages.count(holding: longestPrompt + longestOutput, pageTokens: pageTokens)
    }
}
