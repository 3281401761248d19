// SPDX-License-Identifier: Apache-2.0

internal import Scheduling

/// Everything that `/metrics` exposes, fed by one call for each event of the host.
///
/// vLLM's families have vLLM's names, labels and buckets, so that dashboards and gateways made for
/// it work as they are; `burrow:` families hold what vLLM has none of. Loop thread only.
nonisolated package struct ServingMetrics: Sendable {
    /// For families beyond those here.
    package var registry = MetricsRegistry()

    private let configuration: ServingMetricsConfiguration
    private let replicaFamilies: ReplicaFamilies
    private let adapterFamilies: AdapterFamilies
    private let hostFamilies: HostFamilies
    let reloadFamilies: ReloadFamilies
    private let migrationFamilies: MigrationFamilies
    private var replicas: [ReplicaSeries] = []
    private var adapters: [String: AdapterSeries] = [:]
    private var inUse: (running: [String], waiting: [String], series: MetricSeriesID<GaugeKind>)?
    private var policies: [String: [String: PolicySeries]] = [:]

    private struct PolicySeries {
        let calls: MetricSeriesID<CounterKind>
        let seconds: MetricSeriesID<CounterKind>
        let strikes: MetricSeriesID<CounterKind>
    }

    /// More replicas than any host has; one beyond is not counted.
    private static let mostReplicas = 1024

    package init(_ configuration: ServingMetricsConfiguration) {
        self.configuration = configuration
        let limit = max(1, configuration.adapterSeriesLimit)
        replicaFamilies = ReplicaFamilies(
            in: &registry, maxModelLength: configuration.maxModelLength)
        adapterFamilies = AdapterFamilies(
            in: &registry, limit: limit, replicaCount: configuration.replicaCount)
        hostFamilies = HostFamilies(in: &registry)
        migrationFamilies = MigrationFamilies(in: &registry)
        reloadFamilies = ReloadFamilies(in: &registry)
        for reason in AdmissionRejection.allCases {
            _ = registry.series(
                hostFamilies.rejections, [configuration.modelName, reason.rawValue])
        }
        setReplicaCount(configuration.replicaCount)
    }

    /// The body of `GET /metrics`; its type is `MetricsRegistry.contentType`.
    package func exposition() -> [UInt8] { registry.exposition() }

    /// Adds the series of new replicas and ends those of the ones that are gone.
    package mutating func setReplicaCount(_ count: Int) {
        let count = min(max(0, count), Self.mostReplicas)
        while replicas.count > count {
            replicas.removeLast()
            registry.removeAll(label: "engine", value: String(replicas.count))
        }
        while replicas.count < count {
            let engine = String(replicas.count)
            let cache = configuration.cache
            let description = registry.series(
                replicaFamilies.cacheDescription,
                [
                    engine, String(cache.pageTokens), String(cache.pageCount), cache.dtype,
                    cache.cachesPrefixes ? "True" : "False",
                ])
            registry.set(description, to: 1)
            replicas.append(
                ReplicaSeries(
                    replicaFamilies, [configuration.modelName, engine], in: &registry))
        }
    }
}

// MARK: - Requests

