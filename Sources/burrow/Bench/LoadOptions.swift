// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Workloads

/// Which requests are sent when.
struct LoadOptions: ParsableArguments {
    @Option(help: "Requests per second, over all adapters.")
    var rate = 1.0

    @Option(
        help: "How many requests are sent. Default: 100, or as many as --duration has room for.")
    var requests: Int?

    @Option(help: "How long requests are sent, as 60s, instead of --requests.")
    var duration: String?

    @Option(help: "poisson, gamma:CV, constant, or trace:FILE, as trace:FILE*2 at twice its speed.")
    var arrivals = "poisson"

    @Option(help: "Whether each adapter has arrivals of its own: per-adapter or shared.")
    var streams = ArrivalStreams.perAdapter

    @Option(
        help: """
            Whom the requests are for: identical, distinct, uniform, zipf:EXPONENT, stride:S as \
            dLoRA, or stride:S:FILE with the counts of an Azure Functions trace.
            """)
    var popularity = "uniform"

    @Option(
        help: """
            Tokens of prompt and output: 32/64, uniform:8-64/16-128, lognormal:128,1/64,0.8, \
            trace:FILE or trace:FILE*SCALE.
            """)
    var lengths = "32/32"

    @Option(help: "The most tokens of prompt and output. Default: what the server says.")
    var contextLimit: Int?

    @Option(help: "One run for each of these seeds, as 1,2,3.")
    var seeds = NumberList(values: [1])

    @Option(
        help: "What a request may take at most, as ttft:500ms,tpot:50ms,normalised:0.5s,e2e:10s.")
    var slo: String?

    @Option(
        help: "Keep so many requests under way instead of sending at the times of the workload.")
    var concurrency: Int?

    @Option(help: "The most requests under way; those that arrive beyond are counted, not sent.")
    var maxOpen = 4096

    func validate() throws {
        guard (1e-4...1e6).contains(rate) else {
            throw ValidationError("--rate is 0.0001 to 1000000 requests per second, not \(rate)")
        }
        guard (1...10_000_000).contains(requests ?? 1) else {
            throw ValidationError("--requests is 1 to 10000000, not \(requests ?? 0)")
        }
        guard (1...100_000).contains(maxOpen), (1...100_000).contains(concurrency ?? 1) else {
            throw ValidationError("--max-open and --concurrency are 1 to 100000")
        }
        guard seeds.values.allSatisfy({ $0 >= 0 }), seeds.values.count <= 1000 else {
            throw ValidationError("--seeds are at most 1000 numbers of at least 0")
        }
        guard (2...(1 << 24)).contains(contextLimit ?? 2) else {
            throw ValidationError("--context-limit is 2 to 16777216 tokens")
        }
        guard requests == nil || duration == nil else {
            throw ValidationError("give --requests or --duration, not both")
        }
        do {
            if let slo { _ = try ServiceLevel(parsing: slo) }
            _ = try end
        } catch {
            throw ValidationError(error.description)
        }
    }

    private var end: Workload.End {
        get throws(ReportError) {
            guard let duration else { return .count(requests ?? 100) }
            guard let end = ServiceLevel.duration(duration) else {
                throw ReportError(
                    "--duration is a time of at most a day, as 60s, not '\(duration)'")
            }
            return .duration(end)
        }
    }

    var serviceLevel: ServiceLevel? {
        get throws { try slo.map { try ServiceLevel(parsing: $0) } }
    }

    /// The requests of a seed, and every setting with its value.
    struct Plan {
        var settings: [(name: String, value: String)]
        var requests: (_ seed: UInt64) throws -> [PlannedRequest]
    }

    /// The workload for so many adapters; `context` is the most tokens of a request that the server
    /// takes, if it says so.
    func plan(adapters: Int, context: Int?) throws -> Plan {
        var limits = LengthLimits()
        if let total = contextLimit ?? context {
            limits = LengthLimits(prompt: total - 1, total: total)
        }
        if arrivals.hasPrefix("trace:") { return try replay(adapters: adapters, limits: limits) }
        var workload = Workload()
        workload.arrivals = try ArrivalProcess(parsing: arrivals)
        workload.streams = streams
        workload.rate = rate
        workload.popularity = try Popularity(parsing: popularity)
        workload.adapters = adapters
        workload.lengths = try RequestLengths(parsing: lengths)
        workload.limits = limits
        workload.end = try end
        return Plan(settings: workload.settings) { [workload] in workload.requests(seed: $0) }
    }

    private func replay(adapters: Int, limits: LengthLimits) throws -> Plan {
        var file = String(arrivals.dropFirst("trace:".count))
        var speed = 1.0
        if let star = file.lastIndex(of: "*") {
            let text = file[file.index(after: star)...]
            guard let number = Double(text), (1e-6...1e6).contains(number) else {
                throw WorkloadError(
                    "arrivals '\(arrivals)': the speed '\(text)' is no number above 0")
            }
            speed = number
            file = String(file[..<star])
        }
        var replay = TraceReplay(WorkingFolder.absolute(file))
        replay.speed = speed
        replay.limits = limits
        replay.popularity = try Popularity(parsing: popularity)
        replay.adapters = adapters
        if let requests { replay.count = requests }
        let end: Duration? = if case .duration(let end) = try self.end { end } else { nil }
        return Plan(settings: replay.settings) { [replay] seed in
            let requests = try replay.requests(seed: seed)
            return end.map { end in requests.filter { $0.arrival < end } } ?? requests
        }
    }
}

extension ArrivalStreams: ExpressibleByArgument {}
