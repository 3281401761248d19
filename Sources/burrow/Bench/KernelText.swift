// SPDX-License-Identifier: Apache-2.0

import Foundation
import Inference

/// A kernel report as people read it: a table for each instruction set and number of threads.
struct KernelText {
    let report: KernelReport

    var text: String {
        let cache = report.lastCacheBytes.map { "\($0 >> 20) MiB" } ?? "unknown"
        let head = """
            each kernel over \(report.workingSetBytes >> 20) MiB; last cache \(cache); \
            % of the time that memory or arithmetic allows at the least
            """
        return ([head] + report.limits.map(section)).joined(separator: "\n\n")
    }

    private func section(_ limits: MachineLimits) -> String {
        let threads = limits.threads == 1 ? "1 thread" : "\(limits.threads) threads"
        var table = TextTable(header: [
            "KERNEL", "TYPE", "ROWS", "US/CALL", "GB/S", "GFLOP/S", "%", "BOUND", "SHAPE",
        ])
        for row in report.measurements
        where row.instructionSet == limits.instructionSet && row.threads == limits.threads {
            table.append([
                row.kernel.rawValue, row.type?.rawValue ?? "-", "\(row.rows)",
                number(row.microsecondsPerCall, 1), number(row.gigabytesPerSecond, 1),
                number(row.gigaflops, 1), number(row.percentOfLimit, 0), row.bound.rawValue,
                row.shape,
            ])
        }
        return """
            \(limits.instructionSet.rawValue), \(threads): \
            \(number(limits.gigabytesPerSecond, 1)) GB/s, \(number(limits.gigaflops, 0)) GFLOP/s
            \(table.text)
            """
    }

    private func number(_ value: Double, _ digits: Int) -> String {
        String(format: "%.\(digits)f", value)
    }
}
