// SPDX-License-Identifier: Apache-2.0

import Foundation
import PolicyKit
import Scheduling
import Simulation
import Workloads

/// A simulation as a page for a browser: what was simulated, tables, drawings.
struct SimulationPage {
    private let run: SimulatedRun
    private let result: SimulationResult

    /// More columns than these are put together in a drawing over time.
    private static let mostColumns = 120
    private static let shownAdapters = 20

    init(_ run: SimulatedRun) {
        self.run = run
        result = SimulationResult(run)
    }

    var text: String {
        let name = URL(fileURLWithPath: run.manifest).lastPathComponent
        var page = HTMLPage(
            title: "\(name) over \(run.setup.replicas) replicas",
            subtitle: "burrow simulate: \(result.requests.completed) of "
                + "\(run.summary.requests.all) requests served in "
                + "\(decimal(result.seconds, 1)) simulated seconds")
        addSettings(to: &page)
        addFigures(to: &page)
        addDistributions(to: &page)
        addTimelines(to: &page)
        addPlacement(to: &page)
        addFairness(to: &page)
        addPolicies(to: &page)
        return page.text
    }

    // MARK: - Tables

    private func addSettings(to page: inout HTMLPage) {
        page.heading("What was simulated")
        var rows = run.workload.map { [$0.name, $0.value] }
        rows += [
            ["manifest", run.manifest], ["costs", run.costs], ["seed", "\(result.seed)"],
            ["replicas", "\(result.replicas)"], ["adapters", "\(run.setup.adapters.count)"],
            ["KV pages of a replica", "\(run.setup.replica.pages)"],
            ["merged copies of a replica", "\(run.setup.replica.mergedCopies)"],
            ["requests of an iteration, at most", "\(run.setup.replica.batchRequests)"],
            ["tokens of an iteration, at most", "\(run.setup.replica.batchTokens)"],
        ]
        page.table(HTMLPage.Table(header: ["setting", "value"], rows: rows))
    }

    private func addFigures(to page: inout HTMLPage) {
        page.heading("Results")
        let rows: [(String, SimulationResult.Latency?)] = [
            ("queueing, s", result.latency.queueing),
            ("time to first token, s", result.latency.timeToFirstToken),
            ("end to end, s", result.latency.endToEnd),
            ("per output token, s", result.latency.timePerOutputToken),
            ("normalised, s/token", result.latency.normalised),
        ]
        page.table(
            HTMLPage.Table(
                header: ["latency", "mean", "p50", "p90", "p99", "max"],
                rows: rows.compactMap { name, latency in
                    latency.map {
                        [name]
                            + [$0.mean, $0.p50, $0.p90, $0.p99, $0.maximum].map(NumberText.short)
                    }
                }))
        let counts = result.requests
        let moves = result.migrations
        page.table(
            HTMLPage.Table(
                header: ["figure", "value"],
                rows: [
                    ["requests served per second", decimal(result.requestsPerSecond, 2)],
                    ["output tokens per second", decimal(result.outputTokensPerSecond, 1)],
                    [
                        "refused, aborted, failed, stuck",
                        [counts.refused, counts.aborted, counts.failed, counts.stuck].map(
                            String.init
                        )
                        .joined(separator: ", "),
                    ],
                    ["preemptions", "\(counts.preemptions)"],
                    ["iterations", "\(result.steps)"],
                    [
                        "time merged, mixed, unmerged",
                        [result.modes.merged, result.modes.mixed, result.modes.unmerged].map(
                            percent
                        )
                        .joined(separator: ", "),
                    ],
                    ["switches, merged copies built", "\(result.switches), \(result.merges)"],
                    ["adapters loaded, evicted", "\(result.adapterLoads), \(result.evictions)"],
                    [
                        "requests moved: handed over, recomputed, waiting",
                        "\(moves.handedOver), \(moves.recomputed), \(moves.waiting)",
                    ],
                    ["plans, stale ones", "\(moves.plans), \(moves.stalePlans)"],
                    ["Jain's index over adapters", result.jain.map { decimal($0, 3) } ?? "none"],
                ]))
    }

    private func addPolicies(to page: inout HTMLPage) {
        guard !result.strikes.isEmpty else { return }
        page.heading("Policies with strikes")
        page.table(
            HTMLPage.Table(
                header: ["policy", "kind", "strikes", "set aside", "last"],
                rows: result.strikes.map {
                    [$0.policy, $0.kind, "\($0.strikes)", "\($0.fallBacks)", $0.last ?? ""]
                }))
    }

    // MARK: - Drawings

    private func addDistributions(to page: inout HTMLPage) {
        let report = run.report
        guard report.endToEnd.count > 0 else {
            return page.paragraph("No request was served, so there is nothing to draw.")
        }
        page.heading("Latency")
        page.figure(
            FleetPlots.distributions([
                .init("end to end", report.endToEnd.quantiles(200)),
                .init("time to first token", report.firstToken.quantiles(200)),
                .init("queueing", report.queueing.quantiles(200)),
            ]), "The share of requests that took at most so long.")
    }

