// SPDX-License-Identifier: Apache-2.0

/// The families of the host as a whole: its door, its policies, its fleet.
nonisolated struct HostFamilies: Sendable {
    let rejections: MetricFamilyID<CounterKind>
    let httpRequests: MetricFamilyID<CounterKind>
    let clientsLeft: MetricFamilyID<CounterKind>
    let policySeconds: MetricFamilyID<HistogramKind>
    let policyStrikes: MetricFamilyID<CounterKind>
    let migrations: MetricFamilyID<CounterKind>
    let credits: MetricFamilyID<GaugeKind>

    init(in registry: inout MetricsRegistry, adapterLimit: Int) {
        rejections = registry.counter(
            MetricDescription(
                "vllm:admission_rejections_total", "Requests refused before the queue.",
                labels: ["model_name", "reason"]))
        httpRequests = registry.counter(
            MetricDescription(
                "burrow:http_requests_total", "Replies sent, by route and status.",
                labels: ["route", "status"], seriesLimit: 512))
        clientsLeft = registry.counter(
            MetricDescription(
                "burrow:http_clients_left_total", "Clients that left before their reply ended.",
                labels: ["route"], seriesLimit: 64))
        policySeconds = registry.histogram(
            MetricDescription(
                "burrow:policy_seconds", "One call of a policy.", labels: ["kind", "instance"],
                openLabel: "instance", seriesLimit: 256), bounds: MetricBuckets.decision)
        policyStrikes = registry.counter(
            MetricDescription(
                "burrow:policy_strikes_total", "Bad plans, throws and blown budgets of a policy.",
                labels: ["kind", "instance"], openLabel: "instance", seriesLimit: 256))
        migrations = registry.counter(
            MetricDescription(
                "burrow:migrations_total", "What moved from one replica to another.",
                labels: ["what"]))
        credits = registry.gauge(
            MetricDescription(
                "burrow:adapter_credit", "The fairness policy's account of an adapter.",
                labels: ["model_name", "adapter"], openLabel: "adapter",
                seriesLimit: adapterLimit))
    }
}
