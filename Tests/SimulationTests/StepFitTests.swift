// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Testing
import Workloads

@testable import Simulation

/// Costs found again from steps that were made up with them.
struct StepFitTests {
    /// Steps as a calibration has them: batches, prompts, contexts, adapters, merged copies.
    private func steps(
        of costs: SimulatedCosts, noise: Double, seed: UInt64 = 1
    ) -> [MeasuredStep] {
        var random = RandomStream(seed: seed, stream: 0)
        var steps: [MeasuredStep] = []
        for (rows, isPrompt) in [1, 2, 3, 4, 6, 8, 12, 16].map({ ($0, false) })
            + [4, 8, 16, 24, 48, 64, 96, 128, 192, 256].map({ ($0, true) })
        {
            for variant in 0..<9 {
                var work = StepWork()
                let before = [0, 40, 250][variant % 3]
                if isPrompt {
                    work.promptTokens = rows
                    work.attendedTokens = rows * before + rows * (rows + 1) / 2
                } else {
                    work.decodeTokens = rows
                    work.attendedTokens = rows * (before + 1)
                }
                work.isMerged = variant == 8
                if variant % 4 != 0 {
                    work.rankTokens = 16 * rows
                    work.distinctRanks = 16 * (isPrompt ? 1 : min(rows, 8))
                }
                let cached = isPrompt ? before : rows * before
                let seconds = costs.seconds(of: work, cachedTokens: cached)
                steps.append(
                    MeasuredStep(
                        work: work, cachedTokens: cached,
                        seconds: seconds * (1 + noise * random.normal())))
            }
        }
        return steps
    }

    private static var machine: SimulatedCosts {
        var costs = SimulatedCosts()
        costs.steps.perDecodeToken = 0.0003
        costs.steps.perAttendedToken = 7e-7
        costs.steps.perRankToken = 5e-6
        costs.steps.perDistinctRank = 3e-5
        costs.steps.perMergedStep = -0.0006
        costs.perCachedToken = 4e-6
        costs.rowTimes = [(1, 0.013), (4, 0.0133), (8, 0.019), (16, 0.037), (256, 0.54)]
            .map { RowTime(rows: $0.0, seconds: $0.1) }
        return costs
    }

    @Test func exactStepsGiveTheirCostsBack() {
        let steps = steps(of: Self.machine, noise: 0)
        let fit = StepFit(steps)
        #expect(fit.errors.mean < 0.003 && fit.errors.p90 < 0.006)
        #expect(fit.errors.steps == steps.count / 5)
        #expect(StepFit.Errors(fit.costs, on: steps).mean < 0.002)
        let (found, real) = (fit.costs.steps, Self.machine.steps)
        #expect(abs(found.perRankToken / real.perRankToken - 1) < 0.02)
        #expect(abs(found.perDistinctRank / real.perDistinctRank - 1) < 0.02)
        #expect(abs(found.perMergedStep - real.perMergedStep) < 0.00005)
        #expect(abs(fit.costs.perCachedToken / Self.machine.perCachedToken - 1) < 0.05)
    }

    @Test(arguments: [(0.02, 0.015), (0.05, 0.03), (0.1, 0.06)])
    func noisyStepsGiveNearlyTheirCosts(_ noise: Double, _ error: Double) {
        let exact = steps(of: Self.machine, noise: 0)
        for seed in 1...5 as ClosedRange<UInt64> {
            let fit = StepFit(steps(of: Self.machine, noise: noise, seed: seed))
            #expect(StepFit.Errors(fit.costs, on: exact).mean < error, "seed \(seed)")
        }
    }

    @Test func aLinearMachineNeedsNoTable() {
        var machine = SimulatedCosts.a800
        machine.steps.perMergedStep = -0.012
        let fit = StepFit(steps(of: machine, noise: 0))
        #expect(fit.linearErrors.mean < 1e-4)
        let found = fit.linearCosts.steps
        #expect(abs(found.perStep - machine.steps.perStep) < 1e-5)
        #expect(abs(found.perPromptToken / machine.steps.perPromptToken - 1) < 0.01)
        #expect(abs(found.perMergedStep - machine.steps.perMergedStep) < 1e-5)
        #expect(fit.linearCosts.rowTimes.isEmpty)
    }

