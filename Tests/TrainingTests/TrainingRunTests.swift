// SPDX-License-Identifier: Apache-2.0

import Foundation
import Inference
import MoLE
import ModelLoading
import TestSupport
import Testing

@testable import Training

/// Runs over a small model: what they learn, and that they can be repeated and continued.
struct TrainingRunTests {
    private static let shape = TinyTraining.model()

    private static func settings(_ change: (inout TrainingSettings) -> Void = { _ in })
        -> TrainingSettings
    {
        var settings = TrainingSettings()
        settings.steps = 12
        settings.batch = 5
        settings.learningRate = 0.02
        settings.warmUp = 3
        settings.evaluateEvery = 5
        settings.seed = 7
        change(&settings)
        return settings
    }

    private static func run(
        threads: Int = 2, _ settings: TrainingSettings = settings()
    ) throws -> TrainingRun<Float> {
        let experts: ExpertStack<Float> = TinyTraining.experts(shape, seed: 2)
        let gate = GateNetwork(
            TinyTraining.gate { $0.hidden = 4 }, experts: experts, for: shape, seed: settings.seed)
        return TrainingRun(
            Network(try TinyTraining.frozen(shape, seed: 1), experts: experts, gate: gate),
            settings, train: TinyTraining.sequences(17, seed: 3),
            dev: TinyTraining.sequences(9, seed: 4), team: try ThreadTeam(members: threads))
    }

    private static func bits(_ run: TrainingRun<Float>) -> [[UInt32]] {
        let matrices =
            run.network.parameters.map(\.matrix) + run.optimiser.means + run.optimiser.squares
            + run.best
        return matrices.map { $0.values.map(\.bitPattern) }
    }

    @Test func theNumberOfThreadsChangesNoBit() throws {
        let runs = try [1, 2, 3].map { threads in
            let run = try Self.run(threads: threads)
            while !run.isOver { _ = try run.advance() }
            return Self.bits(run)
        }
        #expect(runs[0] == runs[1] && runs[0] == runs[2])
    }

    @Test func aRunThatWasInterruptedEndsWithTheSameBits() throws {
        let whole = try Self.run()
        while !whole.isOver { _ = try whole.advance() }
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("training-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("c.safetensors").path
        // Each run does a few steps and hands over through the file.
        for end in [4, 6, 11, 12] {
            let part = try Self.run()
            if end > 4 { try Checkpoint.restore(part, of: "run", from: path) }
            while part.optimiser.step < end { _ = try part.advance() }
            try Checkpoint.write(part, of: "run", to: path)
        }
        let last = try Self.run()
        try Checkpoint.restore(last, of: "run", from: path)
        #expect(Self.bits(last) == Self.bits(whole))
        #expect(last.progress == whole.progress)
        #expect(last.optimiser.step == whole.optimiser.step)
    }

    @Test func theCheckpointOfAnotherRunIsRefused() throws {
        let run = try Self.run()
        let path = FileManager.default.temporaryDirectory
            .appendingPathComponent("other-\(UUID().uuidString).safetensors").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Checkpoint.write(run, of: "one", to: path)
        let error = #expect(throws: TrainingError.self) {
            try Checkpoint.restore(run, of: "two", from: path)
        }
        #expect(error?.code == .wrongCheckpoint)
        #expect(error?.message.contains("two") == true)
    }

    @Test func trainingAGateLowersTheLoss() throws {
        let run = try Self.run(
            Self.settings {
                ($0.steps, $0.learningRate, $0.alpha, $0.evaluateEvery) = (60, 0.05, 0, 60)
            })
        let before = run.evaluate(run.train)
        while !run.isOver { _ = try run.advance() }
        let after = run.evaluate(run.train)
        #expect(after.loss < 0.9 * before.loss, "\(after.loss) after \(before.loss)")
    }

