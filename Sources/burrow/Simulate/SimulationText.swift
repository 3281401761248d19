// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What a simulation gave, as people read it.
struct SimulationText {
    let result: SimulationResult

    /// In the order in which they were given.
    let settings: [(name: String, value: String)]

    var text: String {
        var lines = settings.map { "\($0.name.padded(to: 14))\($0.value)" }
        lines += [
            "costs         \(result.costs)", "seed          \(result.seed)",
            "replicas      \(result.replicas), each with \(result.replica["pages"] ?? 0) KV pages, "
                + "merged copies: \(result.replica["mergedCopies"] ?? 0)",
            "", latencies, "",
            "requests      \(requests)",
            "time          \(decimal(result.seconds, 1)) s simulated in "
                + "\(decimal(result.realSeconds, 2)) s, \(result.steps) iterations",
            "throughput    \(decimal(result.requestsPerSecond, 2)) requests/s, "
                + "\(decimal(result.outputTokensPerSecond, 1)) output tokens/s",
            "modes         \(percent(result.modes.unmerged)) unmerged, "
                + "\(percent(result.modes.merged)) merged, \(percent(result.modes.mixed)) mixed",
            "switches      \(result.switches), of \(result.merges) merged copies built",
            "adapters      \(result.adapterLoads) loads, \(result.evictions) evictions",
            "migrations    \(migrations)",
            "Jain index    \(result.jain.map { decimal($0, 3) } ?? "–")"
                + " (mean s/token of adapters)",
        ]
        for policy in result.strikes {
            lines.append(
                "warning: \(policy.kind) policy '\(policy.policy)' had \(policy.strikes) strikes"
                    + (policy.last.map { ", the last: \($0)" } ?? ""))
        }
        return lines.joined(separator: "\n")
    }

    private var requests: String {
        let counts = result.requests
        let others = [
            ("refused", counts.refused), ("aborted", counts.aborted), ("failed", counts.failed),
            ("stuck", counts.stuck), ("preemptions", counts.preemptions),
        ].filter { $0.1 > 0 }.map { "\($0.1) \($0.0)" }
        return (["\(counts.completed) completed"] + others).joined(separator: ", ")
    }

    private var migrations: String {
        let moved = result.migrations
        return "\(moved.handedOver) handed over, \(moved.recomputed) computed again, "
            + "\(moved.waiting) moved while waiting, \(moved.skipped) stayed; "
            + "\(moved.plans) plans, \(moved.stalePlans) stale"
    }

    private var latencies: String {
        var table = TextTable(header: ["LATENCY", "MEAN", "P50", "P90", "P99", "MAX"])
        let rows: [(String, SimulationResult.Latency?)] = [
            ("queueing, s", result.latency.queueing),
            ("time to first token, s", result.latency.timeToFirstToken),
            ("end to end, s", result.latency.endToEnd),
            ("per output token, s", result.latency.timePerOutputToken),
            ("normalised, s/token", result.latency.normalised),
        ]
        for (name, latency) in rows {
            guard let latency else { continue }
            table.append(
                [name]
                    + [latency.mean, latency.p50, latency.p90, latency.p99, latency.maximum]
                    .map { decimal($0, 4) })
        }
        return table.text
    }

}

/// A share in percent, with one digit behind the point.
func percent(_ share: Double) -> String { "\(decimal(share * 100, 1)) %" }

/// A number with so many digits behind the point.
func decimal(_ value: Double, _ places: Int) -> String {
    String(format: "%.\(places)f", value)
}

extension String {
    /// With spaces behind it, and at least one.
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(1, width - count))
    }
}
