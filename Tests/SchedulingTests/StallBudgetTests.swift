// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Testing

/// What the stall budget lets into a step, as tables over cost models and prompts.
struct StallBudgetTests {
    /// A cost model that has learnt a machine of 10 ms a step, 1 ms a prompt token and 2 ms a row.
    private func costs() -> StepCostModel {
        var model = StepCostModel()
        for round in 0..<400 {
            var step = StepWork()
            step.promptTokens = round % 4 == 0 ? 0 : (round * 37) % 300
            step.decodeTokens = (round * 7) % 20
            let milliseconds = 10 + step.promptTokens + 2 * step.decodeTokens
            model.observe(step, took: .milliseconds(milliseconds))
        }
        return model
    }

    /// A budget that has seen a step of so many prompt tokens.
    private func budget(_ milliseconds: Int, measured: Int = 512) -> StallBudget {
        var budget = StallBudget(bound: .milliseconds(milliseconds))
        var step = StepWork()
        step.promptTokens = measured
        budget.observe(step, took: .milliseconds(1), limit: nil)
        return budget
    }

    private func rows(_ count: Int) -> StepWork {
        var rows = StepWork()
        rows.decodeTokens = count
        return rows
    }

    /// Milliseconds allowed, decode rows, prompt lengths, and the prompt tokens that fit.
    @Test(arguments: [
        (100, 0, [1_000], 90), (100, 5, [1_000], 80), (100, 20, [1_000], 50),
        (100, 5, [30, 20, 1_000], 80), (100, 5, [30, 20], 50), (100, 5, [], 16),
        (100, 45, [1_000], 16), (100, 400, [1_000], 16), (1, 0, [1_000], 16),
        (400, 10, [1_000], 256),
    ])
    func promptTokensFitBesideTheRows(
        milliseconds: Int, rows count: Int, prompts: [Int], expected: Int
    ) {
        let tokens = budget(milliseconds).promptTokens(
            beside: rows(count), of: prompts.map { PromptPart(tokens: $0) }, most: 256, by: costs())
        #expect(abs(tokens - expected) <= (expected == 16 || expected == 256 ? 0 : 1))
    }

    @Test
    func longContextsAndAdaptersLeaveLessRoom() {
        var model = StepCostModel()
        for round in 0..<600 {
            var step = StepWork()
            step.promptTokens = (round * 37) % 300
            step.attendedTokens = (round * 1_009) % 400_000
            step.rankTokens = step.promptTokens * [0, 8, 16][round % 3]
            step.distinctRanks = [0, 8, 16][round % 3] * 4
            let microseconds =
                10_000 + 1_000 * step.promptTokens + step.attendedTokens / 10
                + 20 * step.rankTokens + 100 * step.distinctRanks
            model.observe(step, took: .microseconds(microseconds))
        }
        func tokens(_ prompt: PromptPart) -> Int {
            budget(200).promptTokens(beside: rows(0), of: [prompt], most: 512, by: model)
        }
        let plain = tokens(PromptPart(tokens: 1_000))
        let late = tokens(PromptPart(tokens: 1_000, computedTokens: 4_000))
        let adapted = tokens(PromptPart(tokens: 1_000, rank: 16))
        let first = tokens(PromptPart(tokens: 1_000, rank: 16, bringsAdapter: true))
        #expect((185...190).contains(plain))
        #expect((130...140).contains(late), "a token costs 1.4 ms with 4,000 before it")
        #expect((140...146).contains(adapted), "a token costs 1.32 ms with rank 16")
        #expect(first <= adapted && first >= adapted - 3)
    }

    @Test
    func theFirstStepsAreSmallAndDoubleAtMost() {
        var budget = StallBudget(bound: .seconds(1))
        var model = StepCostModel()
        var chunks: [Int] = []
        for _ in 0..<6 {
            let tokens = budget.promptTokens(
                beside: rows(4), of: [PromptPart(tokens: 10_000)], most: 400, by: model)
            chunks.append(tokens)
            var step = rows(4)
            step.promptTokens = tokens
            let time = Duration.milliseconds(10 + tokens)
            model.observe(step, took: time)
            budget.observe(step, took: time, limit: tokens)
        }
        #expect(chunks == [16, 32, 64, 128, 256, 400])
    }

    @Test
    func nothingMoreThanTheLimitOfTheReplicaIsAllowed() {
        for most in [1, 3, 16, 100] {
            let tokens = budget(1_000).promptTokens(
                beside: rows(2), of: [PromptPart(tokens: 10_000)], most: most, by: costs())
            #expect(tokens == most)
        }
    }

    /// Of prompt tokens, milliseconds and limit: whether the margin grows (1), shrinks (-1) or
    /// stays.
    @Test(arguments: [
        (80, 101, 80, 1), (40, 101, 80, 1), (80, 99, 80, -1), (40, 99, 80, 0), (0, 500, 80, 0),
        (16, 500, 16, 0), (80, 500, nil, 0),
    ])
    func theMarginFollowsStepsThatTellSomething(
        tokens: Int, milliseconds: Int, limit: Int?, direction: Int
    ) {
        var budget = budget(100)
        var over = StepWork()
        over.promptTokens = 100
        budget.observe(over, took: .seconds(1), limit: 100)
        let before = budget.margin
        var step = StepWork()
        step.promptTokens = tokens
        budget.observe(step, took: .milliseconds(milliseconds), limit: limit)
        #expect((budget.margin - before).sign(ofAtLeast: 1e-9) == direction)
    }

    @Test
    func theMarginStaysWithinItsBounds() {
        var budget = budget(100)
        var step = StepWork()
        step.promptTokens = 100
        for _ in 0..<200 { budget.observe(step, took: .seconds(1), limit: 100) }
        #expect(budget.margin == 4)
        for _ in 0..<2_000 { budget.observe(step, took: .milliseconds(1), limit: 100) }
        #expect(budget.margin == 1)
    }
}

extension Double {
    fileprivate func sign(ofAtLeast least: Double) -> Int {
        self > least ? 1 : self < -least ? -1 : 0
    }
}
