// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import InstructionCount

struct InstructionCountTests {
    private static let cases: [(Int?, Int?, InstructionCounts.Verdict)] = [
        (1000, 1000, .same), (1000, 1030, .same), (1000, 970, .same), (1000, 1031, .more),
        (1000, 969, .fewer), (nil, 1000, .new), (1000, nil, .gone),
    ]

    @Test(arguments: cases)
    func aCountIsComparedWithATolerance(
        old: Int?, new: Int?, verdict: InstructionCounts.Verdict
    ) {
        func counts(_ count: Int?) -> InstructionCounts {
            InstructionCounts(counts: ["avx2": count.map { ["decode": $0] } ?? [:]])
        }
        let rows = counts(new).compared(with: counts(old))
        #expect(rows.map(\.verdict) == [verdict])
    }

    @Test func instructionSetsThatWereNotCountedAreLeftAlone() {
        let baseline = InstructionCounts(counts: ["avx2": ["decode": 1], "portable": ["decode": 2]])
        let rows = InstructionCounts(counts: ["portable": ["decode": 2]]).compared(with: baseline)
        #expect(rows == [.init(set: "portable", workload: "decode", old: 2, new: 2)])
    }

    @Test func aDumpNamesItsWorkload() throws {
        let dump = """
            version: 1
            desc: Timerange: Basic block 0 - 2566389
            desc: Trigger: Client Request: bf16 decode 1, 1 adapter

            events: Ir
            summary: 1093986

            totals: 1093986
            """
        let parsed = try #require(Callgrind.parse(dump))
        #expect(parsed.name == "bf16 decode 1, 1 adapter" && parsed.count == 1_093_986)
        #expect(Callgrind.parse("desc: Trigger: Program termination\nsummary: 0") == nil)
    }

    @Test func theBaselineCountsBothInstructionSets() throws {
        let baseline = try InstructionCounts.read(
            Repository.path(of: "Tests/InstructionCount/baseline.json"))
        #expect(Set(baseline.counts.keys) == ["avx2", "portable"])
        #expect(Set(baseline.counts["avx2"]?.keys.map { $0 } ?? []).count >= 7)
    }
}
