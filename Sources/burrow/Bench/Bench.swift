// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Inference
import ModelLoading
import Workloads

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure a server under load, the kernels of this machine, or single steps.",
        discussion: """
            With the address of an OpenAI API, requests are sent to it as the workload says, at \
            their times, whatever the server does; every latency counts from the time that the \
            workload gives. The report has throughput, latencies, what met --slo, and how evenly \
            the adapters were served. Control-C ends the run and reports what there is. An API key \
            is read from BURROW_API_KEY, else OPENAI_API_KEY, or from a file.

              burrow bench http://127.0.0.1:8080 --rate 4 --requests 400 --arrivals gamma:1 \
            --popularity stride:8 --seeds 1,2,3 --slo ttft:500ms,tpot:50ms --svg report.svg

            --compare reads such reports from JSON files and lays them side by side.

            --kernels runs each kernel alone at the shapes of a model, with 1 thread and with all, \
            on every instruction set that the processor has. What it reads comes from memory, not \
            from a cache; the limits are measured in the same run.

            --timeline writes who did what when in some steps of --batch sequences, for \
            chrome://tracing and ui.perfetto.dev.
            """)

    @Argument(help: "The address of a server to measure, as http://127.0.0.1:8080.")
    var url: String?

    @Option(
        parsing: .upToNextOption, help: "Reports to compare: JSON files of earlier runs.")
    var compare: [String] = []

    @Flag(help: "Measure each kernel.")
    var kernels = false

    @Option(help: "Record steps and write them to this file as a Chrome trace.")
    var timeline: String?

    @OptionGroup var options: BenchOptions

    @OptionGroup var workload: WorkloadOptions

    @OptionGroup(title: "Load on a server") var load: LoadOptions

    @OptionGroup(title: "Client") var client: ClientOptions

    @Option(
        help: "Measure on this instruction set only, as avx2. May be repeated.")
    var instructionSet: [InstructionSet] = []

    @Option(help: "Rows of activations of a product, as 1,8,512.")
    var rows: NumberList?

    @Option(help: "Milliseconds of one measurement, about.")
    var budget = 40

    @Option(help: "MiB that a kernel reads before it comes back. Default: 8 times the last cache.")
    var workingSet: Int?

    @Option(help: "Write JSON to this file; - is standard output, instead of a table.")
    var json: String?

    @Option(help: "Write the plots of a load, or of the reports compared, to this file.")
    var svg: String?

    func validate() throws {
        let subjects = [url != nil, !compare.isEmpty, kernels || timeline != nil]
        guard subjects.count(where: { $0 }) == 1 else {
            throw ValidationError(
                """
                say what to measure: the URL of a server, --compare FILES, or --kernels and \
                --timeline FILE
                """)
        }
        guard (1...60_000).contains(budget) else {
            throw ValidationError("--budget is 1 to 60000 milliseconds, not \(budget)")
        }
        guard (1...65_536).contains(workingSet ?? 1) else {
            throw ValidationError("--working-set is 1 to 65536 MiB, not \(workingSet ?? 0)")
        }
    }

    func run() throws {
        if let url { try measureServer(url) }
        if !compare.isEmpty { try ReportComparison(files: compare).write(json: json, svg: svg) }
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
        let trace = ChromeTrace(recorded, name: "\(weights.name), \(workload.workload.text)")
        let path = try writeFile(file, JSONEncoder().encode(trace))
        if !kernels || json != "-" { say("wrote \(recorded.stepCount) steps to \(path)") }
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
        if let json { try writeOutput(json, burrow.json(report)) }
        if json != "-" { say(KernelText(report: report).text) }
    }

    private func measureServer(_ url: String) throws {
        let bench = try orComplain {
            try LoadBench(
                endpoint: client.endpoint(url), load: load, client: client,
                adapters: workload.adapters)
        }
        let report = try orComplain { try bench.run() }
        if let svg { try writeFile(svg, Data(ReportPlots([report]).svg.utf8)) }
        if let json { try writeOutput(json, burrow.json(report)) }
        if json != "-" { say(ReportText(report: report, details: bench.details).text) }
        guard !report.isInterrupted, report.runs.contains(where: { $0.completed > 0 }) else {
            throw ExitCode.failure
        }
    }
}
