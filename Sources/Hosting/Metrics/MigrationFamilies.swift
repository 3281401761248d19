// SPDX-License-Identifier: Apache-2.0

internal import Scheduling

/// What moves between replicas.
nonisolated struct MigrationFamilies: Sendable {
    let migrations: MetricFamilyID<CounterKind>
    let tokens: MetricFamilyID<CounterKind>
    let pages: MetricFamilyID<CounterKind>
    let plans: MetricFamilyID<CounterKind>
    let skipped: MetricFamilyID<CounterKind>
    let adapters: MetricFamilyID<CounterKind>
    let solving: MetricFamilyID<CounterKind>

    init(in registry: inout MetricsRegistry) {
        func counter(_ name: String, _ help: String, _ label: String? = nil)
            -> MetricFamilyID<CounterKind>
        {
            let labels = ["model_name"] + (label.map { [$0] } ?? [])
            return registry.counter(MetricDescription(name, help, labels: labels))
        }
        migrations = counter(
            "burrow:migrations_total",
            "Requests that moved to another replica: with their keys and values (handover), to be "
                + "computed again (recompute), or before they had any (waiting).", "way")
        tokens = counter(
            "burrow:migrated_tokens_total",
            "Tokens of requests that moved whose keys and values were handed over or computed again.",
            "way")
        pages = counter(
            "burrow:migrated_pages_total", "KV pages that went to another replica.")
        plans = counter(
            "burrow:migration_plans_total",
            "Plans to move something: carried out, dropped as stale, or not solved.", "outcome")
        skipped = counter(
            "burrow:migrations_skipped_total",
            "Requests that a plan moved and that stayed, as they had ended or there was no room.")
        adapters = counter(
            "burrow:adapter_placements_total",
            "Adapters that were loaded or dropped by a placement or a plan, not for a request.",
            "move")
        solving = counter(
            "burrow:migration_solving_seconds_total",
            "From the question what should move to the answer.")
    }
}

nonisolated extension MigrationCounters {
    /// Brings the families to these totals.
    func show(
        _ families: MigrationFamilies, model: String, in registry: inout MetricsRegistry
    ) {
        func raise(
            _ family: MetricFamilyID<CounterKind>, _ label: String?, to total: Double
        ) {
            let series = registry.series(family, [model] + (label.map { [$0] } ?? []))
            registry.raise(series, to: total)
        }
        raise(families.migrations, "handover", to: Double(handedOver))
        raise(families.migrations, "recompute", to: Double(recomputed))
        raise(families.migrations, "waiting", to: Double(waiting))
        raise(families.tokens, "handover", to: Double(handedOverTokens))
        raise(families.tokens, "recompute", to: Double(recomputedTokens))
        raise(families.pages, nil, to: Double(handedOverPages))
        raise(families.plans, "done", to: Double(plans - stalePlans))
        raise(families.plans, "stale", to: Double(stalePlans))
        raise(families.plans, "unsolved", to: Double(failedSolves))
        raise(families.skipped, nil, to: Double(skipped))
        raise(families.adapters, "load", to: Double(placed))
        raise(families.adapters, "drop", to: Double(displaced))
        raise(families.solving, nil, to: solvingTime.seconds)
    }
}