nonisolated extension ServingMetrics {
    package mutating func requestRejected(_ reason: AdmissionRejection) {
        let values = [configuration.modelName, reason.rawValue]
        registry.increment(registry.series(hostFamilies.rejections, values))
    }

    /// The first token of a request; `adapter` is nil for the base.
    package mutating func firstToken(replica: Int, adapter: String?, after latency: Duration) {
        if let series = series(replica) {
            registry.observe(latency.seconds, in: series.timeToFirstToken)
        }
        registry.observe(latency.seconds, in: series(adapter: adapter).timeToFirstToken)
    }

    /// A later token of a request, so long after the one before it.
    package mutating func laterToken(replica: Int, after interval: Duration) {
        guard let series = series(replica) else { return }
        registry.observe(interval.seconds, in: series.interToken)
    }

    package mutating func requestFinished(_ request: FinishedRequest) {
        if let series = series(request.replica) {
            if let counter = series.finished[request.reason] { registry.increment(counter) }
            series.request.observe(request, in: &registry)
        }
        registry.observe(request.queued.seconds, in: series(adapter: request.adapter).queued)
    }

    /// A request was given up before its first token, beside ``requestFinished(_:)``.
    package mutating func requestAborted(replica: Int, adapter: String?) {
        guard replicas.indices.contains(replica) else { return }
        let name = adapter ?? configuration.modelName
        let values = [configuration.modelName, String(replica), name]
        registry.increment(registry.series(adapterFamilies.aborts, values))
    }

    /// A reply was sent; `route` is a label of few values, such as the route's pattern.
    package mutating func httpReplied(route: String, status: Int) {
        registry.increment(registry.series(hostFamilies.httpRequests, [route, String(status)]))
    }

    /// A client went away before its reply ended.
    package mutating func clientLeft(route: String) {
        registry.increment(registry.series(hostFamilies.clientsLeft, [route]))
    }
}

// MARK: - Replicas

nonisolated extension ServingMetrics {
    package mutating func stepCompleted(_ step: CompletedStep) {
        var prompt = 0
        var generated = 0
        for tokens in step.tokens {
            let series = series(adapter: tokens.adapter)
            registry.increment(series.promptTokens, by: Double(tokens.prompt))
            registry.increment(series.generatedTokens, by: Double(tokens.generated))
            prompt += tokens.prompt
            generated += tokens.generated
        }
        guard let series = series(step.replica) else { return }
        registry.increment(series.promptTokens, by: Double(prompt))
        registry.increment(series.generatedTokens, by: Double(generated))
        registry.increment(series.preemptions, by: Double(step.preemptions))
        registry.observe(Double(prompt + generated), in: series.iterationTokens)
        registry.observe(step.duration.seconds, in: series.step)
        registry.observe(step.overhead.seconds, in: series.overhead)
        registry.increment(series.stepsAhead, by: step.isAhead ? 1 : 0)
        registry.increment(series.discardedTokens, by: Double(step.discarded))
        registry.increment(series.drafts, by: Double(step.drafts))
        registry.increment(series.draftTokens, by: Double(step.draftTokens))
        registry.increment(series.acceptedTokens, by: Double(step.acceptedTokens))
    }

    package mutating func replicaChanged(_ load: ReplicaLoad) {
        guard let series = series(load.replica) else { return }
        registry.set(series.running, to: Double(load.running))
        registry.set(series.waiting, to: Double(load.waiting))
        series.pages.show(load, in: &registry)
        registry.set(series.tokenLimit, to: Double(load.tokenLimit))
        registry.raise(series.stepsOverStallBudget, to: load.stepsOverStallBudget)
        for (mode, gauge) in series.modes { registry.set(gauge, to: mode == load.mode ? 1 : 0) }
    }

    /// What a replica's ledger and cost model say; call before `exposition`.
    package mutating func replicaMeasured(_ figures: ReplicaFigures) {
        guard let series = series(figures.replica) else { return }
        series.fairness.show(figures, in: &registry)
        let values = [configuration.modelName, String(figures.replica)]
        series.costs.show(figures.costs, replicaFamilies.costs, values, in: &registry)
    }

    /// What has moved between replicas since the start; call before `exposition`.
    mutating func fleetMeasured(_ counters: MigrationCounters) {
        counters.show(migrationFamilies, model: configuration.modelName, in: &registry)
    }

    package mutating func modeSwitched(_ change: ModeSwitch) {
        guard series(change.replica) != nil else { return }
        let values = [
            configuration.modelName, String(change.replica), change.from.rawValue,
            change.to.rawValue,
        ]
        registry.increment(registry.series(replicaFamilies.modeSwitches, values))
    }

    /// A merged copy was built in `took`, without the steps in between.
    package mutating func mergeCompleted(replica: Int, took: Duration) {
        guard let series = series(replica) else { return }
        registry.observe(took.seconds, in: series.merge)
    }

    /// Steps ran unmerged, as the merged copy that their policy wanted was not ready.
    package mutating func ranUnmergedInstead(replica: Int, steps: Int) {
        guard steps > 0, let series = series(replica) else { return }
        registry.increment(series.unmergedInstead, by: Double(steps))
    }

    package mutating func policyWorked(_ work: PolicyWork) {
        let series = series(kind: work.kind, instance: work.instance)
        registry.increment(series.calls, by: Double(work.calls))
        registry.increment(series.seconds, by: work.time.seconds)
        registry.increment(series.strikes, by: Double(work.strikes))
    }

    private func series(_ replica: Int) -> ReplicaSeries? {
        replicas.indices.contains(replica) ? replicas[replica] : nil
    }

    private mutating func series(kind: String, instance: String) -> PolicySeries {
        if let series = policies[kind]?[instance] { return series }
        let series = PolicySeries(
            calls: registry.series(hostFamilies.policyCalls, [kind, instance]),
            seconds: registry.series(hostFamilies.policySeconds, [kind, instance]),
            strikes: registry.series(hostFamilies.policyStrikes, [kind, instance]))
        if policies[kind]?.count ?? 0 < 64 { policies[kind, default: [:]][instance] = series }
        return series
    }
}

