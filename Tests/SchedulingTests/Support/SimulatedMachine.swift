// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import TestSupport

/// An executor whose step times are linear in what a step computes, with noise, and unknown to the
/// scheduler.
struct SimulatedMachine {
    private let constant: Double
    private let promptToken: Double
    private let decodeRow: Double
    private let attended: Double
    private let rankToken: Double
    private let distinctRank: Double
    private var random: SeededRandom

    /// Ranks by adapter; others and the base have none.
    var ranks: [AdapterID: Int] = [:]

    init(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        func scaled(_ value: Double) -> Double { value * Double(50 + random.below(150)) / 100 }
        constant = scaled(8e-3)
        promptToken = scaled(1e-3)
        decodeRow = scaled(1.5e-3)
        attended = scaled(2e-7)
        rankToken = scaled(8e-6)
        distinctRank = scaled(3e-5)
        self.random = random
    }

    /// A step of so many decode rows and prompt tokens on the base, without noise.
    func plain(rows: Int, promptTokens: Int) -> Duration {
        .seconds(constant + decodeRow * Double(rows) + promptToken * Double(promptTokens))
    }

    /// How long a step takes: within 5 % of the truth, and in one of a hundred cases twice that.
    mutating func time(of plan: StepPlan) -> Duration {
        var seconds = constant
        var adapters: Set<AdapterID> = []
        for entry in plan.entries {
            let tokens = Double(entry.tokens)
            let rank = entry.adapter == plan.mode.mergedAdapter ? 0 : ranks[entry.adapter] ?? 0
            let isRow = entry.tokens == 1 && entry.samples
            seconds += (isRow ? decodeRow : promptToken) * tokens
            seconds += attended * tokens * (Double(entry.position) + (tokens + 1) / 2)
            seconds += rankToken * tokens * Double(rank)
            if adapters.insert(entry.adapter).inserted { seconds += distinctRank * Double(rank) }
        }
        seconds *= 0.95 + Double(random.below(1_000)) / 10_000
        if random.chance(1) { seconds *= 2 }
        return .seconds(seconds)
    }
}
