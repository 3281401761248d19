// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Inference
import ModelLoading

/// Tokens per second of the executor beside what the machine could do at most.
@main
struct ExecutorBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ExecutorBenchmark",
        abstract: "Measures prefill and decode, and how near they come to the machine's limits.")

    @Option(help: "A synthetic preset, or the folder of a model.")
    var model = "smollm2-360m"

    @Option(help: "How weights are kept: int8, bf16 or f32.")
    var dtype = "bf16"

    @Option(help: "How keys and values are kept: bf16 or f32.")
    var kvDtype = "f32"

    @Option(help: "Threads of a step.")
    var threads = 2

    @Option(help: "Rank of the synthetic adapters.")
    var rank = 16

    @Flag(help: "Fewer repetitions.")
    var quick = false

    @Flag(help: "Measure loading and merging, and no steps.")
    var loads = false

    @Flag(help: "Compare each format's probabilities with those of f32; no steps.")
    var divergence = false

    @Flag(help: "Print the memory in use while 16 sequences of 1,024 tokens decode; no times.")
    var memory = false

    @Flag(help: "Compare a mixture of 8 experts with the same 8 adapters; no other steps.")
    var mixture = false

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        guard WeightType(rawValue: dtype) != nil else {
            throw ValidationError("--dtype is int8, bf16 or f32, not \(dtype)")
        }
        guard KeyValueType(rawValue: kvDtype) != nil else {
            throw ValidationError("--kv-dtype is bf16 or f32, not \(kvDtype)")
        }
        guard (1...1024).contains(threads) else {
            throw ValidationError("--threads is 1 to 1024, not \(threads)")
        }
        guard AdapterWeights.ranks.contains(rank) else {
            throw ValidationError("--rank is \(AdapterWeights.ranks), not \(rank)")
        }
    }

    func run() throws {
        if divergence { return try printDivergence() }
        if memory { return try printMemory() }
        if mixture { return try printMixture() }
        var machine = try MachineReport.measure(threads: threads, quick: quick)
        let weights = try openWeights()
        let type = WeightType(rawValue: dtype) ?? .bf16
        let starts = loads ? try StartTimes.measure(weights, type: type, threads: threads) : nil
        let bench = try Bench(
            weights: weights, type: type, keyValueType: keyValueType, threads: threads, rank: rank)
        machine.weightBandwidth = try bench.weightBandwidth(quick: quick)
        let times = loads ? [] : try bench.measure(rounds: quick ? 2 : 6)
        // Something else may have run during the first measurement: the limits are the better
        // of before and after.
        machine.raise(to: try MachineReport.measure(threads: threads, quick: quick))
        machine.weightBandwidth = max(
            machine.weightBandwidth ?? 0, try bench.weightBandwidth(quick: quick))
        let results = loads ? [] : bench.results(times, machine)
        let report = BenchmarkReport(
            machine: machine, model: model, dtype: dtype, threads: threads, rank: rank,
            loadSeconds: bench.loadSeconds, mergeSeconds: bench.mergeSeconds,
            weightBytes: bench.weightBytes,
            prefillOperations: bench.cost(of: Workload.all[0]).operations,
            adapterLoads: bench.adapterLoads, starts: starts, results: results)
        print(try json ? report.json() : report.table())
    }

    private func openWeights() throws -> ModelWeights {
        try ModelWeights.presets.contains(model)
            ? ModelWeights.synthetic(preset: model, seed: 1) : ModelWeights.open(folder: model)
    }

    private var keyValueType: KeyValueType { KeyValueType(rawValue: kvDtype) ?? .f32 }

    private func printDivergence() throws {
        try printJSON(Divergence.measure(openWeights(), threads: threads))
    }

    private func printJSON(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        print(String(decoding: try encoder.encode(value), as: UTF8.self))
    }

    private func printMixture() throws {
        let bench = try MixtureBench(
            weights: openWeights(), type: WeightType(rawValue: dtype) ?? .bf16,
            keyValueType: keyValueType, threads: threads, rank: rank)
        let costs = try MixtureCost.measure(bench, rounds: quick ? 12 : 48)
        let gates = try GateCost.measure(
            openWeights(), type: WeightType(rawValue: dtype) ?? .bf16, threads: threads, rank: rank,
            rounds: quick ? 12 : 48)
        if json {
            try printJSON(costs)
            try printJSON(gates)
        } else {
            print(MixtureCost.table(costs), GateCost.table(gates), separator: "\n\n")
        }
    }

    private func printMemory() throws {
        let bytes = try MemoryInUse.measure(
            of: openWeights, type: WeightType(rawValue: dtype) ?? .bf16, keys: keyValueType,
            threads: threads, rank: rank)
        print(bytes)
    }
}
