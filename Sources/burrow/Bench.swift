// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Inference
import ModelLoading

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure the kernels beside the limits of this machine, or record steps.",
        discussion: """
            --kernels runs each kernel alone at the shapes of a model, with 1 thread and with all, \
            on every instruction set that the processor has. What it reads comes from memory, not \
            from a cache; the limits are measured in the same run.

            --timeline writes who did what when in some steps of --batch sequences, for \
            chrome://tracing and ui.perfetto.dev.
            """)

    @Flag(help: "Measure each kernel.")
    var kernels = false

    @Option(help: "Record steps and write them to this file as a Chrome trace.")
    var timeline: String?

    @OptionGroup var options: BenchOptions

    @OptionGroup var workload: WorkloadOptions

    @Option(
        help: "Measure on this instruction set only, as avx2. May be repeated.")
    var instructionSet: [InstructionSet] = []

    @Option(help: "Rows of activations of a product, as 1,8,512.")
    var rows: NumberList?

    @Option(help: "Milliseconds of one measurement, about.")
    var budget = 40

    @Option(help: "MiB that a kernel reads before it comes back. Default: 8 times the last cache.")
    var workingSet: Int?

    @Flag(help: "Write JSON.")
    var json = false

    func validate() throws {
        guard kernels || timeline != nil else {
            throw ValidationError("say what to measure: --kernels or --timeline FILE")
        }
        guard (1...60_000).contains(budget) else {
            throw ValidationError("--budget is 1 to 60000 milliseconds, not \(budget)")
        }
        guard (1...65_536).contains(workingSet ?? 1) else {
            throw ValidationError("--working-set is 1 to 65536 MiB, not \(workingSet ?? 0)")
        }
    }

    func run() throws {
        if let timeline { try record(to: timeline) }
        if kernels { try measureKernels() }
    }

    private func record(to file: String) throws {
        let weights = try options.weights()
        let recorded = try orComplain {
            var step = workload.workload
            step.rank = options.rank
            step.type = options.dtype ?? .bf16
            step.threads = options.allThreads
            step.instructionSet = instructionSet.first
            return try step.record(weights, steps: workload.steps)
        }
        let path = WorkingFolder.absolute(file)
        let trace = ChromeTrace(recorded, name: "\(weights.name), \(workload.workload.text)")
        do {
            try JSONEncoder().encode(trace).write(to: URL(fileURLWithPath: path))
        } catch {
            complain("cannot write \(path): \(error.localizedDescription)")
            throw ExitCode.failure
        }
        if !kernels || !json { say("wrote \(recorded.stepCount) steps to \(path)") }
    }

    private func measureKernels() throws {
        var benchmark = KernelBenchmark(model: try options.modelConfiguration())
        if let type = options.dtype { benchmark.types = [type] }
        if !instructionSet.isEmpty { benchmark.instructionSets = instructionSet }
        let threads = options.allThreads
        benchmark.threads = threads == 1 ? [1] : [1, threads]
        if let rows { benchmark.rows = rows.values }
        benchmark.rank = options.rank
        benchmark.budget = .milliseconds(budget)
        if let workingSet { benchmark.workingSetBytes = workingSet << 20 }
        var bar = ProgressBar("kernels")
        let report = try orComplain { try benchmark.run { bar.show($0) } }
        say(try json ? burrow.json(report) : KernelText(report: report).text)
    }
}

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

    @Option(help: "Distinct adapters that the sequences use in turn; 0 is the base alone.")
    var adapters = 0

    var workload: StepWorkload {
        var workload = StepWorkload()
        workload.batch = batch
        workload.tokens = tokens
        workload.context = context
        workload.adapters = adapters
        return workload
    }
}

extension StepWorkload {
    var text: String {
        "\(batch) x \(tokens) tokens after \(context), \(adapters) adapters"
    }
}

/// Whole numbers with commas between them.
struct NumberList: ExpressibleByArgument {
    let values: [Int]

    init?(argument: String) {
        let numbers = argument.split(separator: ",").map { Int($0) }
        values = numbers.compactMap { $0 }
        if values.isEmpty || values.count != numbers.count { return nil }
    }
}

extension InstructionSet: ExpressibleByArgument {}
extension WeightType: ExpressibleByArgument {}

/// Runs `body`; its error becomes a message and exit code 1.
func orComplain<Value>(_ body: () throws -> Value) throws -> Value {
    do {
        return try body()
    } catch let error as InferenceError {
        complain(error.description)
    } catch let error as ModelLoadingError {
        complain(error.description)
    }
    throw ExitCode.failure
}
