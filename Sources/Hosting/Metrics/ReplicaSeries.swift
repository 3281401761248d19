// SPDX-License-Identifier: Apache-2.0

/// The resolved series of one replica.
nonisolated struct ReplicaSeries: Sendable {
    let running: MetricSeriesID<GaugeKind>
    let waiting: MetricSeriesID<GaugeKind>
    let preemptions: MetricSeriesID<CounterKind>
    let promptTokens: MetricSeriesID<CounterKind>
    let generatedTokens: MetricSeriesID<CounterKind>
    let finished: [FinishedReason: MetricSeriesID<CounterKind>]
    let iterationTokens: MetricSeriesID<HistogramKind>
    let timeToFirstToken: MetricSeriesID<HistogramKind>
    let interToken: MetricSeriesID<HistogramKind>
    let request: RequestSeries
    let pages: PageSeries
    let modes: [ReplicaMode: MetricSeriesID<GaugeKind>]
    let merge: MetricSeriesID<HistogramKind>
    let unmergedInstead: MetricSeriesID<CounterKind>
    let step: MetricSeriesID<HistogramKind>
    let tokenLimit: MetricSeriesID<GaugeKind>
    let stepsOverStallBudget: MetricSeriesID<CounterKind>
    let overhead: MetricSeriesID<HistogramKind>
    let stepsAhead: MetricSeriesID<CounterKind>
    let discardedTokens: MetricSeriesID<CounterKind>
    let drafts: MetricSeriesID<CounterKind>
    let draftTokens: MetricSeriesID<CounterKind>
    let acceptedTokens: MetricSeriesID<CounterKind>
    let fairness: FairnessSeries
    let costs: CostSeries

    /// Makes every series, so that each is exposed as 0 from the start.
    init(_ families: ReplicaFamilies, _ values: [String], in registry: inout MetricsRegistry) {
        running = registry.series(families.running, values)
        waiting = registry.series(families.waiting, values)
        preemptions = registry.series(families.preemptions, values)
        promptTokens = registry.series(families.promptTokens, values)
        generatedTokens = registry.series(families.generatedTokens, values)
        var finished: [FinishedReason: MetricSeriesID<CounterKind>] = [:]
        for reason in FinishedReason.allCases {
            finished[reason] = registry.series(families.finished, values + [reason.rawValue])
        }
        self.finished = finished
        iterationTokens = registry.series(families.iterationTokens, values)
        timeToFirstToken = registry.series(families.timeToFirstToken, values)
        interToken = registry.series(families.interToken, values)
        request = RequestSeries(families.request, values, in: &registry)
        pages = PageSeries(families.pages, values, in: &registry)
        var modes: [ReplicaMode: MetricSeriesID<GaugeKind>] = [:]
        for mode in ReplicaMode.allCases {
            modes[mode] = registry.series(families.mode, values + [mode.rawValue])
        }
        self.modes = modes
        merge = registry.series(families.merge, values)
        unmergedInstead = registry.series(families.unmergedInstead, values)
        step = registry.series(families.step, values)
        tokenLimit = registry.series(families.tokenLimit, values)
        stepsOverStallBudget = registry.series(families.stepsOverStallBudget, values)
        overhead = registry.series(families.overhead, values)
        stepsAhead = registry.series(families.stepsAhead, values)
        discardedTokens = registry.series(families.discardedTokens, values)
        drafts = registry.series(families.speculation.drafts, values)
        draftTokens = registry.series(families.speculation.draftTokens, values)
        acceptedTokens = registry.series(families.speculation.acceptedTokens, values)
        fairness = FairnessSeries(families.fairness, values, in: &registry)
        costs = CostSeries(families.costs, values, in: &registry)
    }
}

/// The resolved series of one replica's KV pages.
nonisolated struct PageSeries: Sendable {
    let cacheUsage: MetricSeriesID<GaugeKind>
    let pagesUsed: MetricSeriesID<GaugeKind>
    let pagesFree: MetricSeriesID<GaugeKind>
    let pagesCached: MetricSeriesID<GaugeKind>
    let wastedTokens: MetricSeriesID<GaugeKind>
    let prefixQueries: MetricSeriesID<CounterKind>
    let prefixHits: MetricSeriesID<CounterKind>

    init(_ families: PageFamilies, _ values: [String], in registry: inout MetricsRegistry) {
        cacheUsage = registry.series(families.cacheUsage, values)
        pagesUsed = registry.series(families.pagesUsed, values)
        pagesFree = registry.series(families.pagesFree, values)
        pagesCached = registry.series(families.pagesCached, values)
        wastedTokens = registry.series(families.wastedTokens, values)
        prefixQueries = registry.series(families.prefixQueries, values)
        prefixHits = registry.series(families.prefixHits, values)
    }

    func show(_ load: ReplicaLoad, in registry: inout MetricsRegistry) {
        registry.set(pagesUsed, to: Double(load.pagesUsed))
        registry.set(pagesFree, to: Double(load.pagesFree))
        registry.set(pagesCached, to: Double(load.pagesCached))
        registry.set(wastedTokens, to: Double(load.wastedTokens))
        let pages = Double(load.pagesUsed) + Double(load.pagesFree)
        registry.set(cacheUsage, to: pages > 0 ? Double(load.pagesUsed) / pages : 0)
        registry.raise(prefixQueries, to: load.prefixQueryTokens)
        registry.raise(prefixHits, to: load.prefixHitTokens)
    }
}

/// The resolved series of one replica's finished requests.
nonisolated struct RequestSeries: Sendable {
    let total: MetricSeriesID<HistogramKind>
    let queued: MetricSeriesID<HistogramKind>
    let inference: MetricSeriesID<HistogramKind>
    let prefill: MetricSeriesID<HistogramKind>
    let decode: MetricSeriesID<HistogramKind>
    let perToken: MetricSeriesID<HistogramKind>
    let promptTokens: MetricSeriesID<HistogramKind>
    let generatedTokens: MetricSeriesID<HistogramKind>
    let choices: MetricSeriesID<HistogramKind>
    let maxTokens: MetricSeriesID<HistogramKind>

    init(_ families: RequestFamilies, _ values: [String], in registry: inout MetricsRegistry) {
        total = registry.series(families.total, values)
        queued = registry.series(families.queued, values)
        inference = registry.series(families.inference, values)
        prefill = registry.series(families.prefill, values)
        decode = registry.series(families.decode, values)
        perToken = registry.series(families.perToken, values)
        promptTokens = registry.series(families.promptTokens, values)
        generatedTokens = registry.series(families.generatedTokens, values)
        choices = registry.series(families.choices, values)
        maxTokens = registry.series(families.maxTokens, values)
    }

    func observe(_ request: FinishedRequest, in registry: inout MetricsRegistry) {
        registry.observe(request.total.seconds, in: total)
        registry.observe(request.queued.seconds, in: queued)
        registry.observe((request.total - request.queued).seconds, in: inference)
        if let time = request.prefill { registry.observe(time.seconds, in: prefill) }
        if let time = request.decode {
            registry.observe(time.seconds, in: decode)
            if request.generatedTokens > 1 {
                registry.observe(
                    time.seconds / Double(request.generatedTokens - 1), in: perToken)
            }
        }
        registry.observe(Double(request.promptTokens), in: promptTokens)
        registry.observe(Double(request.generatedTokens), in: generatedTokens)
        registry.observe(Double(request.choices), in: choices)
        if let limit = request.maxTokens { registry.observe(Double(limit), in: maxTokens) }
    }
}
