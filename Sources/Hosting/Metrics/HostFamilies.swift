// SPDX-License-Identifier: Apache-2.0

/// The families of the host as a whole: its door, its policies, its fleet.
nonisolated struct HostFamilies: Sendable {
    let rejections: MetricFamilyID<CounterKind>
    let httpRequests: MetricFamilyID<CounterKind>
    let clientsLeft: MetricFamilyID<CounterKind>
    let policyCalls: MetricFamilyID<CounterKind>
    let policySeconds: MetricFamilyID<CounterKind>
    let policyStrikes: MetricFamilyID<CounterKind>

    init(in registry: inout MetricsRegistry) {
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
        policyCalls = registry.counter(
            MetricDescription(
                "burrow:policy_calls_total", "Calls of a policy.", labels: ["kind", "instance"],
                openLabel: "instance", seriesLimit: 256))
        policySeconds = registry.counter(
            MetricDescription(
                "burrow:policy_seconds_total", "Time spent in calls of a policy.",
                labels: ["kind", "instance"], openLabel: "instance", seriesLimit: 256))
        policyStrikes = registry.counter(
            MetricDescription(
                "burrow:policy_strikes_total", "Bad plans, throws and blown budgets of a policy.",
                labels: ["kind", "instance"], openLabel: "instance", seriesLimit: 256))
    }
}
