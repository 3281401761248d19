// SPDX-License-Identifier: Apache-2.0

internal import Inference
package import Logging
internal import LoopIO
internal import ModelLoading
internal import PolicyKit
internal import Scheduling

/// Measures what simulations of a manifest's host on this machine need to know: with its model, its
/// adapters, and compute threads as it has them.
package struct CalibrationRun {
    private let prepared: PreparedHost
    private let runner: StepRunner
    private let loop: EventLoop
    private let budget: Duration
    private let start = ContinuousClock.now
    private let progress: (Double) -> Void
    private var random = SplitMix64(seed: 1)
    private var calibration = Calibration()
    private var designs: [StepDesign] = []
    private var ranks: [Int] = []

    /// Measures for about `budget`, and as long as it takes to run every step once.
    ///
    /// `progress` hears which part is done. Main thread only.
    ///
    /// - Throws: `HostError` for what the manifest is at fault, or where a step fails.
    package static func measure(
        _ loaded: LoadedManifest, for budget: Duration, log: Logger,
        progress: @escaping (Double) -> Void
    ) throws(HostError) -> Calibration {
        let loop: EventLoop
        do {
            loop = try EventLoop()
        } catch {
            throw HostError(.cannotStart, error.description)
        }
        let prepared = try HostAssembly(loaded, log: log).prepare()
        var run = CalibrationRun(
            prepared, on: loop, runner: try StepRunner(prepared.parts, loop: loop),
            budget: budget, progress: progress)
        defer { run.runner.close() }
        try run.measure()
        return run.calibration
    }

    private init(
        _ prepared: PreparedHost, on loop: EventLoop, runner: StepRunner, budget: Duration,
        progress: @escaping (Double) -> Void
    ) {
        self.prepared = prepared
        self.loop = loop
        self.runner = runner
        self.budget = budget
        self.progress = progress
    }

    private mutating func measure() throws(HostError) {
        let replica = prepared.parts.fleet.replicas[0].configuration
        calibration.replicas = prepared.parts.executors.count
        calibration.threads = prepared.parts.executors[0].threads
        try loadAdapters(for: replica)
        let merges = replica.mergedCopies > 0 && !ranks.isEmpty
        if merges { try merge() }
        let pageTokens = ExecutorConfiguration.pageTokens
        let limits = DesignLimits(
            batch: replica.batchRequests, stepTokens: replica.batchTokens,
            contextLength: prepared.parts.model.contextLength,
            cachedTokens: max(
                pageTokens,
                min(
                    DesignLimits.mostCachedTokens,
                    (replica.pages - replica.batchRequests) * pageTokens)),
            adapters: ranks.count, merges: merges)
        try fill(limits)
        designs = limits.designs
        let isAlone = calibration.replicas == 1
        let alone = try rounds(until: budget * (isAlone ? 1.0 : 0.6), onAll: false)
        enter(alone)
        if !isAlone { compare(try rounds(until: budget, onAll: true)) }
        try measureGap()
        progress(1)
    }

    // MARK: - Adapters

    private mutating func loadAdapters(for replica: ReplicaConfiguration) throws(HostError) {
        var catalog = AdapterCatalog()
        var bytes = 0
        for adapter in prepared.adapters.prefix(replica.batchRequests) {
            bytes += adapter.weights.byteCount
            guard bytes <= replica.adapterBytes else { break }
            let entry = catalog.add(
                CheckedWeights(adapter.weights, from: adapter.source), isPinned: false, at: 0
            ).added
            let (packed, seconds) = try runner.load(entry)
            runner.adapters.append(packed)
            ranks.append(entry.maximumRank)
            calibration.loads.append(.init(bytes: entry.byteCount, seconds: seconds))
        }
        calibration.adapters = ranks.count
    }

    /// Builds copies into the memory of the first, as where they take turns.
    private mutating func merge() throws(HostError) {
        for _ in 0..<4 {
            runner.merged = nil
            let (copy, seconds) = try runner.merge(runner.adapters[0])
            runner.merged = copy
            calibration.merges.append(.init(bytes: copy.byteCount, seconds: seconds))
        }
        calibration.merges.removeFirst()
    }

    // MARK: - Steps

    /// Writes the keys and values that steps attend to: memory that nobody has written is read from
    /// one page of zeros.
    private func fill(_ limits: DesignLimits) throws(HostError) {
        let filling = limits.filling
        _ = try runner.run(
            Array(filling.indices), of: filling, onAll: calibration.replicas > 1)
    }

    /// Runs all steps, each time in another order, until so much of the time is over, and at least
    /// twice.
    private mutating func rounds(
        until end: Duration, onAll: Bool
    ) throws(HostError) -> [StepRunner.Run] {
        var runs: [StepRunner.Run] = []
        var count = 0
        repeat {
            let order = designs.indices.shuffled(using: &random)
            runs += try runner.run(order, of: designs, onAll: onAll)
            count += 1
            progress(min(0.99, (ContinuousClock.now - start) / budget))
        } while count < 2 || ContinuousClock.now - start < end
        calibration.rounds += count
        calibration.runs += runs.count
        return runs
    }

    private mutating func enter(_ runs: [StepRunner.Run]) {
        for (index, times) in times(of: runs) {
            calibration.steps.append(
                .init(
                    work: designs[index].work(ranks: ranks),
                    cachedTokens: designs[index].cachedTokens, seconds: times.trimmedMean,
                    spread: times.spread))
        }
        calibration.headShare =
            runs.filter { designs[$0.design].prompts == 0 && $0.time > 0 }
            .map { $0.head / $0.time }.median
        calibration.between = runs.filter { $0.overhead > 0 }
            .map { .init(tokens: $0.drawn, seconds: $0.overhead) }
    }

    private func times(of runs: [StepRunner.Run]) -> [(design: Int, times: [Double])] {
        var times: [Int: [Double]] = [:]
        for run in runs { times[run.design, default: []].append(run.time) }
        return times.sorted { $0.key < $1.key }.map { (design: $0.key, times: $0.value) }
    }

    /// How much longer the same steps take where all replicas compute.
    private mutating func compare(_ together: [StepRunner.Run]) {
        for (index, times) in times(of: together) where index < calibration.steps.count {
            calibration.steps[index].contended = times.trimmedMean
        }
        let ratios = calibration.steps.compactMap { step in
            step.contended.map { $0 / step.seconds }
        }
        calibration.contention =
            max(0, ratios.median - 1) / Double(max(1, calibration.replicas - 1))
    }

    /// One row decodes, as where a request comes to an idle host.
    private mutating func measureGap() throws(HostError) {
        let order = [Int](repeating: 0, count: 32)
        let ahead = try runner.run(order, of: designs)
        let late = try runner.run(order, of: designs, isAhead: false)
        calibration.gap = max(
            0, late.dropFirst().map(\.overhead).median - ahead.dropFirst().map(\.overhead).median)
    }
}
