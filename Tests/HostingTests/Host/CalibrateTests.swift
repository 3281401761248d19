// SPDX-License-Identifier: Apache-2.0

import Foundation
import PolicyKit
import Testing

@testable import Hosting

/// `burrow calibrate`, and what it measures.
struct CalibrateTests {
    private static let calibrated = [
        "perStep", "perPromptToken", "perDecodeToken", "perAttendedToken", "perCachedToken",
        "perRankToken", "perDistinctRank", "perMergedStep", "merge", "loadPerByte", "loadLatency",
        "noise", "headShare", "gap", "between", "betweenPerToken", "serving", "contention",
        "contentionPerStep",
    ]

    private func manifest(_ replicas: Int) -> String {
        var manifest = ServedManifest()
        manifest.replicas = [
            "memory: 64MiB", "count: \(replicas)", "threads: 1", "maxBatch: 4", "maxStepTokens: 16",
        ]
        manifest.limits = ["contextLength: 256"]
        return manifest.text
    }

    @Test(arguments: [1, 2])
    func whatIsMeasuredIsSimulated(_ replicas: Int) async throws {
        let folder = try TestFolder()
        let manifest = try folder.write("m.yaml", manifest(replicas))
        let result = try await run(
            Built.burrow,
            ["calibrate", manifest, "--output", "costs.json", "--seconds", "0", "--json"],
            in: folder)
        #expect(result.status == 0, "\(result.errors)")
        let report = try JSON(parsing: result.output)
        let costs = report["costs"]
        for name in Self.calibrated {
            #expect(costs[name].number?.isFinite == true, "\(name)")
        }
        #expect(costs["rows"].list.count > 4)
        #expect((costs["merge"].number ?? 0) > 0 && (costs["loadPerByte"].number ?? 0) > 0)
        #expect(report["errors"]["mean"].number?.isFinite == true)
        #expect((report["servedErrors"]["steps"].number ?? 0) > 0)
        #expect(report["steps"].list.allSatisfy { ($0["seconds"].number ?? 0) > 0 })
        let simulated = try await run(
            Built.burrow,
            [
                "simulate", manifest, "--costs", "costs.json", "--requests", "40", "--rate", "50",
                "--lengths", "8/8", "--json",
            ], in: folder)
        #expect(simulated.status == 0, "\(simulated.errors)")
        let answer = try JSON(parsing: simulated.output)
        #expect(answer["requests"]["completed"] == 40)
        #expect((answer["latency"]["endToEnd"]["p50"].number ?? 0) > 0)
    }

    @Test func aTableIsForPeople() async throws {
        let folder = try TestFolder()
        let manifest = try folder.write("m.yaml", manifest(1))
        let result = try await run(
            Built.burrow, ["calibrate", manifest, "--seconds", "0"], in: folder)
        #expect(result.status == 0, "\(result.errors)")
        for text in ["merged copy", "ROWS", "with the table of rows", "linear in rows"] {
            #expect(result.output.contains(text), "\(text)")
        }
        let missing = try await run(Built.burrow, ["calibrate", "/nowhere.yaml"], in: folder)
        #expect(missing.status == 78)
        let wrong = try await run(Built.burrow, ["calibrate", manifest, "--seconds", "-1"])
        #expect(wrong.status == 64)
    }

    @Test(arguments: [
        (1, 1, 64, 0), (1, 16, 1, 0), (4, 16, 32, 1), (16, 256, 4096, 8), (32, 2048, 512, 64),
        (3, 7, 100, 2),
    ])
    func stepsKeepToTheLimits(_ batch: Int, _ tokens: Int, _ cached: Int, _ adapters: Int) {
        let limits = DesignLimits(
            batch: batch, stepTokens: max(tokens, batch), contextLength: 512,
            cachedTokens: cached, adapters: adapters, merges: adapters > 1)
        let designs = limits.designs
        #expect(designs.contains { $0.decodes == 1 && $0.prompts == 0 })
        #expect(Set(designs).count == designs.count)
        for step in designs {
            #expect((1...batch).contains(step.sequences))
            #expect((1...max(tokens, batch)).contains(step.tokens))
            #expect(step.adapters <= adapters && step.context >= 1)
            #expect(step.promptPosition >= 0 && step.promptPosition + step.promptTokens < 512)
            let work = step.work(ranks: [Int](repeating: 8, count: adapters))
            #expect(work.promptTokens + work.decodeTokens == step.tokens)
            #expect(work.isMerged == step.isMerged)
            let paths = step.isMerged || step.adapters == 0 ? 0 : 8 * step.tokens
            #expect(work.rankTokens == paths)
            #expect(work.distinctRanks == (paths == 0 ? 0 : 8 * step.adapters))
        }
        if adapters > 1 { #expect(designs.contains { $0.isMerged }) }
    }

    @Test(arguments: [
        ([], 0), ([3], 3), ([1, 2, 3], 2), ([1, 1, 1, 100], 1), ([2, 4], 3),
    ])
    func disturbancesCountUnlessTheyAreLarge(_ times: [Double], _ mean: Double) {
        #expect(abs(times.trimmedMean - mean) < 1e-12)
    }
}
