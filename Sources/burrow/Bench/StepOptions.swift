// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Inference
import ModelLoading

/// What is measured: a model's shape, adapters, threads.
struct BenchOptions: ParsableArguments {
    @Option(help: "The shapes: a synthetic preset, or the folder of a model.")
    var model = "smollm2-360m"

    @Option(help: "How weights are kept. Default: each way in turn.")
    var dtype: WeightType?

    @Option(help: "Threads that work together. Default: as many as there are processors.")
    var threads: Int?

    @Option(help: "Rank of the synthetic adapters.")
    var rank = 16

    func validate() throws {
        guard (1...1024).contains(threads ?? 1) else {
            throw ValidationError("--threads is 1 to 1024, not \(threads ?? 0)")
        }
        guard AdapterWeights.ranks.contains(rank) else {
            throw ValidationError("--rank is \(AdapterWeights.ranks), not \(rank)")
        }
    }

    var allThreads: Int { threads ?? ProcessInfo.processInfo.activeProcessorCount }

    /// Random ones for a preset.
    func weights() throws -> ModelWeights {
        try orComplain {
            ModelWeights.presets.contains(model)
                ? try ModelWeights.synthetic(preset: model, seed: 1)
                : try ModelWeights.open(folder: WorkingFolder.absolute(model))
        }
    }

    func modelConfiguration() throws -> ModelConfiguration {
        try orComplain {
            if let preset = ModelWeights.configuration(preset: model) { return preset }
            return try ModelConfiguration.open(folder: WorkingFolder.absolute(model))
        }
    }
}

/// What the steps of a timeline hold.
struct WorkloadOptions: ParsableArguments {
    @Option(help: "Steps of a timeline.")
    var steps = 4

    @Option(help: "Sequences of a step.")
    var batch = 16

    @Option(help: "Tokens of each: 1 is decoding, more are a prompt's.")
    var tokens = 1

    @Option(help: "Tokens that each has behind it.")
    var context = 64

    @Option(
        help: """
            Distinct adapters that are used: of a timeline none by default, of a server all that it \
            has. With 0 the base alone.
            """)
    var adapters: Int?

    func validate() throws {
        guard (0...100_000).contains(adapters ?? 0) else {
            throw ValidationError("--adapters is 0 to 100000, not \(adapters ?? 0)")
        }
    }

    var workload: StepWorkload {
        var workload = StepWorkload()
        workload.batch = batch
        workload.tokens = tokens
        workload.context = context
        workload.adapters = adapters ?? 0
        return workload
    }
}

extension StepWorkload {
    var text: String {
        "\(batch) x \(tokens) tokens after \(context), \(adapters) adapters"
    }
}

/// Whole numbers with commas between them.
struct NumberList: ExpressibleByArgument, CustomStringConvertible {
    let values: [Int]

    var description: String { values.map(String.init).joined(separator: ",") }

    init(values: [Int]) { self.values = values }

    init?(argument: String) {
        let numbers = argument.split(separator: ",").map { Int($0) }
        values = numbers.compactMap { $0 }
        if values.isEmpty || values.count != numbers.count { return nil }
    }
}

extension InstructionSet: ExpressibleByArgument {}
extension WeightType: ExpressibleByArgument {}
