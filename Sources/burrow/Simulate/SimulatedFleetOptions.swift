// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Hosting
import Inference
import ManifestLoading
import ModelLoading
import PolicyKit
import Scheduling
import Simulation

/// Which fleet is simulated; what is not given is the manifest's.
struct SimulatedFleetOptions: ParsableArguments {
    @Option(help: "How many adapters there are; those of the manifest are not opened.")
    var adapters = 8

    @Option(help: "The rank of each adapter.")
    var rank = 16

    @Option(help: "Replicas. Default: spec.replicas.count.")
    var replicas: Int?

    @Option(help: "KV pages of a replica. Default: what spec.replicas.memory leaves for them.")
    var pages: Int?

    @Option(help: "Bytes of an adapter. Default: bf16 matrices of --rank for every linear layer.")
    var adapterBytes: Int?

    @Option(help: "Bytes for adapters in a replica. Default: as the host divides memory.")
    var adapterMemory: Int?

    @Option(help: "Bytes of a KV page, for placement. Default: the model's, if that is read.")
    var pageBytes: Int?

    @Option(help: "Merged copies that a replica has room for. Default: as the host divides memory.")
    var mergedCopies: Int?

    @Flag(help: "The replicas are one process, where an adapter is loaded once for all of them.")
    var sharedAdapters = false

    func validate() throws {
        let ranges: [(String, Int?, ClosedRange<Int>)] = [
            ("adapters", adapters, 0...1_000_000), ("rank", rank, 1...65_536),
            ("replicas", replicas, 1...10_000), ("pages", pages, 1...1 << 40),
            ("adapter-bytes", adapterBytes, 0...1 << 50), ("merged-copies", mergedCopies, 0...1024),
            ("adapter-memory", adapterMemory, 0...1 << 50), ("page-bytes", pageBytes, 0...1 << 40),
        ]
        for (name, value, range) in ranges {
            guard range.contains(value ?? range.lowerBound) else {
                throw ValidationError(
                    "--\(name) is \(range.lowerBound) to \(range.upperBound), not \(value ?? 0)")
            }
        }
    }

    /// The limits of the manifest, with the model's sizes where they are needed.
    func setup(for manifest: Manifest) throws(HostError) -> SimulationSetup {
        let spec = manifest.spec
        let stepTokens = spec.replicas.maxStepTokens.value
        var replica = ReplicaConfiguration(
            id: ReplicaID(rawValue: 0),
            batchRequests: min(spec.replicas.maxBatch.value, stepTokens),
            batchTokens: stepTokens, pages: 0, adapterBytes: 0)
        replica.pageTokens = ExecutorConfiguration.pageTokens
        replica.stallBudget = spec.replicas.stallBudget?.value
        replica.containment.budget = spec.plugins.budget.value
        let memory = try SimulatedMemory(self, manifest)
        replica.pages = memory.pages
        replica.adapterBytes = memory.forAdapters
        replica.pageBytes = memory.pageBytes
        replica.mergedCopies = memory.mergedCopies
        var setup = SimulationSetup(replica: replica)
        setup.replicas = replicas ?? spec.replicas.count.value
        setup.limits = FleetLimits(
            queue: spec.limits.queue.value,
            contextLength: spec.limits.contextLength?.value ?? memory.contextLength)
        setup.sharesAdapters = sharedAdapters
        setup.adapters = (0..<adapters).map { _ in
            SimulatedAdapter(bytes: memory.ofAdapter, rank: rank)
        }
        return setup
    }

    /// A set of policies for each replica, with the seeds that the host gives them.
    @MainActor
    func policies(
        _ assembly: PolicyAssembly, replicas: Int
    ) throws(HostError) -> SimulationPolicies {
        var policies = SimulationPolicies(
            fleet: FleetPolicies(
                dispatch: try assembly.dispatch(seed: 0),
                migration: try assembly.migration(seed: 0)))
        for index in 0..<replicas {
            policies.replicas.append(try assembly.replicaPolicies(of: index))
        }
        return policies
    }
}

/// How the memory of a simulated replica is divided.
struct SimulatedMemory {
    var pages: Int
    var forAdapters: Int
    var ofAdapter: Int
    var mergedCopies: Int
    var contextLength: Int
    var pageBytes: Int

    init(_ options: SimulatedFleetOptions, _ manifest: Manifest) throws(HostError) {
        let replicas = manifest.spec.replicas
        let all = Int(clamping: replicas.memory.value.bytes)
        forAdapters =
            options.adapterMemory
            ?? replicas.adapterMemory.map { Int(clamping: $0.value.bytes) } ?? all / 4
        pageBytes = options.pageBytes ?? 0
        if let pages = options.pages, let bytes = options.adapterBytes,
            let copies = options.mergedCopies
        {
            self.pages = pages
            ofAdapter = bytes
            mergedCopies = copies
            contextLength = pages * ExecutorConfiguration.pageTokens
            try check(options.adapters)
            return
        }
        let model = try Self.model(of: manifest)
        let copyBytes = model.parameterCount * manifest.spec.model.dtype.value.byteCount
        let room = replicas.mergedMemory.map { Int(clamping: $0.value.bytes) / max(1, copyBytes) }
        mergedCopies = options.mergedCopies ?? room ?? (copyBytes <= all / 2 ? 1 : 0)
        ofAdapter = options.adapterBytes ?? Self.bytes(ofRank: options.rank, for: model)
        contextLength = model.contextLength
        let modelPageBytes = ExecutorConfiguration.pageBytes(
            of: model, as: replicas.kvDtype.value == .f32 ? .f32 : .bf16)
        pageBytes = options.pageBytes ?? modelPageBytes
        pages = options.pages ?? (all - forAdapters - mergedCopies * copyBytes) / modelPageBytes
        try check(options.adapters)
        guard pages > 0 else {
            throw HostError(
                .cannotStart,
                "spec.replicas.memory leaves no KV page of \(modelPageBytes) bytes beside adapters and "
                    + "merged copies: raise it, or give --pages")
        }
    }

    /// With adapters that fit nowhere every request would be refused.
    private func check(_ adapters: Int) throws(HostError) {
        guard adapters > 0, ofAdapter > forAdapters else { return }
        throw HostError(
            .cannotStart,
            "an adapter takes \(ofAdapter) bytes and a replica has \(forAdapters) for them: raise "
                + "replicas.adapterMemory, or give --adapter-memory")
    }

    /// Only the shape of the model is read.
    private static func model(of manifest: Manifest) throws(HostError) -> ModelConfiguration {
        do throws(ModelLoadingError) {
            switch manifest.spec.model.source {
            case .path(let path): return try ModelConfiguration.open(folder: path.value)
            case .synthetic(let model):
                if let preset = ModelWeights.configuration(preset: model.preset.value) {
                    return preset
                }
            }
        } catch {
            throw HostError(
                .cannotStart,
                "\(error.description)\nGive --pages, --adapter-bytes and --merged-copies to "
                    + "simulate without the model.")
        }
        throw HostError(.cannotStart, "the synthetic model has no such preset")
    }

    private static func bytes(ofRank rank: Int, for model: ModelConfiguration) -> Int {
        let sides = LinearKind.allCases.reduce(0) {
            $0 + model.inputSize(of: $1) + model.outputSize(of: $1)
        }
        return 2 * rank * sides * model.layerCount
    }
}

extension Manifest.ElementType {
    /// Bytes of a weight.
    fileprivate var byteCount: Int {
        switch self {
        case .f32: 4
        case .bf16: 2
        case .int8: 1
        }
    }
}
