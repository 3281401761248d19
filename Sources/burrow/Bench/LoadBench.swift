// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Hosting
import Inference
import LoadGeneration
import Workloads

/// Measures a server: one run for each seed, put together into a report.
final class LoadBench {
    private let endpoint: Endpoint
    private let load: LoadOptions
    private let client: ClientOptions
    private let names: ModelNames
    private let plan: LoadOptions.Plan
    private let prompts: PromptSource.Kind
    private let level: ServiceLevel?
    /// For each kind of failure what the first of them said.
    private(set) var details: [String: String] = [:]

    /// Asks the server what it serves; `adapters` is how many to use, all by default.
    init(
        endpoint: Endpoint, load: LoadOptions, client: ClientOptions, adapters: Int?
    ) throws {
        self.endpoint = endpoint
        self.load = load
        self.client = client
        level = try load.serviceLevel
        let probe = ServerProbe(endpoint)
        let models = try probe.models()
        let asked = client.models?.split(separator: ",").map(String.init)
        names = try probe.names(from: models, base: client.base, adapters: asked, count: adapters)
        plan = try load.plan(
            adapters: names.adapters.count, context: models.compactMap(\.contextLength).first)
        switch client.promptKind {
        case .ids: prompts = .tokens(below: client.vocabulary)
        case .text:
            let ratio = try probe.tokensPerWord(model: names.base)
            if ratio == nil {
                complain("\(endpoint.address) has no /tokenize: a word is taken for one token")
            }
            prompts = .text(tokensPerWord: ratio ?? 1)
        }
    }

    /// Runs all seeds; the user may end it.
    func run() throws -> BenchmarkReport {
        let interruption = Interruption()
        var runs: [(seed: UInt64, outcomes: [RequestOutcome])] = []
        var isInterrupted = false
        for (index, seed) in load.seeds.values.enumerated() where !isInterrupted {
            let seed = UInt64(seed)
            var bar = ProgressBar(
                load.seeds.values.count == 1
                    ? "requests" : "seed \(index + 1) of \(load.seeds.values.count)")
            let result = try LoadRun(loadPlan(seed: seed), to: endpoint)
                .perform(until: interruption) { bar.show($0) }
            bar.show(1)
            runs.append((seed, result.outcomes))
            details.merge(result.details) { first, _ in first }
            isInterrupted = result.isInterrupted
        }
        if let record = client.record { try write(runs, to: record) }
        return BenchmarkReport(
            label: client.label ?? endpoint.address, origin: BenchOrigin.ofThisMachine,
            workload: settings, runs: runs, names: names, level: level,
            isInterrupted: isInterrupted)
    }

    private func loadPlan(seed: UInt64) throws -> LoadPlan {
        let requests = try plan.requests(seed)
        guard !requests.isEmpty else { throw WorkloadError("the workload has no request") }
        var plan = LoadPlan(requests, names: names)
        if let concurrency = load.concurrency { plan.pace = .concurrency(concurrency) }
        plan.openLimit = load.maxOpen
        plan.path = client.endpoint
        plan.prompts = prompts
        plan.ignoresEnd = client.ignoreEos
        plan.seed = seed
        return plan
    }

    private func write(
        _ runs: [(seed: UInt64, outcomes: [RequestOutcome])], to file: String
    ) throws {
        var lines = Data()
        for run in runs {
            for outcome in run.outcomes {
                lines.append(
                    contentsOf: outcome.line(seed: run.seed, model: names[outcome.adapter]))
            }
        }
        try writeFile(file, lines)
    }

    private var settings: [String: String] {
        var settings = Dictionary(plan.settings.map { ($0.name, $0.value) }) { first, _ in first }
        settings["url"] = endpoint.address
        settings["base"] = names.base
        settings["endpoint"] = client.endpoint.rawValue
        settings["prompts"] =
            switch prompts {
            case .tokens(let limit): "ids below \(limit)"
            case .text(let ratio): "text, \(NumberText.short(ratio)) tokens per word"
            }
        settings["ignore_eos"] = "\(client.ignoreEos)"
        settings["max_open"] = "\(load.maxOpen)"
        settings["timeout"] = client.timeout
        settings["slo"] = level?.text
        if let concurrency = load.concurrency {
            settings["concurrency"] = "\(concurrency)"
            settings["rate"] = nil
        }
        return settings
    }
}

/// Where a report comes from.
enum BenchOrigin {
    static var ofThisMachine: BenchmarkReport.Origin {
        BenchmarkReport.Origin(
            processor: MachineIdentity.processor ?? "unknown",
            processors: ProcessInfo.processInfo.activeProcessorCount,
            system: ProcessInfo.processInfo.operatingSystemVersionString,
            version: BurrowVersion.text, commit: MachineIdentity.commit)
    }
}
