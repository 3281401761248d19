// SPDX-License-Identifier: Apache-2.0

import Foundation
import StrictJSON
import Testing

@testable import Workloads

struct RunStatisticsTests {
    private let names = ModelNames(base: "base", adapters: ["one", "two"])

    /// Four requests over 2 s: two that complete, one that is shed, one whose stream breaks.
    private var outcomes: [RequestOutcome] {
        var shed = RequestOutcome.at(300, first: nil, last: nil, adapter: 1, failure: "shed")
        shed.sent = nil
        return [
            .at(0, first: 100, last: 500, adapter: -1, prompt: 20, tokens: 5),
            .at(1000, first: 1300, last: 2000, adapter: 0, prompt: 30, tokens: 8),
            shed,
            .at(400, first: 700, last: 900, adapter: 1, tokens: 3, failure: "cut off"),
        ]
    }

    @Test func numbersAreThoseComputedByHand() throws {
        let level = try ServiceLevel(parsing: "ttft:200ms")
        let run = RunStatistics(seed: 9, outcomes: outcomes, names: names, level: level)
        #expect(run.requests == 4 && run.completed == 2)
        #expect(run.failures == ["shed": 1, "cut off": 1])
        #expect(near(run.duration, 2))
        #expect(near(run.requestsPerSecond, 1))
        #expect(near(run.outputTokensPerSecond, 8), "5 + 8 + 3 tokens in 2 s")
        #expect(near(run.promptTokensPerSecond, 25), "20 + 30 tokens in 2 s")
        let latency = run.latency
        #expect(near(latency.timeToFirstToken?.mean, 0.2), "0.1 and 0.3")
        #expect(near(latency.timePerOutputToken?.mean, 0.1), "0.4 / 4 and 0.7 / 7")
        #expect(near(latency.endToEnd?.mean, 0.75), "0.5 and 1")
        #expect(near(latency.normalised?.mean, 0.1125), "0.5 / 5 and 1 / 8")
        #expect(near(latency.normalisedByTokens, 1.5 / 13))
        #expect(near(run.attainment, 0.25), "one of four")
        #expect(near(run.goodput, 0.5) && near(run.goodputTokens, 2.5))
        #expect(run.adapters.map(\.name) == ["base", "one", "two"])
        #expect(run.adapters.map(\.requests) == [1, 1, 2])
        #expect(run.adapters.map(\.completed) == [1, 1, 0])
    }

    @Test func aRunWithoutRequestsHasNoNumbers() {
        let run = RunStatistics(seed: 1, outcomes: [], names: names, level: ServiceLevel())
        #expect(run.requestsPerSecond == 0 && run.latency.endToEnd == nil)
        #expect(run.attainment == nil && run.fairness == nil && run.adapters.isEmpty)
    }

    private func report(_ runs: [(seed: UInt64, outcomes: [RequestOutcome])]) -> BenchmarkReport {
        let origin = BenchmarkReport.Origin(
            processor: "p", processors: 2, system: "s", version: "1", commit: nil)
        return BenchmarkReport(
            label: "here", origin: origin, workload: ["rate": "4"], runs: runs, names: names,
            level: nil)
    }

    @Test func severalSeedsGiveAMeanWithItsInterval() throws {
        let quick = [RequestOutcome.at(0, first: 100, last: 100)]
        let slow = [RequestOutcome.at(0, first: 300, last: 300)]
        let report = report([(1, quick), (2, slow)])
        let first = try #require(report.summary["ttft_mean"])
        #expect(first.values.count == 2 && near(first.mean, 0.2))
        #expect(near(first.halfWidth, 12.706 * 0.1, within: 1e-6))
        #expect(report.summary["tpot_mean"] == nil, "no request has a second token")
        #expect(report.seeds == [1, 2])
    }

    @Test func theJSONReadsBackAndKeepsItsKeys() throws {
        let report = report([(1, outcomes), (2, outcomes)])
        let bytes = try JSONEncoder().encode(report)
        #expect(try JSONDecoder().decode(BenchmarkReport.self, from: bytes) == report)
        guard case .object(let fields) = try JSONValue(parsing: Array(bytes)) else {
            Issue.record("the report is no object")
            return
        }
        #expect(
            Set(fields.members.map(\.name)) == [
                "schema", "label", "origin", "workload", "seeds", "isInterrupted", "runs",
                "summary",
                "curves",
            ])
        let names = Set(report.summary.keys)
        #expect(
            names.isSuperset(of: [
                "requests_per_second", "output_tokens_per_second", "ttft_p99", "tpot_p50",
                "e2e_max",
                "normalised_mean", "normalised_by_tokens", "jain", "failed",
            ]))
    }

    @Test func anOutcomeIsOneLineOfJSON() throws {
        let line = outcomes[2].line(seed: 7, model: "a\nb")
        #expect(line.last == 0x0A && line.count { $0 == 0x0A } == 1)
        guard case .object(let fields) = try JSONValue(parsing: Array(line.dropLast())) else {
            Issue.record("the line is no object")
            return
        }
        #expect(fields["sent"] == .null && fields["failure"] == .string("shed"))
        #expect(fields["arrival"]?.double == 0.3 && fields["seed"] == .integer(7))
    }

    /// The area under the curves is what they count: tokens, and seconds of waiting.
    @Test func curvesKeepTheirAmounts() {
        let curves = ReportCurves([outcomes, outcomes], names: names)
        let tokens = curves.outputTokensPerSecond.reduce(0, +) * curves.interval
        let waited = curves.waiting.reduce(0, +) * curves.interval
        #expect(near(tokens, 16, within: 1e-6), "5 + 8 + 3, on average over two runs")
        #expect(near(waited, 0.1 + 0.3 + 0.3, within: 1e-6))
        #expect(curves.timeToFirstToken.count == 200 && curves.timeToFirstToken.last == 0.3)
    }
}