    @Test func trainingAnAdapterLearnsItsExamples() throws {
        let experts: ExpertStack<Float> = AdapterShape(rank: 4, alpha: 8).newStack(
            for: Self.shape, seed: 5)
        let settings = Self.settings {
            ($0.steps, $0.learningRate, $0.evaluateEvery) = (80, 0.03, 40)
        }
        let sequences = TinyTraining.sequences(6, seed: 6)
        let run = TrainingRun(
            Network(try TinyTraining.frozen(Self.shape, seed: 1), training: experts), settings,
            train: sequences, dev: sequences, team: try TinyTraining.team())
        let before = run.evaluate(sequences)
        while !run.isOver { _ = try run.advance() }
        let after = run.evaluate(sequences)
        #expect(after.loss < 0.2 * before.loss, "\(after.loss) after \(before.loss)")
        #expect(after.exact > before.exact)
    }

    @Test func trainingEndsWhenNothingGetsBetter() throws {
        let run = try Self.run(
            Self.settings {
                ($0.steps, $0.learningRate, $0.evaluateEvery, $0.patience) = (500, 2, 1, 3)
            })
        while !run.isOver { _ = try run.advance() }
        #expect(run.optimiser.step < 500)
        #expect(run.optimiser.step == run.progress.bestStep + 3)
    }

    @Test func everyEpochHasEveryExampleOnceInAnOrderOfItsOwn() {
        var order = BatchOrder(count: 10, seed: 3)
        let places = (0..<10).flatMap { order.batch(step: $0, size: 3) }
        let epochs = [0, 1, 2].map { Array(places[$0 * 10..<$0 * 10 + 10]) }
        for epoch in epochs { #expect(epoch.sorted() == Array(0..<10)) }
        #expect(epochs[0] != epochs[1] && epochs[1] != epochs[2])
        var later = BatchOrder(count: 10, seed: 3)
        #expect(later.batch(step: 7, size: 3) == Array(places[21..<24]))
    }

    @Test func sharesAreAveragedOverExamplesNotBatches() {
        var (small, large) = (
            ShareAverage(experts: 2, batch: 4), ShareAverage(experts: 2, batch: 512)
        )
        #expect(small.shares == [0.5, 0.5])
        #expect(zip(large.add([0.9, 0.1]), [0.9, 0.1]).allSatisfy { abs($0 - $1) < 1e-12 })
        for _ in 0..<64 { _ = small.add([0.9, 0.1]) }
        // (1 - 1/64) to the power of 64 of the way is left.
        #expect(abs(small.shares[0] - (0.9 - 0.4 * 0.365)) < 1e-3)
    }

    @Test func theLearningRateRisesAndFalls() {
        let rate = LearningRate(most: 1, warmUp: 4, steps: 14)
        let rates = (0..<14).map(rate.rate)
        #expect(Array(rates.prefix(5)) == [0.2, 0.4, 0.6, 0.8, 1])
        #expect(rates[13] > 0 && abs(rates[13] - 0.1) < 1e-12)
        #expect(zip(rates.dropFirst(4), rates.dropFirst(5)).allSatisfy { $0 > $1 })
    }

    /// Against the formulas of the paper, step by step.
    @Test func theOptimiserIsAdamWithDecoupledDecay() {
        let matrix = Matrix<Double>(1, 1, [Float(0.5)])
        let parameter = Parameter(name: "x", shape: [1], matrix: matrix, decays: true)
        var optimiser = AdamW<Double>(AdamWSettings(weightDecay: 0.1, clip: 2), for: [parameter])
        var (value, mean, square) = (0.5, 0.0, 0.0)
        for (index, raw) in [0.3, -5, 1.5, 0].enumerated() {
            let gradient = Matrix<Double>(1, 1)
            gradient[0, 0] = raw
            let norm = optimiser.update([parameter], [gradient], learningRate: 0.01)
            #expect(norm == abs(raw))
            let clipped = max(-2, min(2, raw))
            mean = 0.9 * mean + 0.1 * clipped
            square = 0.999 * square + 0.001 * clipped * clipped
            let steps = Double(index + 1)
            value -= 0.01 * 0.1 * value
            value -=
                0.01 * (mean / (1 - pow(0.9, steps)))
                / ((square / (1 - pow(0.999, steps))).squareRoot() + 1e-8)
            #expect(abs(matrix[0, 0] - value) < 1e-12)
        }
    }
}