    private func addTimelines(to page: inout HTMLPage) {
        let samples = run.summary.samples
        guard samples.samples.count > 1 else { return }
        page.heading("Waiting requests by replica")
        let waiting = samples.replicaGroups.indices.map { group in
            columns(samples.samples.map { Double($0.waiting[group]) })
        }
        let width = samples.interval.inSeconds * Double(samples.samples.count)
        page.figure(
            FleetPlots.grid(
                FleetPlots.Grid(
                    rows: samples.replicaGroups.map { Self.name(of: $0, "replica") },
                    columns: marks(of: waiting.first?.count ?? 0, until: width), values: waiting,
                    columnTitle: "seconds since the start", unit: "requests")),
            "Requests that wait for their first iteration, sampled every "
                + "\(NumberText.short(samples.interval.inSeconds)) s"
                + (samples.replicaGroups.contains { $0.count > 1 }
                    ? "; neighbours are drawn together, on their mean." : "."))
        page.heading("Modes")
        page.figure(
            FleetPlots.lines(
                [
                    .init("unmerged", columns(result.timeline.unmerged)),
                    .init("merged", columns(result.timeline.merged)),
                    .init("mixed", columns(result.timeline.mixed)),
                ],
                interval: drawnInterval(result.timeline.unmerged.count, result.timeline.interval),
                axis: "replicas"), "How many replicas computed in which mode.")
        addMigrations(samples, to: &page)
    }

    private func addMigrations(_ samples: FleetSamples, to page: inout HTMLPage) {
        guard run.summary.migration.moved > 0 else { return }
        func rates(_ count: KeyPath<FleetSamples.Sample, Int>) -> [Double] {
            var last = 0
            let steps = samples.samples.map { sample in
                defer { last = sample[keyPath: count] }
                return Double(sample[keyPath: count] - last) / samples.interval.inSeconds
            }
            return columns(steps)
        }
        page.heading("Migrations")
        page.figure(
            FleetPlots.lines(
                [
                    .init("handed over", rates(\.handedOver)),
                    .init("computed again", rates(\.recomputed)),
                    .init("moved while waiting", rates(\.movedWaiting)),
                ], interval: drawnInterval(samples.samples.count, samples.interval.inSeconds),
                axis: "requests/s"), "Requests that moved to another replica.")
    }

    private func addPlacement(to page: inout HTMLPage) {
        let samples = run.summary.samples
        guard samples.weight > 0, !samples.adapterGroups.isEmpty, !samples.replicaGroups.isEmpty
        else { return }
        page.heading("Placement")
        let step = max(1, samples.replicaGroups.count / 8)
        page.figure(
            FleetPlots.grid(
                FleetPlots.Grid(
                    rows: samples.adapterGroups.map { Self.name(of: $0, "adapter") },
                    columns: stride(from: 0, to: samples.replicaGroups.count, by: step).map {
                        ($0, "\(samples.replicaGroups[$0].lowerBound)")
                    }, values: samples.placement.map { row in row.map { $0 / samples.weight } },
                    columnTitle: "replica", unit: "of the time")),
            "The share of time that an adapter lay in a replica's memory.")
    }

    private func addFairness(to page: inout HTMLPage) {
        guard !result.adapters.isEmpty else { return }
        page.heading("Fairness")
        let sorted = result.adapters.sorted { $0.normalisedLatency < $1.normalisedLatency }
        // The fastest and the slowest are always among those that are drawn.
        let count = min(sorted.count, Self.mostColumns)
        let drawn = (0..<count).map { sorted[$0 * (sorted.count - 1) / max(1, count - 1)] }
        page.figure(
            FleetPlots.bars(
                drawn.map { (Self.name($0.adapter), $0.normalisedLatency) }, axis: "s/token"),
            "Mean seconds for a token of each adapter, in order"
                + (count < sorted.count ? ", \(count) of \(sorted.count)" : "")
                + (result.jain.map { "; Jain's index is \(decimal($0, 3))." } ?? "."))
        let busiest = result.adapters.sorted {
            ($1.completed, $0.adapter) < ($0.completed, $1.adapter)
        }
        page.table(
            HTMLPage.Table(
                header: ["adapter", "requests", "output tokens", "s/token", "end to end, s"],
                rows: busiest.prefix(Self.shownAdapters).map {
                    [
                        Self.name($0.adapter), "\($0.completed)", "\($0.outputTokens)",
                        NumberText.short($0.normalisedLatency), NumberText.short($0.endToEnd),
                    ]
                }))
    }

    // MARK: - Inside

    /// At most so many values, neighbours on their mean.
    private func columns(_ values: [Double]) -> [Double] {
        let width = Self.drawnTogether(values.count)
        return stride(from: 0, to: values.count, by: width).map { start in
            let part = values[start..<min(start + width, values.count)]
            return part.reduce(0, +) / Double(part.count)
        }
    }

    private func drawnInterval(_ count: Int, _ interval: Double) -> Double {
        interval * Double(Self.drawnTogether(count))
    }

    private static func drawnTogether(_ count: Int) -> Int {
        max(1, (count + mostColumns - 1) / mostColumns)
    }

    /// Times at about six columns.
    private func marks(of columns: Int, until end: Double) -> [(index: Int, name: String)] {
        guard columns > 0 else { return [] }
        return stride(from: 0, to: columns, by: max(1, columns / 6)).map {
            ($0, NumberText.short(end * Double($0) / Double(columns)))
        }
    }

    private static func name(_ adapter: Int) -> String {
        adapter < 0 ? "base" : "\(adapter)"
    }

    private static func name(of group: Range<Int>, _ kind: String) -> String {
        group.count == 1
            ? "\(kind) \(group.lowerBound)" : "\(group.lowerBound)–\(group.upperBound - 1)"
    }
}
