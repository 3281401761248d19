// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Simulation

/// What a simulation gave, as JSON has it; times in seconds.
struct SimulationResult: Encodable {
    /// One number over all completed requests; quantiles are within 0.8 %.
    struct Latency: Encodable {
        var mean: Double
        var p50: Double
        var p90: Double
        var p99: Double
        var maximum: Double

        /// Nil without a completed request.
        init?(_ histogram: LatencyHistogram) {
            guard let mean = histogram.mean, let p50 = histogram.quantile(0.5),
                let p90 = histogram.quantile(0.9), let p99 = histogram.quantile(0.99)
            else { return nil }
            self.mean = mean
            self.p50 = p50
            self.p90 = p90
            self.p99 = p99
            maximum = histogram.maximum
        }
    }

    struct Latencies: Encodable {
        var queueing: Latency?
        var timeToFirstToken: Latency?
        var timePerOutputToken: Latency?
        var endToEnd: Latency?
        /// End-to-end over tokens of output (dLoRA §7.1).
        var normalised: Latency?
    }

    struct Requests: Encodable {
        var completed: Int
        var refused: Int
        var aborted: Int
        var failed: Int
        var stuck: Int
        var preemptions: Int
    }

    /// Shares of the time of iterations.
    struct Modes: Encodable {
        var unmerged: Double
        var merged: Double
        var mixed: Double

        init(_ modes: ModeTimes) {
            let sum = max(modes.sum.inSeconds, 1e-12)
            unmerged = modes.unmerged.inSeconds / sum
            merged = modes.merged.inSeconds / sum
            mixed = modes.mixed.inSeconds / sum
        }
    }

    /// How the modes changed over time.
    struct Timeline: Encodable {
        var interval: Double
        /// Of the replicas, how many were computing in that mode, on average over each interval.
        var unmerged: [Double]
        var merged: [Double]
        var mixed: [Double]

        init(_ timeline: ModeIntervals) {
            let width = timeline.interval.inSeconds
            interval = width
            unmerged = timeline.intervals.map { $0.unmerged.inSeconds / width }
            merged = timeline.intervals.map { $0.merged.inSeconds / width }
            mixed = timeline.intervals.map { $0.mixed.inSeconds / width }
        }
    }

    /// What moved between replicas.
    struct Migrations: Encodable {
        var handedOver: Int
        var recomputed: Int
        var waiting: Int
        var skipped: Int
        var plans: Int
        var stalePlans: Int
        var adaptersLoaded: Int
        var adaptersDropped: Int
    }

    struct Adapter: Encodable {
        /// -1 is the base.
        var adapter: Int
        var completed: Int
        var outputTokens: Int
        var normalisedLatency: Double
        var endToEnd: Double
    }

    /// A policy that did not get on.
    struct Strikes: Encodable {
        var policy: String
        var kind: String
        var strikes: Int
        var fallBacks: Int
        var last: String?
    }

    var schema = 1
    var manifest: String
    var costs: String
    var seed: UInt64
    var replicas: Int
    var workload: [String: String]
    /// Pages, bytes and limits of each replica.
    var replica: [String: Int]
    var requests: Requests
    /// Of simulated time, and of real time on this machine.
    var seconds: Double
    var realSeconds: Double
    var requestsPerSecond: Double
    var outputTokensPerSecond: Double
    var promptTokensPerSecond: Double
    var steps: Int
    var latency: Latencies
    /// Jain's index over the adapters' mean normalised latencies; nil before any.
    var jain: Double?
    var modes: Modes
    var switches: Int
    var merges: Int
    /// Iterations that were wanted merged before the copy was ready.
    var unmergedInstead: Int
    var adapterLoads: Int
    var evictions: Int
    var migrations: Migrations
    var timeline: Timeline
    var adapters: [Adapter]
    var strikes: [Strikes]

    init(_ run: SimulatedRun) {
        let (setup, summary, report) = (run.setup, run.summary, run.report)
        manifest = run.manifest
        costs = run.costs
        seed = setup.seed
        replicas = setup.replicas
        workload = Dictionary(run.workload.map { ($0.name, $0.value) }) { first, _ in first }
        replica = [
            "pages": setup.replica.pages, "pageTokens": setup.replica.pageTokens,
            "maxBatch": setup.replica.batchRequests, "maxStepTokens": setup.replica.batchTokens,
            "adapterMemory": setup.replica.adapterBytes,
            "adapterBytes": setup.adapters.first?.bytes ?? 0,
            "mergedCopies": setup.replica.mergedCopies,
        ]
        let counts = summary.requests
        requests = Requests(
            completed: counts.completed, refused: counts.refused, aborted: counts.aborted,
            failed: counts.failed, stuck: counts.stuck, preemptions: report.preemptions)
        let span = max(summary.makespan.inSeconds, 1e-12)
        seconds = summary.makespan.inSeconds
        realSeconds = run.took.inSeconds
        requestsPerSecond = Double(counts.completed) / span
        outputTokensPerSecond = Double(report.outputTokens) / span
        promptTokensPerSecond = Double(report.promptTokens) / span
        steps = summary.steps
        latency = Latencies(
            queueing: Latency(report.queueing), timeToFirstToken: Latency(report.firstToken),
            timePerOutputToken: Latency(report.perToken), endToEnd: Latency(report.endToEnd),
            normalised: Latency(report.normalized))
        jain = report.jainIndex
        modes = Modes(summary.modes)
        switches = summary.replicas.reduce(0) { $0 + $1.switches }
        merges = summary.replicas.reduce(0) { $0 + $1.merges }
        unmergedInstead = summary.replicas.reduce(0) { $0 + $1.unmergedInstead }
        adapterLoads = summary.residency.reduce(0) { $0 + $1.loads }
        evictions = summary.residency.reduce(0) { $0 + $1.evictions }
        migrations = Migrations(summary.migration)
        timeline = Timeline(summary.timeline)
        adapters = report.shares.filter { $0.completed > 0 }.map(Adapter.init)
        strikes = summary.policies.filter { $0.strikes > 0 }.map(Strikes.init)
    }
}

/// A simulation that has ended, with what it was made of.
struct SimulatedRun {
    var manifest: String
    var costs: String
    var setup: SimulationSetup
    var workload: [(name: String, value: String)]
    var summary: SimulationSummary
    var report: SimulationReport
    /// Real time.
    var took: Duration
}

extension SimulationResult.Migrations {
    init(_ counters: MigrationCounters) {
        handedOver = counters.handedOver
        recomputed = counters.recomputed
        waiting = counters.waiting
        skipped = counters.skipped
        plans = counters.plans
        stalePlans = counters.stalePlans
        adaptersLoaded = counters.placed
        adaptersDropped = counters.displaced
    }
}

extension SimulationResult.Adapter {
    init(_ share: SimulationReport.Share) {
        adapter = share.adapter
        completed = share.completed
        outputTokens = share.outputTokens
        normalisedLatency = share.normalizedSeconds / Double(share.completed)
        endToEnd = share.endToEndSeconds / Double(share.completed)
    }
}

extension SimulationResult.Strikes {
    init(_ status: PolicyStatus) {
        policy = status.name
        kind = status.kind.rawValue
        strikes = status.strikes
        fallBacks = status.fallBacks
        last = status.lastStrike?.message
    }
}
