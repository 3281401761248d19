// SPDX-License-Identifier: Apache-2.0

import Foundation
import Workloads

/// A report as people read it.
struct ReportText {
    let report: BenchmarkReport
    /// For each kind of failure what the first of them said.
    let details: [String: String]

    /// More adapters than this are summed up in a line.
    private static let adapterRows = 16

    var text: String {
        [head, rates, latencies, service, adapters, failures].filter { !$0.isEmpty }
            .joined(separator: "\n\n")
    }

    private var head: String {
        let requests = report.runs.reduce(0) { $0 + $1.requests }
        let done = report.runs.reduce(0) { $0 + $1.completed }
        let seeds = report.seeds.count == 1 ? "seed" : "seeds"
        let workload = ["rate", "concurrency", "arrivals", "popularity", "lengths"]
            .compactMap { name in report.workload[name].map { "\(name) \($0)" } }
        return """
            \(report.label): \(done) of \(requests) requests completed, \(seeds) \
            \(report.seeds.map(String.init).joined(separator: ", "))\
            \(report.isInterrupted ? ", interrupted" : "")
            \(workload.joined(separator: ", "))
            """
    }

    private var rates: String {
        var lines = [
            "\(estimate("requests_per_second")) requests/s, "
                + "\(estimate("output_tokens_per_second")) output tokens/s"
        ]
        let late = report.runs.compactMap(\.sendDelay)
        if let most = late.map(\.max).max(), let usual = late.map(\.p50).max() {
            lines.append(
                "the client sent \(NumberText.time(usual)) late at the median, "
                    + "\(NumberText.time(most)) at most")
        }
        return lines.joined(separator: "\n")
    }

    private var latencies: String {
        var table = TextTable(header: ["LATENCY", "MEAN", "P50", "P90", "P99", "MAX"])
        let rows = [
            ("ttft", "first token"), ("tpot", "per output token"), ("e2e", "end to end"),
            ("normalised", "normalised"),
        ]
        for (name, title) in rows {
            table.append(
                [title] + ["mean", "p50", "p90", "p99", "max"].map { estimate("\(name)_\($0)") })
        }
        return table.text + "\nsum of latencies over sum of tokens: "
            + estimate("normalised_by_tokens")
    }

    private var service: String {
        var lines: [String] = []
        if let level = report.workload["slo"] {
            lines.append(
                "within \(level): \(estimate("slo_attainment")) of all requests; goodput "
                    + "\(estimate("goodput")) requests/s, \(estimate("goodput_tokens")) tokens/s")
        }
        var fairness = "fairness: Jain index \(estimate("jain"))"
        if report.summary["largest_service_gap"] != nil {
            fairness +=
                ", largest gap in service \(estimate("largest_service_gap")) "
                + "(prompt tokens + 2 x output tokens)"
        }
        return (lines + [fairness]).joined(separator: "\n")
    }

    private var adapters: String {
        var table = TextTable(header: [
            "MODEL", "REQUESTS", "DONE", "TOKENS", "TTFT P50", "TTFT P99",
        ])
        let all = report.curves.adapters
        for adapter in all.prefix(Self.adapterRows) {
            let time = adapter.timeToFirstToken
            table.append([
                adapter.name, "\(adapter.requests)", "\(adapter.completed)",
                "\(adapter.outputTokens)", time.map { NumberText.time($0.p50) } ?? "-",
                time.map { NumberText.time($0.p99) } ?? "-",
            ])
        }
        let more = all.count - Self.adapterRows
        return table.text + (more > 0 ? "\nand \(more) more, in the JSON" : "")
    }

    private var failures: String {
        var counts: [String: Int] = [:]
        for run in report.runs { counts.merge(run.failures) { $0 + $1 } }
        return counts.sorted { $0.key < $1.key }.map { kind, count in
            "failed: \(count) \(kind)" + (details[kind].map { " (\($0))" } ?? "")
        }.joined(separator: "\n")
    }

    private func estimate(_ name: String) -> String {
        guard let number = ReportNumber.all.first(where: { $0.name == name }) else { return "-" }
        return number.text(report.summary[name])
    }
}

extension ReportNumber {
    /// The mean in its unit, and the half width of its interval where there are several seeds.
    func text(_ estimate: Estimate?) -> String {
        guard let estimate else { return "-" }
        let half = estimate.halfWidth
        switch unit {
        case .seconds:
            return NumberText.time(estimate.mean) + (half.map { " ± \(NumberText.time($0))" } ?? "")
        case .share:
            return NumberText.short(estimate.mean * 100)
                + (half.map { " ± \(NumberText.short($0 * 100))" } ?? "") + " %"
        case .perSecond, .plain:
            return NumberText.short(estimate.mean)
                + (half.map { " ± \(NumberText.short($0))" } ?? "")
        }
    }
}

/// Reports of earlier runs, side by side.
struct ReportComparison {
    private let reports: [BenchmarkReport]

    /// The largest file that is read.
    private static let limit = 256 << 20

    init(files: [String]) throws {
        reports = try orComplain {
            try files.map { file in
                let path = WorkingFolder.absolute(file)
                let size = try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
                guard let size, size <= Self.limit,
                    let bytes = FileManager.default.contents(atPath: path)
                else { throw ReportError("cannot read \(path)") }
                guard let report = try? JSONDecoder().decode(BenchmarkReport.self, from: bytes)
                else { throw ReportError("\(path) is no report of burrow bench URL --json") }
                return report
            }
        }
    }

    func write(json file: String?, svg: String?) throws {
        if let svg { try writeFile(svg, Data(ReportPlots(reports).svg.utf8)) }
        if let file { try writeOutput(file, burrow.json(reports)) }
        if file != "-" { say(text) }
    }

    private var text: String {
        var table = TextTable(header: [""] + reports.map(\.label))
        for number in ReportNumber.all
        where reports.contains(where: { $0.summary[number.name] != nil }) {
            table.append([number.name] + reports.map { number.text($0.summary[number.name]) })
        }
        return table.text
    }
}
