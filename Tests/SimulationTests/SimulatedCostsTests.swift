// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Simulation
import StrictJSON
import Testing
import Workloads

struct SimulatedCostsTests {
    /// 16 decode rows behind 256 tokens each, with adapters of rank 16: 15 ms merged, 27 ms unmerged
    /// (dLoRA's artifact).
    @Test func thePresetOfTheA800GivesTheTimesOfTheArtifact() {
        var work = StepWork()
        work.decodeTokens = 16
        work.attendedTokens = 16 * 257
        work.isMerged = true
        #expect(abs(SimulatedCosts.a800.seconds(of: work) - 0.015) < 1e-6)
        work.isMerged = false
        work.rankTokens = 16 * 16
        work.distinctRanks = 16 * 16
        #expect(abs(SimulatedCosts.a800.seconds(of: work) - 0.027) < 1e-6)
    }

    @Test func costsAreWrittenAndRead() throws {
        var costs = SimulatedCosts.a800
        costs.noise = 0.05
        costs.gap = 0.0001
        costs.steps.perMergedStep = -0.001
        costs.between = 0.0002
        costs.firstMergeTime = .milliseconds(90)
        costs.betweenPerToken = 0.00001
        costs.contention = 0.1
        costs.contentionPerStep = 0.0001
        costs.serving = -0.01
        costs.perCachedToken = 2e-6
        costs.rowTimes = [RowTime(rows: 1, seconds: 0.01), RowTime(rows: 8, seconds: 0.02)]
        #expect(try SimulatedCosts(costs.json) == costs)
        #expect(SimulatedCosts(preset: "a800") == .a800)
        #expect(SimulatedCosts(preset: "a801") == nil)
    }

    @Test(arguments: [
        ("[]", "the costs are an array: expected an object of numbers"),
        (#"{"perStep":"x"}"#, "'perStep' is \"x\": expected a number from -1000000.0 to 1e6"),
        (#"{"noise":-1}"#, "'noise' is -1: expected a number from 0.0 to 1e6"),
        (#"{"mergedBytes":-1}"#, "'mergedBytes' is -1: expected a number of bytes"),
        (
            #"{"rows":[[4,1],[2,2]]}"#,
            "'rows' is an array of 2: expected pairs of a number of rows and seconds, as [[1, 0.01], "
                + "[16, 0.03]], with more rows in each"
        ),
    ])
    func faultyCostsAreExplained(_ text: String, _ message: String) throws {
        let value = try JSONValue(parsing: Array(text.utf8))
        do throws(CostsError) {
            _ = try SimulatedCosts(value)
            Issue.record("nothing was thrown")
        } catch {
            #expect(error.description == message)
        }
    }

    @Test func unknownCostsAreRefused() throws {
        let value = try JSONValue(parsing: Array(#"{"perstep":1}"#.utf8))
        #expect(throws: CostsError.self) { try SimulatedCosts(value) }
    }

    @Test(arguments: [
        (0, 0.01), (2, 0.01), (4, 0.015), (6, 0.02), (8, 0.04), (10, 0.06),
    ])
    func rowsAreLookedUpBetweenEntries(_ rows: Int, _ seconds: Double) {
        var costs = SimulatedCosts()
        costs.rowTimes = [(2, 0.01), (6, 0.02), (8, 0.04)].map {
            RowTime(rows: $0.0, seconds: $0.1)
        }
        var work = StepWork()
        work.promptTokens = rows / 2
        work.decodeTokens = rows - rows / 2
        #expect(abs(costs.seconds(of: work) - seconds) < 1e-9)
    }

    /// One request of 100 prompt tokens and 10 of output.
    private func latency(_ change: (inout SimulatedCosts) -> Void) -> Double {
        var setup = SimulationSetup.a800()
        change(&setup.costs)
        var workload = Workload.fixture(rate: 1, count: 1)
        workload.lengths = .independent(prompt: .constant(100), output: .constant(10))
        let request = Transcript(setup, workload).requests[0]
        return request.arrival.duration(to: request.lastToken ?? request.arrival).inSeconds
    }

    @Test func whatPassesBetweenStepsCounts() {
        let bare = latency { _ in }
        #expect(abs(latency { $0.between = 0.01 } - bare - 0.1) < 1e-6)
        #expect(abs(latency { $0.betweenPerToken = 0.001 } - bare - 0.01) < 1e-6)
        #expect(latency { ($0.contention, $0.contentionPerStep) = (3, 3) } == bare)
        #expect(abs(latency { $0.serving = 0.5 } / bare - 1.5) < 0.01)
        #expect(latency { $0.perCachedToken = 0.001 } - bare > 0.9)
    }

    @Test func replicasThatComputeAtOnceSlowEachOtherDown() {
        func time(_ contention: Double, perStep: Double = 0) -> Double {
            var setup = SimulationSetup.a800(replicas: 2)
            setup.costs.contention = contention
            setup.costs.contentionPerStep = perStep
            return Transcript(setup, .fixture(rate: 1000, count: 200)).summary.makespan.inSeconds
        }
        let ratio = time(0.5) / time(0)
        #expect(ratio > 1.4 && ratio < 1.6)
        #expect(time(0, perStep: 0.01) / time(0) > 1.1)
    }
}