// MARK: - Adapters

nonisolated extension ServingMetrics {
    package mutating func adapterLoaded(_ name: String, replica: Int, bytes: Int, took: Duration) {
        let series = series(adapter: name)
        registry.increment(series.loads)
        registry.increment(series.loadSeconds, by: took.seconds)
        setResidentBytes(of: name, replica: replica, to: bytes)
    }

    package mutating func adapterEvicted(_ name: String, replica: Int) {
        registry.increment(series(adapter: name).evictions)
        setResidentBytes(of: name, replica: replica, to: 0)
    }

    /// The adapter is served no longer; its series end. Call it when its last request has ended.
    package mutating func adapterRemoved(_ name: String) {
        adapters[name] = nil
        registry.removeAll(label: "adapter", value: name)
        registry.removeAll(label: "mixture", value: name)
    }

    /// The adapters of running and of waiting requests, for gateways; call before `exposition`.
    ///
    /// Each name once, in any order. `unixTime` is in seconds: gateways take the latest series.
    package mutating func adaptersInUse(running: [String], waiting: [String], unixTime: Double) {
        if let inUse, inUse.running == running, inUse.waiting == waiting {
            registry.set(inUse.series, to: unixTime)
            return
        }
        let values = [
            String(configuration.maxAdapters), waiting.sorted().joined(separator: ","),
            running.sorted().joined(separator: ","),
        ]
        registry.keepOnly(adapterFamilies.inUse, values)
        let series = registry.series(adapterFamilies.inUse, values)
        registry.set(series, to: unixTime)
        inUse = (running, waiting, series)
    }

    /// What the experts of a mixture have counted in a choice that has ended.
    package mutating func gateWeighed(
        mixture: String, _ weights: [(expert: String, weight: Double)]
    ) {
        for (expert, weight) in weights {
            let values = [configuration.modelName, mixture, expert]
            registry.observe(weight, in: registry.series(adapterFamilies.gateWeight, values))
        }
    }

    private mutating func setResidentBytes(of name: String, replica: Int, to bytes: Int) {
        guard replicas.indices.contains(replica) else { return }
        let values = [configuration.modelName, String(replica), name]
        registry.set(registry.series(adapterFamilies.residentBytes, values), to: Double(bytes))
    }

    /// The base has series under the model's own name, which no adapter may have.
    private mutating func series(adapter: String?) -> AdapterSeries {
        let name = adapter ?? configuration.modelName
        if let series = adapters[name] { return series }
        let isOverLimit = adapters.count >= max(1, configuration.adapterSeriesLimit)
        let key = isOverLimit ? MetricsRegistry.otherLabelValue : name
        if let series = adapters[key] { return series }
        let series = AdapterSeries(
            adapterFamilies, [configuration.modelName, key], in: &registry)
        adapters[key] = series
        return series
    }
}