    @Test func whatIsNotFittedStays() {
        var costs = SimulatedCosts()
        costs.mergeTime = .milliseconds(40)
        costs.noise = 0.02
        let fit = StepFit(steps(of: Self.machine, noise: 0), completing: costs)
        #expect(fit.costs.mergeTime == .milliseconds(40) && fit.linearCosts.noise == 0.02)
        #expect(StepFit([]).costs == SimulatedCosts())
    }

    @Test func timesNeverFallWithRows() {
        let fit = StepFit(steps(of: Self.machine, noise: 0.2, seed: 3))
        let times = fit.costs.rowTimes.map(\.seconds)
        #expect(times == times.sorted() && times.allSatisfy { $0 >= 0 })
    }

    @Test(arguments: [
        ([], []), ([5], [5]), ([1, 2, 3], [1, 2, 3]), ([3, 20, 1000], [3, 20, 1000]),
        ([1, 16, 64], [1, 16, 64]),
    ])
    func entriesAreWhereSomethingWasMeasured(_ rows: [Int], _ knots: [Int]) {
        let found = StepFit.knots(for: rows)
        #expect(found.first == knots.first && found.last == knots.last)
        #expect(found == found.sorted() && Set(found).count == found.count)
        #expect(found.count <= max(rows.count, 1))
    }

    @Test func weightsThatWouldBeNegativeAreZero() {
        let inputs = (0..<20).map { [1.0, Double($0)] }
        let falling = NonNegativeFit(inputs: inputs, targets: inputs.map { 10 - $0[1] / 4 })
        let weights = falling.weights()
        #expect(weights[1] == 0 && abs(weights[0] - 7.625) < 1e-6)
        let signed = NonNegativeFit(
            inputs: inputs, targets: inputs.map { 10 - $0[1] / 4 }, signed: [1]
        ).weights()
        #expect(abs(signed[1] + 0.25) < 1e-6 && abs(signed[0] - 10) < 1e-5)
        #expect(NonNegativeFit(inputs: [], targets: []).weights().isEmpty)
        #expect(NonNegativeFit(inputs: [[0, 2]], targets: [4]).weights()[0] == 0)
    }

    @Test(arguments: [
        ([(0, 0.1), (10, 0.2), (20, 0.3)], 0.1, 0.01), ([(4, 0.2), (4, 0.2)], 0, 0.05),
        ([(0, 0.5)], 0.5, 0), ([], 0, 0),
    ])
    func linesGoThroughMedians(
        _ points: [(amount: Int, seconds: Double)], _ constant: Double, _ slope: Double
    ) {
        let line = SimulatedCosts.line(
            through: points.map { MeasuredAmount(amount: $0.amount, seconds: $0.seconds) })
        #expect(abs(line.constant - constant) < 1e-6 && abs(line.slope - slope) < 1e-6)
    }

    @Test(arguments: [(0.0, 0.0, 0.0), (0.05, 0.0, 0.0), (-0.02, 0.1, 0.001), (0.1, 0.3, 0.0)])
    func whatServingAddsIsFoundAgain(_ serving: Double, _ share: Double, _ perStep: Double) {
        var machine = Self.machine
        machine.serving = serving
        machine.contention = share
        machine.contentionPerStep = perStep
        var random = RandomStream(seed: 4, stream: 0)
        let served = steps(of: Self.machine, noise: 0).enumerated().map { index, step in
            let others = index % 3
            let seconds = machine.seconds(
                of: step.work, cachedTokens: step.cachedTokens, beside: others)
            return ServedStep(
                work: step.work, cachedTokens: step.cachedTokens,
                seconds: seconds * (1 + 0.01 * random.normal()), others: others)
        }
        var costs = Self.machine
        costs.fitServing(served)
        #expect(abs(costs.serving - serving) < 0.01)
        #expect(abs(costs.contention - share) < 0.02)
        #expect(abs(costs.contentionPerStep - perStep) < 0.0004)
        #expect(costs.errors(on: served).mean < 0.02)
        var few = Self.machine
        few.fitServing(Array(served.prefix(3)))
        #expect(few == Self.machine)
    }
}
