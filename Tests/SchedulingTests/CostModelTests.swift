// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import TestSupport
import Testing

struct CostModelTests {
    /// A machine whose step times are linear in the work.
    private func trueSeconds(_ step: StepWork) -> Double {
        0.004 + 0.0021 * Double(step.promptTokens) + 0.0013 * Double(step.decodeTokens)
            + 2e-8 * Double(step.attendedTokens) + 1.5e-6 * Double(step.rankTokens)
            + 1e-5 * Double(step.distinctRanks) + (step.isMerged ? 0.0005 : 0)
    }

    private func randomStep(_ random: inout SeededRandom) -> StepWork {
        var step = StepWork()
        step.promptTokens = random.chance(50) ? random.below(256) : 0
        step.decodeTokens = 1 + random.below(32)
        step.attendedTokens = step.decodeTokens * random.below(2_000) + step.promptTokens * 100
        step.isMerged = random.chance(30)
        if !step.isMerged {
            step.rankTokens = (step.promptTokens + step.decodeTokens) * 16
            step.distinctRanks = 16 * random.below(16)
        }
        return step
    }

    private func seconds(_ duration: Duration?) -> Double {
        guard let duration else { return -1 }
        return Double(duration.components.seconds)
            + Double(duration.components.attoseconds) * 1e-18
    }

    @Test
    func nothingIsPredictedBeforeTheFirstObservation() {
        var model = StepCostModel()
        #expect(model.predict(StepWork()) == nil)
        #expect(model.predict(PendingWork()) == nil)
        model.observe(StepWork(), took: .milliseconds(10))
        #expect(model.observations == 1)
        #expect(model.predict(StepWork()) != nil)
    }

    @Test(arguments: 0..<5 as Range<UInt64>)
    func aLinearMachineIsLearnt(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var model = StepCostModel()
        for _ in 0..<600 {
            let step = randomStep(&random)
            let noise = 1 + Double(random.below(101) - 50) / 1_000
            model.observe(step, took: .nanoseconds(Int64(trueSeconds(step) * noise * 1e9)))
        }
        var worst = 0.0
        for _ in 0..<200 {
            let step = randomStep(&random)
            worst = max(worst, abs(seconds(model.predict(step)) / trueSeconds(step) - 1))
        }
        print("seed \(seed): relative error \(model.relativeError), worst \(worst)")
        #expect(worst < 0.1, "seed \(seed)")
        #expect(model.relativeError < 0.06, "seed \(seed)")
    }

    @Test
    func aMachineThatChangesIsLearntAgain() {
        var random = SeededRandom(seed: 7)
        var model = StepCostModel()
        for slowness in [1.0, 3.0] {
            for _ in 0..<1_500 {
                let step = randomStep(&random)
                model.observe(step, took: .nanoseconds(Int64(trueSeconds(step) * slowness * 1e9)))
            }
            let step = randomStep(&random)
            let ratio = seconds(model.predict(step)) / (trueSeconds(step) * slowness)
            #expect(abs(ratio - 1) < 0.1, "slowness \(slowness)")
        }
    }

    @Test
    func aStalledStepChangesLittle() {
        var random = SeededRandom(seed: 3)
        var model = StepCostModel()
        for _ in 0..<300 {
            let step = randomStep(&random)
            model.observe(step, took: .nanoseconds(Int64(trueSeconds(step) * 1e9)))
        }
        let step = randomStep(&random)
        let before = seconds(model.predict(step))
        model.observe(step, took: .seconds(60))
        #expect(abs(seconds(model.predict(step)) / before - 1) < 0.15)
    }

    @Test(arguments: 0..<5 as Range<UInt64>)
    func predictionsAreNeverNegativeNorNonsense(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var model = StepCostModel()
        let times: [Duration] = [
            .nanoseconds(1), .seconds(3_600), .milliseconds(1), .zero, .seconds(-1),
            .nanoseconds(Int64.max),
        ]
        for _ in 0..<1_000 {
            var step = randomStep(&random)
            if random.chance(5) { step.attendedTokens = .max }
            if random.chance(5) { step = StepWork() }
            model.observe(step, took: times[random.below(times.count)])
            guard let time = model.predict(randomStep(&random)) else { continue }
            #expect(time >= .zero && seconds(time) <= 1e9, "seed \(seed)")
            #expect(model.relativeError.isFinite, "seed \(seed)")
        }
    }

    @Test
    func theSameLoadForEverDoesNotBlowUp() {
        var model = StepCostModel()
        var step = StepWork()
        step.decodeTokens = 1
        for _ in 0..<10_000 { model.observe(step, took: .milliseconds(5)) }
        #expect(abs(seconds(model.predict(step)) - 0.005) < 1e-5)
        step.decodeTokens = 16
        step.promptTokens = 100
        let predicted = seconds(model.predict(step))
        #expect(predicted >= 0 && predicted < 10)
    }

    @Test
    func ratesAreMeansByBytes() {
        var rate = ByteRate()
        #expect(rate.predict(bytes: 100) == nil)
        rate.observe(bytes: 0, took: .seconds(5))
        rate.observe(bytes: 10, took: .zero)
        #expect(rate.observations == 0)
        rate.observe(bytes: 1_000, took: .milliseconds(1))
        #expect(rate.predict(bytes: 2_000) == .milliseconds(2))
        for _ in 0..<100 { rate.observe(bytes: 1_000, took: .milliseconds(3)) }
        #expect(abs(seconds(rate.predict(bytes: 1_000)) - 0.003) < 1e-5)
        #expect(seconds(rate.predict(bytes: .max)) <= 1e9)
        #expect(rate.predict(bytes: -1) == .zero)
    }
}
