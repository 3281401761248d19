// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// The generations of the host and the attempts to change it.
nonisolated struct ReloadFamilies: Sendable {
    let generation: MetricFamilyID<GaugeKind>
    let successful: MetricFamilyID<GaugeKind>
    let successTime: MetricFamilyID<GaugeKind>
    let reloads: MetricFamilyID<CounterKind>
    let libraries: MetricFamilyID<GaugeKind>
    let shadowAnswers: MetricFamilyID<CounterKind>

    init(in registry: inout MetricsRegistry) {
        generation = registry.gauge(
            MetricDescription(
                "burrow:generation_info", "The generation that is in force.",
                labels: ["generation", "digest"], seriesLimit: 4))
        successful = registry.gauge(
            MetricDescription(
                "burrow:config_last_reload_successful",
                "1 where the last attempt to change the host came into force and stayed.",
                labels: []))
        successTime = registry.gauge(
            MetricDescription(
                "burrow:config_last_reload_success_timestamp_seconds",
                "When a generation last came into force, in seconds since 1970.",
                labels: []))
        reloads = registry.counter(
            MetricDescription(
                "burrow:reloads_total", "Attempts to change the host, by what came of them.",
                labels: ["outcome"]))
        libraries = registry.gauge(
            MetricDescription(
                "burrow:plugin_libraries_loaded",
                "Builds of plugin libraries in memory, where they stay.", labels: []))
        shadowAnswers = registry.counter(
            MetricDescription(
                "burrow:shadow_answers_total",
                "Answers of policies that decide beside the live ones: alike or different, or left "
                    + "out (dropped) where they could not keep up.", labels: ["kind", "outcome"]))
    }
}

nonisolated extension ServingMetrics {
    /// The host has a generation, from the start or by a reload, or an attempt has failed.
    package mutating func reloaded(succeeded: Bool, generation: Int, digest: String) {
        registry.increment(
            registry.series(reloadFamilies.reloads, [succeeded ? "live" : "failed"]))
        registry.set(registry.series(reloadFamilies.successful, []), to: succeeded ? 1 : 0)
        guard succeeded else { return }
        began(generation: generation, digest: digest)
    }

    /// The host has come into being.
    package mutating func began(generation: Int, digest: String) {
        if generation > 1 {
            registry.removeAll(label: "generation", value: String(generation - 1))
        }
        registry.set(
            registry.series(reloadFamilies.generation, [String(generation), digest]), to: 1)
        registry.set(
            registry.series(reloadFamilies.successTime, []), to: Date().timeIntervalSince1970)
        if generation == 1 {
            registry.set(registry.series(reloadFamilies.successful, []), to: 1)
        }
    }

    /// So many builds of plugin libraries are in memory.
    package mutating func loaded(libraries: Int) {
        registry.set(registry.series(reloadFamilies.libraries, []), to: Double(libraries))
    }

    /// Brings the answers of the present shadow to these totals, on top of those before it.
    package mutating func shadowAnswered(_ report: ShadowReport, since before: ShadowReport?) {
        for kind in report.kinds {
            let was = before?.kinds.first { $0.kind == kind.kind }
            let answers = kind.answers - (was?.answers ?? 0)
            let different = kind.differences - (was?.differences ?? 0)
            add(answers - different, kind.kind, "alike")
            add(different, kind.kind, "different")
        }
        add(report.dropped - (before?.dropped ?? 0), "all", "dropped")
    }

    private mutating func add(_ count: Int, _ kind: String, _ outcome: String) {
        guard count > 0 else { return }
        registry.increment(
            registry.series(reloadFamilies.shadowAnswers, [kind, outcome]), by: Double(count))
    }
}
