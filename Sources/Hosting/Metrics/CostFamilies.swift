// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// A coefficient of the fitted step time, as metrics and status name it.
nonisolated package enum CostTerm: String, Sendable, CaseIterable {
    case step
    case promptToken = "prompt_token"
    case decodeToken = "decode_token"
    case attendedToken = "attended_token"
    case rankToken = "rank_token"
    case distinctRank = "distinct_rank"
    case mergedStep = "merged_step"

    /// What one unit of it is.
    package var unit: String {
        switch self {
        case .step: "step"
        case .promptToken: "prompt token"
        case .decodeToken: "decode token"
        case .attendedToken: "pair of query and key"
        case .rankToken: "token times rank of LoRA"
        case .distinctRank: "rank of a distinct adapter"
        case .mergedStep: "merged step"
        }
    }

    package func seconds(of costs: CostEstimates) -> Double {
        switch self {
        case .step: costs.perStep
        case .promptToken: costs.perPromptToken
        case .decodeToken: costs.perDecodeToken
        case .attendedToken: costs.perAttendedToken
        case .rankToken: costs.perRankToken
        case .distinctRank: costs.perDistinctRank
        case .mergedStep: costs.perMergedStep
        }
    }
}

/// What a replica has measured of its own costs.
nonisolated struct CostFamilies: Sendable {
    let step: MetricFamilyID<GaugeKind>
    let relativeError: MetricFamilyID<GaugeKind>
    let observations: MetricFamilyID<CounterKind>
    let merge: MetricFamilyID<GaugeKind>
    let load: MetricFamilyID<GaugeKind>

    init(in registry: inout MetricsRegistry) {
        let units = CostTerm.allCases.map { "\($0.rawValue): for each \($0.unit)" }
        step = registry.gauge(
            "burrow:step_cost_seconds",
            "The fitted seconds of a step by term; \(units.joined(separator: ", ")).",
            more: ["term"])
        relativeError = registry.gauge(
            "burrow:step_cost_relative_error",
            "Mean of |predicted - measured| / measured over the last steps.")
        observations = registry.counter(
            "burrow:step_cost_observations_total", "Steps that the cost model has learnt from.")
        merge = registry.gauge(
            "burrow:merge_cost_seconds", "The expected time to build a merged copy.")
        load = registry.gauge(
            "burrow:adapter_load_cost_seconds_per_byte", "The expected time to load an adapter.")
    }
}

/// The resolved series of one replica's costs; what was never measured has no series.
nonisolated struct CostSeries: Sendable {
    let observations: MetricSeriesID<CounterKind>

    init(_ families: CostFamilies, _ values: [String], in registry: inout MetricsRegistry) {
        observations = registry.series(families.observations, values)
    }

    func show(
        _ costs: CostEstimates, _ families: CostFamilies, _ values: [String],
        in registry: inout MetricsRegistry
    ) {
        registry.raise(observations, to: costs.observations)
        if costs.observations > 0 {
            for term in CostTerm.allCases {
                let series = registry.series(families.step, values + [term.rawValue])
                registry.set(series, to: term.seconds(of: costs))
            }
            registry.set(
                registry.series(families.relativeError, values), to: costs.relativeError)
        }
        if let time = costs.mergeTime {
            registry.set(registry.series(families.merge, values), to: time.seconds)
        }
        if let rate = costs.loadSecondsPerByte {
            registry.set(registry.series(families.load, values), to: rate)
        }
    }
}
