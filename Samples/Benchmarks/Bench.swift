// SPDX-License-Identifier: Apache-2.0

import Inference
import ModelLoading

/// One measured row.
struct BenchmarkResult: Codable {
    var name: String
    var batch: Int
    var adapters: Int
    var mode: Workload.Mode
    /// Milliseconds of the fastest step.
    var milliseconds: Double
    var tokensPerSecond: Double
    /// Of the time that the slower of memory and arithmetic needs at the least.
    var percentOfRoofline: Double
    /// Which one that is.
    var bound: String
    /// Of the same batch without adapters, in the same run.
    var percentOfBase: Double
    /// Milliseconds of the parts of the fastest step.
    var parts: [String: Double]
}

/// The model, its adapters and an executor, measured workload after workload.
struct Bench {
    let executor: Executor
    let adapters: [PackedAdapter]
    let merged: MergedModel
    let rank: Int
    let loadSeconds: Double
    let mergeSeconds: Double
    let adapterLoads: [AdapterLoad]
    let weightBytes: Int

    init(
        weights: ModelWeights, type: WeightType, keyValueType: KeyValueType, threads: Int, rank: Int
    ) throws {
        let clock = ContinuousClock()
        let start = clock.now
        let model = try PackedModel(weights, type: type, threads: threads)
        loadSeconds = (clock.now - start).seconds
        adapters = try (0..<Workload.maximumBatch).map { index in
            try PackedAdapter(
                AdapterWeights.synthetic(
                    name: "synthetic-\(index)", rank: rank, seed: UInt64(index),
                    for: weights.configuration),
                for: model)
        }
        var configuration = ExecutorConfiguration(
            pageCount: 256, maximumTokens: 512, maximumSequences: Workload.maximumBatch,
            contextLength: min(1024, weights.configuration.contextLength), threads: threads)
        configuration.keyValueType = keyValueType
        executor = try Executor(model: model, configuration: configuration)
        self.rank = rank
        weightBytes = model.byteCount
        let first = adapters[0]
        adapterLoads = try [.bf16, .f32].map { stored in
            try AdapterLoad.measure(
                AdapterWeights.synthetic(
                    name: first.name, rank: rank, seed: 0, for: weights.configuration),
                as: stored, for: model, threads: threads, repetitions: 20)
        }
        var best = Double.infinity
        var last: MergedModel?
        for index in 0..<3 {
            last = nil
            let start = clock.now
            last = try MergedModel.build(base: model, adapter: adapters[index], team: executor.team)
            best = min(best, (clock.now - start).seconds)
        }
        mergeSeconds = best
        merged =
            try last ?? MergedModel.build(base: model, adapter: adapters[0], team: executor.team)
    }

    /// Every workload in turn, `rounds` times, so that a disturbance hits all alike; the fastest
    /// step of each counts.
    func measure(rounds: Int) throws -> [StepTimes] {
        let workloads = Workload.all
        var best = [StepTimes?](repeating: nil, count: workloads.count)
        for _ in 0..<rounds {
            for (index, workload) in workloads.enumerated() {
                for _ in 0..<(workload.tokens > 1 ? 2 : 6) {
                    let times = try executor.run(step(workload)).times
                    if let fastest = best[index], fastest.total <= times.total { continue }
                    best[index] = times
                }
            }
        }
        return best.map { $0 ?? StepTimes() }
    }

    /// GB/s at which all threads together can read the packed weights.
    func weightBandwidth(quick: Bool) throws -> Double {
        try MachinePeaks.readBandwidth(
            of: executor.model, threads: executor.team.memberCount, set: executor.instructionSet,
            repetitions: quick ? 3 : 10) / 1e9
    }

    /// The rows of the table, from the fastest steps and the machine's limits.
    func results(_ times: [StepTimes], _ machine: MachineReport) -> [BenchmarkResult] {
        let workloads = Workload.all
        return workloads.enumerated().map { index, workload in
            let base = workloads.firstIndex {
                $0.name == workload.name && $0.batch == workload.batch && $0.adapters == 0
            }
            return result(
                workload, times[index], base: times[base ?? index].total.seconds, machine)
        }
    }

    /// Multiplications and additions, and bytes that must be read.
    func cost(of workload: Workload) -> (operations: Double, bytes: Double) {
        workload.cost(
            executor.model.configuration, weightBytes: weightBytes,
            adapterBytes: adapters[0].byteCount, adapterRank: rank)
    }

    private func result(
        _ workload: Workload, _ times: StepTimes, base: Double, _ machine: MachineReport
    ) -> BenchmarkResult {
        let cost = cost(of: workload)
        let memory = cost.bytes / ((machine.weightBandwidth ?? machine.readBandwidth) * 1e9)
        let arithmetic = cost.operations / (machine.multiplyAdds * 1e9)
        let seconds = times.total.seconds
        return BenchmarkResult(
            name: workload.name, batch: workload.batch, adapters: workload.adapters,
            mode: workload.mode, milliseconds: seconds * 1e3,
            tokensPerSecond: Double(workload.batch * workload.tokens) / seconds,
            percentOfRoofline: 100 * max(memory, arithmetic) / seconds,
            bound: memory > arithmetic ? "memory" : "arithmetic",
            percentOfBase: 100 * base / seconds,
            parts: [
                "linears": times.linears.seconds * 1e3, "adapters": times.adapters.seconds * 1e3,
                "attention": times.attention.seconds * 1e3, "head": times.head.seconds * 1e3,
            ])
    }

    /// The same positions every time: what was in the pages before does not change the cost.
    private func step(_ workload: Workload) -> ExecutorStep {
        let pages = ExecutorConfiguration.pages(for: workload.position + workload.tokens)
        let vocabulary = executor.model.configuration.vocabularySize
        let chunks = (0..<workload.batch).map { index in
            SequenceChunk(
                tokens: (0..<workload.tokens).map {
                    Int32((index * 7919 + $0 * 104_729) % vocabulary)
                },
                position: workload.position,
                pages: (0..<pages).map { Int32(index * pages + $0) },
                adapters: workload.adapters == 0 || workload.mode == .merged
                    ? [] : [AdapterUse(adapters[index % workload.adapters])])
        }
        return ExecutorStep(
            weights: workload.mode == .merged ? .merged(merged) : .base, chunks: chunks)
    }
}

extension Duration {
    var seconds: Double {
        Double(components.seconds) + 1e-18 * Double(components.attoseconds)
    }
}
