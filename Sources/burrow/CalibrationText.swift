// SPDX-License-Identifier: Apache-2.0

import Foundation
import Hosting
import PolicyKit
import Simulation

/// What a calibration has found, as people read it.
struct CalibrationText {
    let result: CalibrationResult

    private var costs: SimulatedCosts { result.costs }
    private var calibration: Calibration { result.calibration }

    var text: String {
        var parts = [head, weights.text, rows.text, errors.text]
        if calibration.adapters == 0 {
            parts.append("The manifest has no adapters: what they cost was not measured.")
        }
        return parts.joined(separator: "\n\n")
    }

    private var head: String {
        "\(calibration.replicas) replica(s) of \(calibration.threads) thread(s), "
            + "\(HumanText.counted(calibration.adapters, "adapter")): "
            + "\(HumanText.counted(calibration.steps.count, "different step")), "
            + "\(HumanText.counted(calibration.runs, "run"))"
    }

    private var weights: TextTable {
        var table = TextTable(header: ["COST", "TIME"])
        let attended = costs.steps.perAttendedToken
        for (name, seconds) in [
            ("decode row, besides any row", costs.steps.perDecodeToken),
            ("1000 attended tokens", attended * 1000),
            ("1000 cached tokens", costs.perCachedToken * 1000),
            ("1000 tokens x rank of adapters", costs.steps.perRankToken * 1000),
            ("100 ranks of distinct adapters", costs.steps.perDistinctRank * 100),
            ("merged step, besides any step", costs.steps.perMergedStep),
            ("between two steps", costs.between),
            ("between two steps, each token", costs.betweenPerToken),
            ("step that was not planned ahead", costs.gap),
            ("merged copy", costs.mergeTime.inSeconds),
            ("first merged copy", (costs.firstMergeTime ?? costs.mergeTime).inSeconds),
            ("load of an adapter", costs.loadLatency),
            ("load of an adapter, each MiB", costs.loadSecondsPerByte * 1_048_576),
        ] {
            table.append([name, HumanText.duration(seconds)])
        }
        table.append(["output head, of a step", percent(costs.headShare)])
        table.append(["noise", percent(costs.noise)])
        table.append(["slower while serving", percent(costs.serving)])
        if calibration.replicas > 1 {
            table.append([
                "slower beside another replica",
                "\(percent(costs.contention)) + \(HumanText.duration(costs.contentionPerStep))",
            ])
        }
        return table
    }

    private var rows: TextTable {
        var table = TextTable(header: ["ROWS", "TIME"])
        for entry in costs.rowTimes {
            table.append([String(entry.rows), HumanText.duration(entry.seconds)])
        }
        return table
    }

    private var errors: TextTable {
        var table = TextTable(header: ["ERROR ON STEPS NOT FITTED TO", "MEAN", "P90", "STEPS"])
        for (name, errors) in [
            ("with the table of rows", result.fit.errors),
            ("linear in rows", result.fit.linearErrors),
            ("while serving", result.servedErrors),
        ] {
            table.append([
                name, percent(errors.mean), percent(errors.p90), String(errors.steps),
            ])
        }
        return table
    }

    private func percent(_ share: Double) -> String { String(format: "%.1f %%", share * 100) }
}
