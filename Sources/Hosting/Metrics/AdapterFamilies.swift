// SPDX-License-Identifier: Apache-2.0

/// The families with a series for each adapter, which vLLM has none of.
nonisolated struct AdapterFamilies: Sendable {
    let queued: MetricFamilyID<HistogramKind>
    let timeToFirstToken: MetricFamilyID<HistogramKind>
    let promptTokens: MetricFamilyID<CounterKind>
    let generatedTokens: MetricFamilyID<CounterKind>
    let loads: MetricFamilyID<CounterKind>
    let loadSeconds: MetricFamilyID<CounterKind>
    let evictions: MetricFamilyID<CounterKind>
    let aborts: MetricFamilyID<CounterKind>
    let residentBytes: MetricFamilyID<GaugeKind>
    let gateWeight: MetricFamilyID<HistogramKind>
    /// `vllm:lora_requests_info`, the contract of the gateways that route by adapter.
    let inUse: MetricFamilyID<GaugeKind>

    init(in registry: inout MetricsRegistry, limit: Int, replicaCount: Int) {
        func describe(_ name: String, _ help: String) -> MetricDescription {
            MetricDescription(
                name, help, labels: ["model_name", "adapter"], openLabel: "adapter",
                seriesLimit: limit)
        }
        queued = registry.histogram(
            describe("burrow:adapter_queue_seconds", "From arrival to the first step."),
            bounds: MetricBuckets.adapterLatency)
        timeToFirstToken = registry.histogram(
            describe(
                "burrow:adapter_time_to_first_token_seconds", "From arrival to the first token."),
            bounds: MetricBuckets.adapterLatency)
        promptTokens = registry.counter(
            describe("burrow:adapter_prompt_tokens_total", "Prompt tokens computed."))
        generatedTokens = registry.counter(
            describe("burrow:adapter_generation_tokens_total", "Tokens generated."))
        loads = registry.counter(
            describe("burrow:adapter_loads_total", "How often it was loaded."))
        loadSeconds = registry.counter(
            describe("burrow:adapter_load_seconds_total", "The time that its loads took."))
        evictions = registry.counter(
            describe("burrow:adapter_evictions_total", "How often it was evicted."))
        let (places, overflow) = limit.multipliedReportingOverflow(by: max(1, replicaCount))
        aborts = registry.counter(
            MetricDescription(
                "burrow:requests_aborted_total",
                "Requests given up before their first token, as that would have come too late.",
                labels: ["model_name", "engine", "adapter"], openLabel: "adapter",
                seriesLimit: overflow ? .max : places))
        residentBytes = registry.gauge(
            MetricDescription(
                "burrow:adapter_resident_bytes", "What its weights take in a replica's memory.",
                labels: ["model_name", "engine", "adapter"], openLabel: "adapter",
                seriesLimit: overflow ? .max : places))
        gateWeight = registry.histogram(
            MetricDescription(
                "burrow:gate_weight",
                "What an expert of a mixture has counted in a choice: the mean over its tokens.",
                labels: ["model_name", "mixture", "expert"]), bounds: MetricBuckets.gateWeight)
        inUse = registry.gauge(
            MetricDescription(
                "vllm:lora_requests_info",
                "Adapters of running and of waiting requests; the value is the time of it.",
                labels: ["max_lora", "waiting_lora_adapters", "running_lora_adapters"]))
    }
}

/// The resolved series of one adapter.
nonisolated struct AdapterSeries: Sendable {
    let queued: MetricSeriesID<HistogramKind>
    let timeToFirstToken: MetricSeriesID<HistogramKind>
    let promptTokens: MetricSeriesID<CounterKind>
    let generatedTokens: MetricSeriesID<CounterKind>
    let loads: MetricSeriesID<CounterKind>
    let loadSeconds: MetricSeriesID<CounterKind>
    let evictions: MetricSeriesID<CounterKind>

    init(_ families: AdapterFamilies, _ values: [String], in registry: inout MetricsRegistry) {
        queued = registry.series(families.queued, values)
        timeToFirstToken = registry.series(families.timeToFirstToken, values)
        promptTokens = registry.series(families.promptTokens, values)
        generatedTokens = registry.series(families.generatedTokens, values)
        loads = registry.series(families.loads, values)
        loadSeconds = registry.series(families.loadSeconds, values)
        evictions = registry.series(families.evictions, values)
    }
}
