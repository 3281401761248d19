// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit
internal import Scheduling
internal import Workloads

/// What is compared between two fleets that have served the same requests.
package enum EffectMetric: String, CaseIterable, Sendable {
    case firstTokenP50, firstTokenP99, latencyP50, latencyP99
    case tokensPerSecond, jain, switches, adapterLoads
}

/// What a fleet made of some requests; what nobody knows is `nil`.
package struct EffectFigures: Sendable, Equatable {
    package private(set) var values: [EffectMetric: Double] = [:]

    /// Requests that have got all their tokens.
    package private(set) var completed = 0

    package subscript(metric: EffectMetric) -> Double? { values[metric] }

    /// One request that was served.
    struct Served {
        var adapter: Int
        var outputTokens: Int

        /// Since the start.
        var arrival: Double

        /// Since the arrival.
        var firstToken: Double?
        var latency: Double?
    }

    init(_ served: [Served]) {
        let first = served.compactMap(\.firstToken).sorted()
        let whole = served.filter { $0.latency != nil }
        let latencies = whole.compactMap(\.latency).sorted()
        completed = whole.count
        values[.firstTokenP50] = first.quantile(0.5)
        values[.firstTokenP99] = first.quantile(0.99)
        values[.latencyP50] = latencies.quantile(0.5)
        values[.latencyP99] = latencies.quantile(0.99)
        let begin = whole.map(\.arrival).min() ?? 0
        let end = whole.map { $0.arrival + ($0.latency ?? 0) }.max() ?? 0
        if end > begin {
            let tokens = whole.reduce(0) { $0 + $1.outputTokens }
            values[.tokensPerSecond] = Double(tokens) / (end - begin)
        }
        let means = Dictionary(grouping: whole, by: \.adapter).values.map { requests in
            requests.reduce(0.0) { $0 + ($1.latency ?? 0) / Double(max(1, $1.outputTokens)) }
                / Double(requests.count)
        }
        // The order of a dictionary must not show in the last digits.
        if !means.isEmpty { values[.jain] = Fairness.jain(means.sorted()) }
    }

    mutating func count(_ summary: SimulationSummary) {
        values[.switches] = Double(summary.replicas.reduce(0) { $0 + $1.switches })
        values[.adapterLoads] = Double(summary.residency.reduce(0) { $0 + $1.loads })
    }
}

extension EffectFigures.Served {
    /// As the host measured it.
    init(_ request: ObservedRequest) {
        adapter = request.planned.adapter
        outputTokens = request.planned.outputTokens
        arrival = request.planned.arrival.inSeconds
        firstToken = request.observation.firstToken?.inSeconds
        latency = request.observation.isUnfinished ? nil : request.observation.latency?.inSeconds
    }

    /// As it was simulated.
    init(_ request: SimulatedRequest) {
        adapter = request.adapter
        outputTokens = request.outputTokens
        arrival = Double(request.arrival.nanoseconds) / 1e9
        firstToken = request.firstToken.map { request.arrival.duration(to: $0).inSeconds }
        guard request.outcome == .completed else { return }
        latency = request.lastToken.map { request.arrival.duration(to: $0).inSeconds }
    }
}

extension [Double] {
    /// The least number that a share `quantile` of all does not exceed; they are sorted.
    fileprivate func quantile(_ quantile: Double) -> Double? {
        guard !isEmpty else { return nil }
        return self[Swift.max(0, Int((quantile * Double(count)).rounded(.up)) - 1)]
    }
}
