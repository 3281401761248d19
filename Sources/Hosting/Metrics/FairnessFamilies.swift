// SPDX-License-Identifier: Apache-2.0

package import PolicyKit
package import Scheduling

/// What a replica's ledger and cost model say of it just now.
nonisolated package struct ReplicaFigures: Sendable {
    package var replica: Int
    package var fairness: FairnessFigures
    package var costs: CostEstimates

    /// Time of the forward passes in each mode, since the start.
    package var modeTimes: [ReplicaMode: Duration]

    package init(of scheduler: ReplicaScheduler, at index: Int, now: Instant) {
        replica = index
        fairness = scheduler.ledger.figures(at: now)
        costs = scheduler.costs.estimates
        modeTimes = [
            .unmerged: scheduler.counters.unmergedTime, .merged: scheduler.counters.mergedTime,
            .mixed: scheduler.counters.mixedTime,
        ]
    }
}

/// How evenly a replica serves its adapters, and in which mode it spends its time.
nonisolated struct FairnessFamilies: Sendable {
    let jainIndex: MetricFamilyID<GaugeKind>
    let serviceGap: MetricFamilyID<GaugeKind>
    let unserved: MetricFamilyID<GaugeKind>
    let modeSeconds: MetricFamilyID<CounterKind>

    init(in registry: inout MetricsRegistry) {
        jainIndex = registry.gauge(
            "burrow:fairness_jain_index",
            "Jain's index of the service of adapters with requests in the last minute; 1 is even.")
        serviceGap = registry.gauge(
            "burrow:fairness_largest_service_gap_tokens",
            "The largest difference in service (prompt tokens + 2 x generated, by weight) between "
                + "two adapters that both had requests waiting, in the last minute.")
        unserved = registry.gauge(
            "burrow:longest_unserved_seconds",
            "The longest that an adapter with runnable requests was not served, in the last minute."
        )
        modeSeconds = registry.counter(
            "burrow:mode_seconds_total", "The time of the forward passes in this mode.",
            more: ["mode"])
    }
}

/// The resolved series of one replica's fairness and modes.
nonisolated struct FairnessSeries: Sendable {
    let jainIndex: MetricSeriesID<GaugeKind>
    let serviceGap: MetricSeriesID<GaugeKind>
    let unserved: MetricSeriesID<GaugeKind>
    let modeSeconds: [ReplicaMode: MetricSeriesID<CounterKind>]

    init(_ families: FairnessFamilies, _ values: [String], in registry: inout MetricsRegistry) {
        jainIndex = registry.series(families.jainIndex, values)
        registry.set(jainIndex, to: 1)
        serviceGap = registry.series(families.serviceGap, values)
        unserved = registry.series(families.unserved, values)
        var modes: [ReplicaMode: MetricSeriesID<CounterKind>] = [:]
        for mode in ReplicaMode.allCases {
            modes[mode] = registry.series(families.modeSeconds, values + [mode.rawValue])
        }
        modeSeconds = modes
    }

    func show(_ figures: ReplicaFigures, in registry: inout MetricsRegistry) {
        registry.set(jainIndex, to: figures.fairness.jainIndex)
        registry.set(serviceGap, to: figures.fairness.largestServiceGap)
        registry.set(unserved, to: figures.fairness.longestUnserved.seconds)
        for (mode, series) in modeSeconds {
            registry.raise(series, to: figures.modeTimes[mode]?.seconds ?? 0)
        }
    }
}
