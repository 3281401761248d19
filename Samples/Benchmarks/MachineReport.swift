// SPDX-License-Identifier: Apache-2.0

import Foundation
import Inference

/// The machine and its limits, measured in the same run as everything else.
struct MachineReport: Codable {
    var processor: String
    var cores: Int
    var instructionSet: String
    var blasCore: String
    var blasGigaflops: Double
    /// GB/s, of one thread and of all.
    var readBandwidthOneThread: Double
    var readBandwidth: Double
    /// GB/s of all threads, reading the packed weights themselves.
    var weightBandwidth: Double?
    /// GFLOP/s, of one thread and of all.
    var multiplyAddsOneThread: Double
    var multiplyAdds: Double
    var commit: String?

    static func measure(threads: Int, quick: Bool) throws -> MachineReport {
        let core = BLAS.core
        let set = try InstructionSet.chosen()
        let repetitions = quick ? 3 : 8
        return MachineReport(
            processor: MachineIdentity.processor ?? "unknown",
            cores: ProcessInfo.processInfo.activeProcessorCount, instructionSet: set.rawValue,
            blasCore: core,
            blasGigaflops: try BLAS.measureGigaflops(repetitions: repetitions),
            readBandwidthOneThread: try MachinePeaks.readBandwidth(
                threads: 1, set: set, repetitions: repetitions) / 1e9,
            readBandwidth: try MachinePeaks.readBandwidth(
                threads: threads, set: set, repetitions: repetitions) / 1e9,
            multiplyAddsOneThread: try MachinePeaks.multiplyAdds(
                threads: 1, set: set, repetitions: repetitions) / 1e9,
            multiplyAdds: try MachinePeaks.multiplyAdds(
                threads: threads, set: set, repetitions: repetitions) / 1e9,
            commit: MachineIdentity.commit)
    }

    /// Takes each limit of `other` that is higher.
    mutating func raise(to other: MachineReport) {
        blasGigaflops = max(blasGigaflops, other.blasGigaflops)
        readBandwidthOneThread = max(readBandwidthOneThread, other.readBandwidthOneThread)
        readBandwidth = max(readBandwidth, other.readBandwidth)
        multiplyAddsOneThread = max(multiplyAddsOneThread, other.multiplyAddsOneThread)
        multiplyAdds = max(multiplyAdds, other.multiplyAdds)
    }
}
