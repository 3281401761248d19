// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Instructions of each workload, by instruction set.
struct InstructionCounts: Codable, Equatable {
    /// How much more than the baseline is a regression.
    static let tolerance = 0.03

    var counts: [String: [String: Int]]

    static func read(_ path: String) throws -> InstructionCounts {
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        return InstructionCounts(
            counts: try JSONDecoder().decode([String: [String: Int]].self, from: data))
    }

    func write(_ path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try (encoder.encode(counts) + Data("\n".utf8)).write(to: URL(fileURLWithPath: path))
    }

    /// What two counts of one workload say.
    enum Verdict: Equatable {
        case same
        case fewer, more
        /// The baseline does not know the workload.
        case new
        /// Only the baseline knows it.
        case gone
    }

    struct Comparison: Equatable {
        let set: String
        let workload: String
        let old: Int?
        let new: Int?

        var verdict: Verdict {
            guard let old else { return .new }
            guard let new else { return .gone }
            let change = Double(new - old) / Double(max(old, 1))
            return change > tolerance ? .more : change < -tolerance ? .fewer : .same
        }
    }

    /// Every workload of the instruction sets that were counted now, beside the baseline.
    func compared(with baseline: InstructionCounts) -> [Comparison] {
        counts.keys.sorted().flatMap { set in
            let (old, new) = (baseline.counts[set] ?? [:], counts[set] ?? [:])
            return Set(old.keys).union(new.keys).sorted().map {
                Comparison(set: set, workload: $0, old: old[$0], new: new[$0])
            }
        }
    }
}
