// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import HTTPServing
internal import Inference
package import Logging
package import LoopIO
internal import ManifestLoading
internal import ModelLoading
internal import PolicyIsolation
internal import PolicyKit
internal import Scheduling

/// Builds an engine from a manifest: opens and packs the model, checks the adapters, makes the
/// policies, divides the memory.
package struct HostAssembly {
    private let loaded: LoadedManifest
    private let log: Logger
    private let threads: Int
    private let created = Int(Date().timeIntervalSince1970)

    private var spec: Manifest.Spec { loaded.manifest.spec }

    package init(_ loaded: LoadedManifest, log: Logger) {
        self.loaded = loaded
        self.log = log
        let replicas = loaded.manifest.spec.replicas
        switch replicas.threads.value {
        case .count(let count): threads = count
        case .automatic:
            threads = max(1, ProcessInfo.processInfo.activeProcessorCount / replicas.count.value)
        }
    }

    /// - Throws: `HostError` with positions in the manifest where they are known.
    package func engine(on loop: EventLoop) throws(HostError) -> Engine {
        try engine(of: try prepare(), on: loop)
    }

    /// Starts the engine of what was opened.
    func engine(of prepared: PreparedHost, on loop: EventLoop) throws(HostError) -> Engine {
        let engine: Engine
        do {
            engine = try Engine(prepared.parts, loop: loop)
        } catch {
            throw HostError(.cannotStart, error.description)
        }
        try add(prepared.adapters, prepared.mixtures, to: engine)
        engine.beginPlacement()
        return engine
    }

    /// Opens and packs all that an engine is made of.
    ///
    /// - Throws: `HostError` with positions in the manifest where they are known.
    func prepare() throws(HostError) -> PreparedHost {
        let blas = BLAS.core
        let opening = ModelOpening(loaded: loaded, threads: threads, created: created)
        let model = try opening.model()
        let adapters = try opening.adapters(for: model)
        let mixtures = try opening.mixtures(of: adapters, for: model)
        var reserve = GateReserve()
        for mixture in mixtures { reserve.cover(mixture) }
        let memory = try memory(for: model, reserve)
        try report(blas)
        report(model, adapters.count, memory)
        let policies = PolicyAssembly(loaded)
        let executors = try executors(for: model, memory)
        let parts = EngineParts(
            model: model, fleet: try fleet(of: memory, contextLength: model.contextLength),
            executors: executors, pool: try pool(for: model, executors),
            metrics: metrics(for: model, memory, adapters),
            shares: ServiceShares(
                loaded.manifest, adapters.map { ($0.weights.name, $0.share) }),
            makeGating: { selection throws(HostError) in try policies.gating(selection) },
            reserve: reserve, log: log)
        return PreparedHost(parts: parts, adapters: adapters, mixtures: mixtures)
    }

    private func add(
        _ adapters: [OpenedAdapter], _ mixtures: [OpenedMixture], to engine: Engine
    ) throws(HostError) {
        func at(
            _ position: SourcePosition?, _ path: String, _ add: () throws(APIError) -> Void
        ) throws(HostError) {
            do throws(APIError) {
                try add()
            } catch {
                throw HostError([
                    loaded.document.diagnostic(error.message, at: position, path: path)
                ])
            }
        }
        for adapter in adapters {
            try at(adapter.position, adapter.path) { () throws(APIError) in
                try engine.add(
                    CheckedWeights(adapter.weights, from: adapter.source),
                    isPinned: adapter.isPinned, at: created)
            }
        }
        for (index, mixture) in mixtures.enumerated() {
            try at(spec.mixtures[index].name.position, "spec.mixtures[\(index)]") {
                () throws(APIError) in
                try engine.add(mixture, at: created)
            }
        }
    }

    // MARK: - Memory

    /// How one replica's memory is divided.
    private struct Memory {
        var pages: Int
        var pageBytes: Int
        var adapterBytes: Int
        var mergedCopies: Int
        var gates: GateReserve
    }

    private func memory(
        for model: ServedModel, _ gates: GateReserve
    ) throws(HostError) -> Memory {
        let all = Int(clamping: spec.replicas.memory.value.bytes)
        let adapterBytes =
            spec.replicas.adapterMemory.map { Int(clamping: $0.value.bytes) } ?? all / 4
        let mergedCopies = mergedCopies(of: model, within: all)
        let pageBytes = configuration(of: 1, for: model, gates).pageBytes(of: model.configuration)
        let taken = adapterBytes + mergedCopies * model.packed.mergedByteCount
        let pages = (all - taken) / pageBytes
        guard pages > 0 else {
            throw HostError([
                loaded.document.diagnostic(
                    "\(all) bytes, less \(taken) for adapters and merged copies, hold no KV page "
                        + "of \(pageBytes) bytes: raise it", at: spec.replicas.memory.position,
                    path: "spec.replicas.memory")
            ])
        }
        if pages * ExecutorConfiguration.pageTokens < model.contextLength {
            log.warning(
                """
                a replica has KV pages for \(pages * ExecutorConfiguration.pageTokens) tokens, \
                less than one whole context of \(model.contextLength): raise replicas.memory to \
                serve the longest requests
                """)
        }
        return Memory(
            pages: pages, pageBytes: pageBytes, adapterBytes: adapterBytes,
            mergedCopies: mergedCopies, gates: gates)
    }

    /// How many merged copies there is memory for; by default one, if that leaves at least half.
    private func mergedCopies(of model: ServedModel, within all: Int) -> Int {
        let bytes = max(1, model.packed.mergedByteCount)
        guard let memory = spec.replicas.mergedMemory else { return bytes <= all / 2 ? 1 : 0 }
        return Int(clamping: memory.value.bytes) / bytes
    }

    /// One for each replica; pinned ones get the processors in turn.
    private func executors(
        for model: ServedModel, _ memory: Memory
    ) throws(HostError) -> [ExecutorConfiguration] {
        let count = spec.replicas.count.value
        let processors = ThreadTeam.processors
        let pinned = spec.replicas.pinned
        guard !pinned.value || count * threads <= processors.count else {
            throw HostError([
                loaded.document.diagnostic(
                    "\(count) replica(s) of \(threads) thread(s) do not fit on "
                        + "\(processors.count) processor(s): use fewer, or leave them unpinned",
                    at: pinned.position, path: "spec.replicas.pinned")
            ])
        }
        return (0..<count).map { index in
            var configuration = configuration(
                of: count * memory.pages, for: model, memory.gates)
            if pinned.value {
                configuration.processors = Array(
                    processors[index * threads..<(index + 1) * threads])
            }
            return configuration
        }
    }

    /// The KV pages of all replicas, each of which begins with a part of its own.
    private func pool(
        for model: ServedModel, _ executors: [ExecutorConfiguration]
    ) throws(HostError) -> KeyValuePool {
        do throws(InferenceError) {
            return try KeyValuePool(model: model.configuration, configuration: executors[0])
        } catch {
            throw HostError(.cannotStart, error.description)
        }
    }

    private func configuration(
        of pages: Int, for model: ServedModel, _ gates: GateReserve
    ) -> ExecutorConfiguration {
        var configuration = ExecutorConfiguration(
            pageCount: pages, maximumTokens: stepTokens, maximumSequences: batch,
            contextLength: model.contextLength, threads: threads)
        configuration.keyValueType = keyValueType
        configuration.gateStateFloats = gates.stateFloats
        configuration.keepsScalingPass = gates.keepsScalingPass
        return configuration
    }

    private var keyValueType: KeyValueType {
        switch spec.replicas.kvDtype.value {
        case .f32: .f32
        case .bf16: .bf16
        }
    }

    private var batch: Int { min(spec.replicas.maxBatch.value, stepTokens) }
    private var stepTokens: Int { spec.replicas.maxStepTokens.value }
    private var sharesPrefixes: Bool { spec.replicas.prefixCache.value == .on }

    // MARK: - Policies

    private func fleet(of memory: Memory, contextLength: Int) throws(HostError) -> Fleet {
        // What a policy used, not how long the system let it wait.
        let clock: PolicyClock = {
            Instant(nanoseconds: ThreadTime.nanoseconds + RemotePolicyTime.nanoseconds)
        }
        var containment = ContainmentRules()
        containment.budget = spec.plugins.budget.value
        let policies = PolicyAssembly(loaded)
        var replicas: [ReplicaScheduler] = []
        for index in 0..<spec.replicas.count.value {
            var configuration = ReplicaConfiguration(
                id: ReplicaID(rawValue: index), batchRequests: batch, batchTokens: stepTokens,
                pages: memory.pages, adapterBytes: memory.adapterBytes)
            configuration.pageTokens = ExecutorConfiguration.pageTokens
            configuration.firstPage = index * memory.pages
            configuration.pageBytes = memory.pageBytes
            configuration.mergedCopies = memory.mergedCopies
            configuration.containment = containment
            configuration.sharesPrefixes = sharesPrefixes
            configuration.stallBudget = spec.replicas.stallBudget?.value
            replicas.append(
                ReplicaScheduler(
                    configuration, policies: try policies.replicaPolicies(of: index),
                    clock: clock))
        }
        var rules = FleetRules()
        rules.containment = containment
        return Fleet(
            replicas: replicas,
            policies: FleetPolicies(
                dispatch: try policies.dispatch(seed: 0),
                migration: try policies.migration(seed: 0)),
            limits: FleetLimits(queue: spec.limits.queue.value, contextLength: contextLength),
            rules: rules, clock: clock)
    }

    /// What the policies of a replica are made with.
    nonisolated static func policySeed(of replica: Int) -> UInt64 { UInt64(replica) }

    // MARK: - Reports

    private func metrics(
        for model: ServedModel, _ memory: Memory, _ adapters: [OpenedAdapter]
    ) -> ServingMetrics {
        let largest = adapters.map(\.weights.byteCount).max() ?? 1
        return ServingMetrics(
            ServingMetricsConfiguration(
                modelName: model.name, replicaCount: spec.replicas.count.value,
                maxModelLength: model.contextLength,
                maxAdapters: max(1, memory.adapterBytes / max(1, largest)),
                cache: .init(
                    pageTokens: ExecutorConfiguration.pageTokens, pageCount: memory.pages,
                    dtype: "float32", cachesPrefixes: sharesPrefixes)))
    }

    private func report(_ blas: String) throws(HostError) {
        do throws(InferenceError) {
            let speed = Int(try BLAS.measureGigaflops().rounded())
            let kernels = try InstructionSet.chosen().rawValue
            log.info("BLAS core \(blas), \(speed) GFLOP/s on one thread; kernels \(kernels)")
        } catch {
            throw HostError(.cannotStart, error.description)
        }
    }

    /// Writes packed weights into the cache while the host serves already, on a thread that takes
    /// only what processor time nobody else wants.
    private func keep(_ packed: PackedModel) {
        let writer = JobThread<PackedModel>(name: "cache-writer") { [log] jobs in
            _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 19)
            while let packed = jobs.next() {
                do throws(InferenceError) {
                    try packed.keep()
                    log.info("the packed weights are in the cache for the next start")
                } catch {
                    log.warning("the packed weights are not in the cache: \(error)")
                }
            }
        }
        writer.post(packed)
        writer.close()
    }

    private func report(_ model: ServedModel, _ adapterCount: Int, _ memory: Memory) {
        log.info(
            """
            model '\(model.name)': \(model.configuration.family.rawValue), \
            \(model.configuration.parameterCount) parameters, \(model.packed.type.rawValue), \
            \(Megabytes(model.packed.byteCount)); \(adapterCount) adapters, \
            \(spec.mixtures.count) mixtures
            """)
        log.info(
            """
            \(spec.replicas.count.value) replica(s) of \(threads) thread(s), each with \
            \(memory.pages) KV pages (\(Megabytes(memory.pages * memory.pageBytes))) and \
            \(Megabytes(memory.adapterBytes)) for adapters; merged copies: \(memory.mergedCopies) \
            of \(Megabytes(model.packed.mergedByteCount))
            """)
        switch model.packed.cacheOutcome {
        case .unused: break
        case .read: log.info("the packed weights were read from the cache")
        case .packed: keep(model.packed)
        }
        for note in model.configuration.notes { log.notice("\(note)") }
    }
}

/// What a manifest names, opened: all that an engine is made of.
struct PreparedHost {
    var parts: EngineParts
    var adapters: [OpenedAdapter]
    var mixtures: [OpenedMixture]
}

/// Bytes as people read them.
nonisolated struct Megabytes: CustomStringConvertible {
    let bytes: Int

    init(_ bytes: Int) { self.bytes = bytes }

    var description: String {
        let tenths = (bytes * 10 + (1 << 19)) >> 20
        return "\(tenths / 10).\(tenths % 10) MiB"
    }
}
