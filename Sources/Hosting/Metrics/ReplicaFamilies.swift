// SPDX-License-Identifier: Apache-2.0

/// The families with a series for each replica: vLLM's, and those that vLLM has not.
///
/// vLLM calls a replica an engine, so its label is `engine`.
nonisolated struct ReplicaFamilies: Sendable {
    let running: MetricFamilyID<GaugeKind>
    let waiting: MetricFamilyID<GaugeKind>
    let preemptions: MetricFamilyID<CounterKind>
    let promptTokens: MetricFamilyID<CounterKind>
    let generatedTokens: MetricFamilyID<CounterKind>
    let finished: MetricFamilyID<CounterKind>
    let iterationTokens: MetricFamilyID<HistogramKind>
    let timeToFirstToken: MetricFamilyID<HistogramKind>
    let interToken: MetricFamilyID<HistogramKind>
    let request: RequestFamilies
    let pages: PageFamilies
    let cacheDescription: MetricFamilyID<GaugeKind>
    let mode: MetricFamilyID<GaugeKind>
    let modeSwitches: MetricFamilyID<CounterKind>
    let merge: MetricFamilyID<HistogramKind>
    let unmergedInstead: MetricFamilyID<CounterKind>
    let step: MetricFamilyID<HistogramKind>
    let tokenLimit: MetricFamilyID<GaugeKind>
    let stepsOverStallBudget: MetricFamilyID<CounterKind>
    let overhead: MetricFamilyID<HistogramKind>
    let stepsAhead: MetricFamilyID<CounterKind>
    let discardedTokens: MetricFamilyID<CounterKind>
    let speculation: SpeculationFamilies
    let fairness: FairnessFamilies
    let costs: CostFamilies

    static let labels = ["model_name", "engine"]

    private static let cache = MetricDescription(
        "vllm:cache_config_info", "How the KV pages are laid out.",
        labels: [
            "engine", "block_size", "num_gpu_blocks", "cache_dtype", "enable_prefix_caching",
        ])

    init(in registry: inout MetricsRegistry, maxModelLength: Int) {
        running = registry.gauge("vllm:num_requests_running", "Requests in the batch.")
        waiting = registry.gauge("vllm:num_requests_waiting", "Requests in the queue.")
        preemptions = registry.counter("vllm:num_preemptions_total", "Preempted requests.")
        promptTokens = registry.counter("vllm:prompt_tokens_total", "Prompt tokens computed.")
        generatedTokens = registry.counter("vllm:generation_tokens_total", "Tokens generated.")
        finished = registry.counter(
            "vllm:request_success_total", "Requests that ended, by the reason.",
            more: ["finished_reason"])
        iterationTokens = registry.histogram(
            "vllm:iteration_tokens_total", "Tokens computed in one step.",
            MetricBuckets.iterationTokens)
        timeToFirstToken = registry.histogram(
            "vllm:time_to_first_token_seconds", "From arrival to the first token.",
            MetricBuckets.timeToFirstToken)
        interToken = registry.histogram(
            "vllm:inter_token_latency_seconds", "Between two tokens of a request.",
            MetricBuckets.interToken)
        request = RequestFamilies(in: &registry, maxModelLength: maxModelLength)
        pages = PageFamilies(in: &registry)
        cacheDescription = registry.gauge(Self.cache)
        mode = registry.gauge(
            "burrow:replica_mode", "1 for the mode the replica computes in.", more: ["mode"])
        modeSwitches = registry.counter(
            "burrow:mode_switches_total", "Switches between two modes.", more: ["from", "to"])
        merge = registry.histogram(
            "burrow:merge_seconds", "The time to build a merged copy.", MetricBuckets.merge)
        unmergedInstead = registry.counter(
            "burrow:unmerged_instead_steps_total",
            "Steps that ran unmerged as the merged copy they were to run on was not ready.")
        step = registry.histogram(
            "burrow:step_seconds", "The forward pass of one step.", MetricBuckets.step)
        tokenLimit = registry.gauge(
            "burrow:step_token_limit", "The most tokens that the last step might compute.")
        stepsOverStallBudget = registry.counter(
            "burrow:steps_over_stall_budget_total",
            "Steps that kept running requests waiting for longer than the stall budget.")
        overhead = registry.histogram(
            "burrow:scheduler_overhead_seconds",
            "From one forward pass to the next while there was work.", MetricBuckets.decision)
        stepsAhead = registry.counter(
            "burrow:steps_ahead_total", "Steps planned while the one before was under way.")
        discardedTokens = registry.counter(
            "burrow:discarded_tokens_total", "Tokens computed for requests that had ended.")
        speculation = SpeculationFamilies(in: &registry)
        fairness = FairnessFamilies(in: &registry)
        costs = CostFamilies(in: &registry)
    }
}

