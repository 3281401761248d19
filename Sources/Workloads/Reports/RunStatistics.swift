// SPDX-License-Identifier: Apache-2.0

/// Latencies of the requests that completed, in seconds from their intended arrival.
package struct LatencyStatistics: Sendable, Equatable, Codable {
    package var timeToFirstToken: Distribution?
    package var timePerOutputToken: Distribution?
    package var endToEnd: Distribution?
    /// Of each request's latency over its tokens of output, as dLoRA's artifact computes it.
    package var normalised: Distribution?
    /// The sum of all latencies over the sum of all tokens, as dLoRA's paper defines it.
    package var normalisedByTokens: Double?

    package init(_ outcomes: [RequestOutcome]) {
        timeToFirstToken = Distribution(outcomes.compactMap(\.timeToFirstToken))
        timePerOutputToken = Distribution(outcomes.compactMap(\.timePerOutputToken))
        endToEnd = Distribution(outcomes.compactMap(\.latency))
        normalised = Distribution(outcomes.compactMap(\.normalisedLatency))
        let counted = outcomes.filter { $0.normalisedLatency != nil }
        let tokens = counted.reduce(0) { $0 + $1.outputTokens }
        if tokens > 0 {
            normalisedByTokens =
                counted.reduce(0) { $0 + ($1.latency ?? 0) } / Double(tokens)
        }
    }
}

/// What one adapter got.
package struct AdapterStatistics: Sendable, Equatable, Codable {
    /// The name that its requests used.
    package var name: String
    package var requests: Int
    package var completed: Int
    package var outputTokens: Int
    /// Seconds; nil where none completed.
    package var timeToFirstToken: Distribution?

    init(name: String, _ outcomes: [RequestOutcome]) {
        self.name = name
        requests = outcomes.count
        completed = outcomes.count { $0.failure == nil }
        outputTokens = outcomes.reduce(0) { $0 + $1.outputTokens }
        timeToFirstToken = Distribution(outcomes.compactMap(\.timeToFirstToken))
    }

    /// One for each adapter that has requests, the base first.
    static func each(
        _ outcomes: [RequestOutcome], names: ModelNames
    ) -> [AdapterStatistics] {
        Dictionary(grouping: outcomes, by: \.adapter).sorted { $0.key < $1.key }
            .map { AdapterStatistics(name: names[$0.key], $0.value) }
    }
}

/// What the positions of a workload are called.
package struct ModelNames: Sendable, Equatable {
    package var base: String
    package var adapters: [String]

    package init(base: String, adapters: [String]) {
        self.base = base
        self.adapters = adapters
    }

    /// The base for −1; a number where a position has no name.
    package subscript(_ adapter: Int) -> String {
        if adapter < 0 { return base }
        return adapters.indices.contains(adapter) ? adapters[adapter] : "adapter \(adapter)"
    }
}

/// Everything that a report says of one run; times in seconds.
package struct RunStatistics: Sendable, Equatable, Codable {
    package var seed: UInt64
    package var requests: Int
    package var completed: Int
    /// How many failed, by kind.
    package var failures: [String: Int]
    /// To the end of the last request.
    package var duration: Double
    package var requestsPerSecond: Double
    package var outputTokensPerSecond: Double
    package var promptTokensPerSecond: Double
    package var latency: LatencyStatistics
    /// From the intended arrival until the client had sent it: what the client itself was late by.
    package var sendDelay: Distribution?
    /// The part of all requests, failed ones included, that met the service level; nil without one.
    package var attainment: Double?
    /// Requests in a second that met the service level.
    package var goodput: Double?
    /// Tokens of output in a second of the requests that met the service level.
    package var goodputTokens: Double?
    package var fairness: Fairness?
    package var adapters: [AdapterStatistics]

    package init(
        seed: UInt64, outcomes: [RequestOutcome], names: ModelNames, level: ServiceLevel?
    ) {
        self.seed = seed
        requests = outcomes.count
        let done = outcomes.filter { $0.failure == nil }
        completed = done.count
        failures = Dictionary(outcomes.compactMap(\.failure).map { ($0, 1) }, uniquingKeysWith: +)
        let duration = outcomes.map(\.ended.seconds).max() ?? 0
        self.duration = duration
        func perSecond(_ count: Int) -> Double { duration > 0 ? Double(count) / duration : 0 }
        requestsPerSecond = perSecond(done.count)
        outputTokensPerSecond = perSecond(outcomes.reduce(0) { $0 + $1.outputTokens })
        promptTokensPerSecond = perSecond(done.reduce(0) { $0 + $1.promptTokens })
        latency = LatencyStatistics(outcomes)
        sendDelay = Distribution(
            outcomes.compactMap { one in one.sent.map { ($0 - one.arrival).seconds } })
        if let level {
            let met = outcomes.filter(level.isMet)
            attainment = outcomes.isEmpty ? nil : Double(met.count) / Double(outcomes.count)
            goodput = perSecond(met.count)
            goodputTokens = perSecond(met.reduce(0) { $0 + $1.outputTokens })
        }
        fairness = Fairness(outcomes)
        adapters = AdapterStatistics.each(outcomes, names: names)
    }
}
