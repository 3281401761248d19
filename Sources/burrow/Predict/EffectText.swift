// SPDX-License-Identifier: Apache-2.0

import Simulation

/// What a change would make of a workload, as people read it.
struct EffectText {
    let prediction: EffectPrediction

    var text: String { ([workload, calibration, "", table] + missing).joined(separator: "\n") }

    private var workload: String {
        var text = "requests      \(prediction.requests)"
        if prediction.unfinished > 0 { text += ", of which \(prediction.unfinished) go on" }
        return text + "; completed: \(prediction.live.completed) live, "
            + "\(prediction.candidate.completed) with the candidate"
    }

    private var calibration: String {
        guard let worst = prediction.worst else {
            return "calibration   unknown: nothing that the host measured was recorded"
        }
        let name = worst.metric.title
        let limit = percent(EffectPrediction.tolerance)
        return worst.error <= EffectPrediction.tolerance
            ? "calibration   within \(percent(worst.error)) of what the host measured (\(name))"
            : "calibration   off by \(percent(worst.error)) (\(name)): figures that are off by more "
                + "than \(limit) are not trustworthy"
    }

    private var table: String {
        var table = TextTable(
            header: ["", "MEASURED", "SIMULATED", "ERROR", "LIVE", "CANDIDATE", "CHANGE"])
        for metric in EffectMetric.allCases {
            var row = [metric.title]
            row.append(metric.text(prediction.measured[metric]))
            row.append(metric.text(prediction.calibration[metric]))
            row.append(prediction.error(of: metric).map { percent($0) } ?? "–")
            if prediction.trust(in: metric) == .none {
                row.append("not trustworthy")
            } else {
                row.append(metric.text(prediction.live[metric]))
                row.append(metric.text(prediction.candidate[metric]))
                row.append(change(metric))
            }
            table.append(row)
        }
        return table.text
    }

    private func change(_ metric: EffectMetric) -> String {
        guard let live = prediction.live[metric], let candidate = prediction.candidate[metric]
        else { return "–" }
        if live == candidate { return "none" }
        if metric.isCount {
            return (candidate > live ? "+" : "") + decimal(candidate - live, 0)
        }
        guard live != 0 else { return "–" }
        return (candidate > live ? "+" : "") + percent(candidate / live - 1)
    }

    private var missing: [String] {
        [
            (prediction.withoutFirstToken, "the time of the first token"),
            (prediction.withoutLatency, "the latency"),
        ].filter { $0.0 > 0 }.map { count, what in
            "not recorded  \(what) of \(HumanText.counted(count, "request"))"
        }
    }
}

extension EffectMetric {
    var title: String {
        switch self {
        case .firstTokenP50: "time to first token, p50, s"
        case .firstTokenP99: "time to first token, p99, s"
        case .latencyP50: "latency, p50, s"
        case .latencyP99: "latency, p99, s"
        case .tokensPerSecond: "output tokens/s"
        case .jain: "Jain index"
        case .switches: "switches"
        case .adapterLoads: "adapter loads"
        }
    }

    var isCount: Bool { self == .switches || self == .adapterLoads }

    /// The value with as many digits as it deserves.
    func text(_ value: Double?) -> String {
        guard let value else { return "–" }
        switch self {
        case .firstTokenP50, .firstTokenP99, .latencyP50, .latencyP99: return decimal(value, 4)
        case .tokensPerSecond: return decimal(value, 1)
        case .jain: return decimal(value, 3)
        case .switches, .adapterLoads: return decimal(value, 0)
        }
    }
}