/// vLLM's counters of speculative decoding.
nonisolated struct SpeculationFamilies: Sendable {
    let drafts: MetricFamilyID<CounterKind>
    let draftTokens: MetricFamilyID<CounterKind>
    let acceptedTokens: MetricFamilyID<CounterKind>

    init(in registry: inout MetricsRegistry) {
        drafts = registry.counter("vllm:spec_decode_num_drafts_total", "Drafts verified.")
        draftTokens = registry.counter(
            "vllm:spec_decode_num_draft_tokens_total", "Tokens of the drafts verified.")
        acceptedTokens = registry.counter(
            "vllm:spec_decode_num_accepted_tokens_total", "Tokens of drafts that came true.")
    }
}

/// What is known of a replica's KV pages.
nonisolated struct PageFamilies: Sendable {
    let cacheUsage: MetricFamilyID<GaugeKind>
    let pagesUsed: MetricFamilyID<GaugeKind>
    let pagesFree: MetricFamilyID<GaugeKind>
    let pagesCached: MetricFamilyID<GaugeKind>
    let wastedTokens: MetricFamilyID<GaugeKind>
    let prefixQueries: MetricFamilyID<CounterKind>
    let prefixHits: MetricFamilyID<CounterKind>

    init(in registry: inout MetricsRegistry) {
        cacheUsage = registry.gauge(
            "vllm:kv_cache_usage_perc", "The used part of the KV pages; 1 means all.")
        pagesUsed = registry.gauge("burrow:kv_pages_used", "KV pages that hold tokens.")
        pagesFree = registry.gauge("burrow:kv_pages_free", "KV pages that are free.")
        pagesCached = registry.gauge(
            "burrow:kv_pages_cached",
            "KV pages that requests which begin alike may share; free ones among them.")
        wastedTokens = registry.gauge(
            "burrow:kv_wasted_tokens", "Token places inside used pages that hold no token.")
        prefixQueries = registry.counter(
            "vllm:prefix_cache_queries_total",
            "Prompt tokens that were looked up in the prefix cache.")
        prefixHits = registry.counter(
            "vllm:prefix_cache_hits_total", "Prompt tokens that were found in the prefix cache.")
    }
}

/// vLLM's distributions over finished requests.
nonisolated struct RequestFamilies: Sendable {
    let total: MetricFamilyID<HistogramKind>
    let queued: MetricFamilyID<HistogramKind>
    let inference: MetricFamilyID<HistogramKind>
    let prefill: MetricFamilyID<HistogramKind>
    let decode: MetricFamilyID<HistogramKind>
    let perToken: MetricFamilyID<HistogramKind>
    let promptTokens: MetricFamilyID<HistogramKind>
    let generatedTokens: MetricFamilyID<HistogramKind>
    let choices: MetricFamilyID<HistogramKind>
    let maxTokens: MetricFamilyID<HistogramKind>

    init(in registry: inout MetricsRegistry, maxModelLength: Int) {
        let latency = MetricBuckets.requestLatency
        let lengths = MetricBuckets.oneTwoFive(upTo: maxModelLength)
        total = registry.histogram(
            "vllm:e2e_request_latency_seconds", "From arrival to the last token.", latency)
        queued = registry.histogram(
            "vllm:request_queue_time_seconds", "From arrival to the first step.", latency)
        inference = registry.histogram(
            "vllm:request_inference_time_seconds", "From the first step to the end.", latency)
        prefill = registry.histogram(
            "vllm:request_prefill_time_seconds", "From the first step to the first token.",
            latency)
        decode = registry.histogram(
            "vllm:request_decode_time_seconds", "From the first token to the last.", latency)
        perToken = registry.histogram(
            "vllm:request_time_per_output_token_seconds",
            "The decode time of a request by its tokens after the first.",
            MetricBuckets.interToken)
        promptTokens = registry.histogram(
            "vllm:request_prompt_tokens", "Prompt tokens of a request.", lengths)
        generatedTokens = registry.histogram(
            "vllm:request_generation_tokens", "Generated tokens of a request.", lengths)
        choices = registry.histogram(
            "vllm:request_params_n", "n of a request.", MetricBuckets.choices)
        maxTokens = registry.histogram(
            "vllm:request_params_max_tokens", "max_tokens of a request.", lengths)
    }
}

nonisolated extension MetricsRegistry {
    mutating func gauge(
        _ name: String, _ help: String, more: [String] = []
    ) -> MetricFamilyID<GaugeKind> {
        gauge(MetricDescription(name, help, labels: ReplicaFamilies.labels + more))
    }

    mutating func counter(
        _ name: String, _ help: String, more: [String] = []
    ) -> MetricFamilyID<CounterKind> {
        counter(MetricDescription(name, help, labels: ReplicaFamilies.labels + more))
    }

    fileprivate mutating func histogram(
        _ name: String, _ help: String, _ bounds: [Double]
    ) -> MetricFamilyID<HistogramKind> {
        histogram(MetricDescription(name, help, labels: ReplicaFamilies.labels), bounds: bounds)
    }
}
