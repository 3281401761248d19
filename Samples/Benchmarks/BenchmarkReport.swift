// SPDX-License-Identifier: Apache-2.0

import Foundation

/// All that one run measured.
struct BenchmarkReport: Codable {
    var machine: MachineReport
    var model: String
    var dtype: String
    var threads: Int
    var rank: Int
    var loadSeconds: Double
    var mergeSeconds: Double
    var weightBytes: Int
    /// Multiplications and additions of prefilling 512 tokens without adapters.
    var prefillOperations: Double
    var adapterLoads: [AdapterLoad]
    var starts: StartTimes?
    var results: [BenchmarkResult]

    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// Markdown.
    func table() -> String {
        func number(_ value: Double, _ digits: Int = 1) -> String {
            String(format: "%.\(digits)f", value)
        }
        func line(_ load: AdapterLoad) -> String {
            "adapter cold load, \(load.type), \(number(Double(load.fileBytes) / 1e6)) MB in the "
                + "page cache: \(number(load.best)) ms at best (opening \(number(load.opening)), "
                + "reading and packing \(number(load.packing))), \(number(load.median)) ms median; "
                + "\(number(load.fresh)) ms into fresh memory"
        }
        let starts = self.starts.map {
            "start: \(number($0.packing, 2)) s to pack, \(number($0.second, 2)) s from the cache, "
                + "which takes \(number($0.writing, 2)) s to write\n"
        }
        let head = """
            \(machine.processor), \(machine.cores) cores, \(machine.instructionSet); \
            BLAS core \(machine.blasCore), \(number(machine.blasGigaflops, 0)) GFLOP/s; \
            commit \(machine.commit ?? "unknown")
            read \(number(machine.readBandwidthOneThread)) GB/s with 1 thread, \
            \(number(machine.readBandwidth)) with \(threads), \
            the weights \(number(machine.weightBandwidth ?? 0)) with \(threads); \
            multiply-adds \(number(machine.multiplyAddsOneThread, 0)) GFLOP/s with 1 thread, \
            \(number(machine.multiplyAdds, 0)) with \(threads)
            \(model) \(dtype), \(threads) threads, adapters of rank \(rank); \
            packed in \(number(loadSeconds, 2)) s, merged in \(number(mergeSeconds * 1e3, 0)) ms
            \(starts ?? "")\(adapterLoads.map(line).joined(separator: "\n"))

            | step | batch | adapters | mode | ms | tokens/s | % of limit | limit | % of base |
            |---|---|---|---|---|---|---|---|---|
            """
        let rows = results.map { result in
            "| \(result.name) | \(result.batch) | \(result.adapters) | \(result.mode.rawValue) "
                + "| \(number(result.milliseconds, 2)) | \(number(result.tokensPerSecond)) "
                + "| \(number(result.percentOfRoofline, 0)) | \(result.bound) "
                + "| \(number(result.percentOfBase, 0)) |"
        }
        return ([head] + rows).joined(separator: "\n")
    }
}
