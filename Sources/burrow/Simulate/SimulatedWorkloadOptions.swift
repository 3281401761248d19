// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Workloads

/// Which requests a simulation gets.
struct SimulatedWorkloadOptions: ParsableArguments {
    @Option(
        help: """
            Replay this trace: a CSV file of Azure LLM 2023, or lines of JSON that were recorded.
            """)
    var trace: String?

    @Option(help: "Replay the trace this many times faster.")
    var speed = 1.0

    @Option(help: "Multiply the trace's prompts and outputs by this.")
    var lengthScale = 1.0

    @Option(help: "poisson, gamma:CV or constant.")
    var arrivals = "poisson"

    @Option(help: "Requests per second of a generated workload, over all adapters.")
    var rate = 1.0

    @Option(
        help: """
            identical, distinct, uniform, zipf:EXPONENT, stride:S, or stride:S:FILE with a CSV file \
            of Azure Functions 2021.
            """)
    var popularity = "uniform"

    @Option(
        help: """
            Prompt and output: 32/64, uniform:8-64/16-128, lognormal:MEAN,CV/MEAN,CV, or \
            trace:FILE*SCALE for pairs drawn from a trace.
            """)
    var lengths = "128/64"

    @Option(
        help: """
            The most tokens of a prompt, and of prompt and output together, as 1024,2048: longer \
            ones are cut.
            """)
    var cut: NumberList?

    @Option(
        help: """
            The most tokens that every request asks for; outputs end before, as texts do. Without it \
            requests ask for what they get, so that policies know how long outputs will be.
            """)
    var maxTokens: Int?

    @Option(help: "Whether each adapter has arrivals of its own: per-adapter or shared.")
    var streams = ArrivalStreams.perAdapter

    @Option(help: "How many requests: of a trace the first so many. Default: 1000, or all.")
    var requests: Int = 0

    func validate() throws {
        guard requests >= 0 else { throw ValidationError("--requests is 0 or more") }
        if let maxTokens, !(1...1 << 30).contains(maxTokens) {
            throw ValidationError("--max-tokens is 1 or more, not \(maxTokens)")
        }
        for (name, value) in [("rate", rate), ("speed", speed), ("length-scale", lengthScale)]
        where !(1e-6...1e6).contains(value) {
            throw ValidationError("--\(name) is 0.000001 to 1000000, not \(value)")
        }
        if let cut, cut.values.count != 2 || cut.values.contains(where: { $0 < 1 }) {
            throw ValidationError("--cut is two numbers of tokens, as 1024,2048")
        }
    }

    /// Opens the trace or begins to generate.
    func source(adapters: Int, seed: UInt64) throws(WorkloadError) -> SimulatedWorkload {
        var limits = LengthLimits()
        if let cut { limits = LengthLimits(prompt: cut.values[0], total: cut.values[1]) }
        if let trace {
            var replay = TraceReplay(WorkingFolder.absolute(trace))
            replay.speed = speed
            replay.lengthScale = lengthScale
            replay.limits = limits
            replay.popularity = try Popularity(parsing: popularity)
            replay.adapters = adapters
            if requests > 0 { replay.count = requests }
            return SimulatedWorkload(
                replayed: try replay.open(seed: seed), settings: replay.settings)
        }
        var workload = Workload()
        workload.arrivals = try ArrivalProcess(parsing: arrivals)
        workload.streams = streams
        workload.rate = rate
        workload.popularity = try Popularity(parsing: popularity)
        workload.adapters = adapters
        workload.lengths = try RequestLengths(parsing: lengths)
        workload.limits = limits
        workload.end = .count(requests > 0 ? requests : 1000)
        return SimulatedWorkload(
            generated: workload.stream(seed: seed), settings: workload.settings)
    }
}

/// Requests as they come, from one of two sources.
struct SimulatedWorkload {
    var generated: WorkloadStream?
    var replayed: TraceReplay.Opened?
    let settings: [(name: String, value: String)]

    mutating func next() throws(WorkloadError) -> PlannedRequest? {
        if let request = generated?.next() { return request }
        return try replayed?.next()
    }
}
