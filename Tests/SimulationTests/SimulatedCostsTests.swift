// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Simulation
import StrictJSON
import Testing

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
        #expect(try SimulatedCosts(costs.json) == costs)
        #expect(SimulatedCosts(preset: "a800") == .a800)
        #expect(SimulatedCosts(preset: "a801") == nil)
    }

    @Test(arguments: [
        ("[]", "the costs are an array: expected an object of numbers"),
        (#"{"perStep":"x"}"#, "'perStep' is \"x\": expected a number from -1000000.0 to 1e6"),
        (#"{"noise":-1}"#, "'noise' is -1: expected a number from 0.0 to 1e6"),
        (#"{"mergedBytes":-1}"#, "'mergedBytes' is -1: expected a number of bytes"),
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
}
