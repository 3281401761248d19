// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Simulation
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
}
