// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Inference
package import Logging
internal import LoopIO
internal import ManifestLoading
internal import ModelLoading
internal import PolicyKit
internal import Scheduling

/// Measures what simulations of a manifest's host on this machine need to know: with its model, its
/// adapters, and compute threads as it has them.
package struct CalibrationRun {
    private let assembly: HostAssembly
    private let manifest: Manifest
    private let log: Logger
    private let prepared: PreparedHost
    private let runner: StepRunner
    private let loop: EventLoop
    private let budget: Duration
    private let start = ContinuousClock.now
    private let client: @Sendable (ServedForCalibration) -> Void
    private let progress: (Double) -> Void
    private var random = SplitMix64(seed: 1)
    private var calibration = Calibration()
    private var designs: [StepDesign] = []
    private var ranks: [Int] = []

    /// Opens what the manifest names; measures for about `budget`, and as long as it takes to run every
    /// step twice.
    ///
    /// `client` sends requests to the host for a while, on a thread of its own. `progress` hears which
    /// part is done. Main thread only.
    ///
    /// - Throws: `HostError` for what the manifest is at fault.
    package init(
        _ loaded: LoadedManifest, for budget: Duration, log: Logger,
        client: @escaping @Sendable (ServedForCalibration) -> Void,
        progress: @escaping (Double) -> Void
    ) throws(HostError) {
        do {
            loop = try EventLoop()
        } catch {
            throw HostError(.cannotStart, error.description)
        }
        assembly = HostAssembly(loaded, log: log)
        manifest = loaded.manifest
        self.log = log
        prepared = try assembly.prepare()
        runner = try StepRunner(prepared.parts, loop: loop)
        self.budget = budget
        self.client = client
        self.progress = progress
    }

    /// Measures everything, once. Main thread only.
    ///
    /// - Throws: `HostError` where a step fails.
    package mutating func measured() throws(HostError) -> Calibration {
        defer { runner.close() }
        try measure()
        return calibration
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
        enter(try rounds(until: budget * 0.7))
        try measureGap()
        runner.close()
        calibration.served = try serve()
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

    /// Builds a copy into fresh memory, then others into that of the first, as where they take turns.
    private mutating func merge() throws(HostError) {
        for _ in 0..<4 {
            runner.merged = nil
            let (copy, seconds) = try runner.merge(runner.adapters[0])
            runner.merged = copy
            calibration.merges.append(.init(bytes: copy.byteCount, seconds: seconds))
        }
        calibration.firstMerge = calibration.merges.removeFirst()
    }

    // MARK: - Steps

    /// Writes the keys and values that steps attend to: memory that nobody has written is read from
    /// one page of zeros.
    private func fill(_ limits: DesignLimits) throws(HostError) {
        let filling = limits.filling
        _ = try runner.run(Array(filling.indices), of: filling)
    }

    /// Runs all steps, each time in another order, until so much of the time is over, and at least
    /// twice.
    private mutating func rounds(
        until end: Duration
    ) throws(HostError) -> [StepRunner.Run] {
        var runs: [StepRunner.Run] = []
        var count = 0
        repeat {
            let order = designs.indices.shuffled(using: &random)
            runs += try runner.run(order, of: designs)
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

    /// One row decodes, as where a request comes to an idle host.
    private mutating func measureGap() throws(HostError) {
        let order = [Int](repeating: 0, count: 32)
        let ahead = try runner.run(order, of: designs)
        let late = try runner.run(order, of: designs, isAhead: false)
        calibration.gap = max(
            0, late.dropFirst().map(\.overhead).median - ahead.dropFirst().map(\.overhead).median)
    }

    // MARK: - Serving

    /// Serves the client until it has enough.
    private func serve() throws(HostError) -> [Calibration.Served] {
        let engine = try assembly.engine(of: prepared, on: loop)
        defer { engine.close() }
        var served: [Calibration.Served] = []
        engine.onStep = { step in
            served.append(
                .init(
                    work: step.work, cachedTokens: step.cachedTokens,
                    seconds: step.time.seconds, others: step.others))
        }
        let host = try ServingHost(engine: engine, manifest: manifest, loop: loop, log: log)
        let port = try host.listen(on: ListenAddress(host: "127.0.0.1", port: 0))
        let inbox: LoopInbox<Bool>
        do {
            inbox = try LoopInbox(loop: loop) { [loop] _ in host.drain { loop.stop() } }
        } catch {
            throw HostError(.cannotStart, error.description)
        }
        defer { inbox.close() }
        let subject = ServedForCalibration(
            url: "http://127.0.0.1:\(port)", replicas: calibration.replicas,
            batch: prepared.parts.fleet.replicas[0].configuration.batchRequests,
            contextLength: prepared.parts.model.contextLength, duration: budget * 0.3)
        let thread = Thread { [client] in
            client(subject)
            inbox.post(true)
        }
        thread.stackSize = 8 << 20
        thread.start()
        loop.run()
        return served
    }
}

/// A host that waits for the requests of a calibration.
nonisolated package struct ServedForCalibration: Sendable {
    package var url: String
    package var replicas: Int
    package var batch: Int
    package var contextLength: Int

    /// For how long it should be sent requests.
    package var duration: Duration
}
