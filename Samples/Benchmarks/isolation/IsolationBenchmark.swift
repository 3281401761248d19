// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import PluginLoading
import PolicyIsolation
import PolicyKit

/// What it costs to ask a policy in a process of its own.
@main
struct IsolationBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "IsolationBenchmark",
        abstract: "Times batching questions to one policy, inline and in a process of its own.")

    @Option(help: "The type of the policy, from a library beside this program.")
    var type = "iteration-batching"

    @Option(help: "Requests in a question.")
    var requests = 256

    @Option(help: "How many questions are asked each way.")
    var questions = 5_000

    func validate() throws {
        guard (1...10_000).contains(requests), (1...1_000_000).contains(questions) else {
            throw ValidationError("--requests is 1 to 10000 and --questions 1 to 1000000")
        }
    }

    func run() throws {
        let folder = (CommandLine.arguments[0] as NSString).resolvingSymlinksInPath
        let beside = (folder as NSString).deletingLastPathComponent
        let state = NSTemporaryDirectory() + "burrow-isolation-benchmark"
        defer { try? FileManager.default.removeItem(atPath: state) }
        var registry = try PolicyRegistry(builtIn: [])
        try registry.load(from: [beside], stateFolder: state)
        var settings = IsolationSettings(program: "\(beside)/burrow", budget: .milliseconds(1))
        settings.deadline = .seconds(10)
        let isolated = try registry.makeIsolated(type, seed: 1, settings: settings)
        guard let isolated = isolated as? any BatchingPolicy else {
            throw ValidationError("\(type) is no batching policy")
        }
        let inline = try registry.makeBatching(type, seed: 1)
        print("\(type), \(requests) requests, \(questions) questions each way, microseconds\n")
        print("| where | p50 | p90 | p99 | most |\n|---|---:|---:|---:|---:|")
        print(try row("inline", inline))
        print(try row("process", isolated))
    }

    private func row(_ name: String, _ policy: any BatchingPolicy) throws -> String {
        let shown = waiting()
        let context = BatchingContext(
            now: Instant(nanoseconds: 0),
            limits: BatchLimits(requests: 64, tokens: 512, freePages: 100_000, pageTokens: 16))
        var times: [Double] = []
        for question in 0..<questions + 100 {
            var plan = BatchPlan()
            let start = ContinuousClock.now
            try policy.plan(shown.span, in: context, into: &plan)
            let time = start.duration(to: .now).inSeconds * 1e6
            if question >= 100 { times.append(time) }
        }
        times.sort()
        let cells = [0.5, 0.9, 0.99, 1].map { share in
            String(format: "%.1f", times[Int(Double(times.count - 1) * share)])
        }
        return "| \(name) | \(cells.joined(separator: " | ")) |"
    }

    private func waiting() -> [RequestSnapshot] {
        (0..<requests).map { number in
            var request = RequestSnapshot(
                id: RequestID(rawValue: UInt64(number)),
                adapter: AdapterID(rawValue: UInt32(number % 16 + 1)),
                arrival: Instant(nanoseconds: Int64(number)), promptTokens: 128)
            request.adapterRank = 16
            if number < 64 {
                request.phase = .decoding
                request.computedTokens = 128
                request.generatedTokens = 4
            }
            return request
        }
    }
}
