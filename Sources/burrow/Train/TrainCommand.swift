// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import ModelLoading
import Tokenization
import Training

struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train", abstract: "Train the gate of a mixture, or an adapter.",
        discussion: """
            Data are files of JSON objects, one on each line, with a "prompt" and its "answer". The \
            prompt goes through the model's chat template; the loss is the cross-entropy of the \
            answer and of the token that ends it. The base model is never changed. What does best \
            on the data of --dev is what is written. The same options give the same numbers, also \
            when a run was interrupted and resumed.
            """,
        subcommands: [TrainGate.self, TrainAdapter.self])
}

/// What both kinds of training take.
struct TrainingOptions: ParsableArguments {
    @Option(help: "What is learnt from.")
    var data: String

    @Option(help: "What shows how well it is learnt.")
    var dev: String

    @Option(help: "What the best is tried on at the end; nothing is chosen by it.")
    var test: String?

    @Option(help: "The folder to write; it is made if need be.")
    var output: String

    @Option(help: "Steps, unless --patience ends it earlier.")
    var steps = 600

    @Option(help: "Examples in a step.")
    var batch = 16

    @Option(help: "The highest rate, after the warm-up; it then falls to zero in a line.")
    var learningRate: Double?

    @Option(help: "Steps over which the learning rate rises.")
    var warmUp: Int?

    @Option(help: "What pulls weights towards zero, relative to the learning rate.")
    var weightDecay = 0.01

    @Option(help: "Where all random numbers begin.")
    var seed: UInt64 = 0

    @Option(help: "Steps from one look at the data of --dev to the next.")
    var evaluateEvery = 50

    @Option(help: "Looks without a lower loss after which training ends; 0 for never.")
    var patience = 0

    @Option(help: "Steps from one checkpoint in the output folder to the next; 0 for none.")
    var checkpointEvery = 100

    @Flag(help: "Go on from the checkpoint in the output folder.")
    var resume = false

    @Option(help: "Threads that compute. Default: the processors.")
    var threads: Int?

    @Flag(help: "Write JSON.")
    var json = false

    func validate() throws {
        guard checkpointEvery >= 0 else {
            throw ValidationError("--checkpoint-every must be at least 0")
        }
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads must be from 1 to 1024")
        }
    }

    var folder: String { WorkingFolder.absolute(output) }
    var checkpointPath: String { "\(folder)/checkpoint.safetensors" }

    func settings(learningRate usual: Double) -> TrainingSettings {
        var settings = TrainingSettings()
        settings.steps = steps
        settings.batch = batch
        settings.learningRate = learningRate ?? usual
        settings.warmUp = warmUp ?? min(20, steps / 10)
        settings.weightDecay = weightDecay
        settings.seed = seed
        settings.evaluateEvery = min(evaluateEvery, steps)
        settings.patience = patience
        return settings
    }

    /// The files as tokens.
    func examples(for model: ModelWeights, folder: String) throws -> ReadExamples {
        let tokenizer = try Tokenizer.load(folder: folder)
        guard let end = Self.endToken(of: model.configuration, tokenizer) else {
            throw TrainingError(
                .invalidSettings, "the model names no token that ends an answer", at: folder)
        }
        let reader = ExampleReader(
            tokenizer, endToken: end, contextLength: model.configuration.contextLength,
            vocabularySize: model.configuration.vocabularySize)
        return ReadExamples(
            training: TrainingExamples(
                train: try reader.examples(path: WorkingFolder.absolute(data)),
                dev: try reader.examples(path: WorkingFolder.absolute(dev))),
            test: try test.map { try reader.examples(path: WorkingFolder.absolute($0)) })
    }

    /// The tokenizer's own end if answers stop there: models may have several.
    private static func endToken(
        of model: ModelConfiguration, _ tokenizer: Tokenizer
    ) -> Int32? {
        let own = tokenizer.configuration.token("eos_token").flatMap(tokenizer.id(of:))
        return own.flatMap { model.endTokens.contains($0) ? $0 : nil } ?? model.endTokens.first
            ?? own
    }

    /// Trains to the end, with the display of a run.
    func run(_ session: TrainingSession) throws {
        if resume { try session.resume(from: checkpointPath) }
        try TrainedFiles.makeFolder(folder)
        var display = TrainingDisplay()
        let checkpoint = checkpointEvery > 0 ? (checkpointPath, checkpointEvery) : nil
        try session.train(checkpoint: checkpoint) { report in
            display.show(report)
            return true
        }
        display.end()
    }

    /// Removes the checkpoint of a run whose result is written.
    func removeCheckpoint() {
        try? FileManager.default.removeItem(atPath: checkpointPath)
    }

    /// Says what came out, to people or programs.
    func report(
        _ session: TrainingSession, _ examples: ReadExamples, _ settings: TrainingSettings,
        began: ContinuousClock.Instant
    ) throws {
        let seconds = (ContinuousClock.now - began) / .seconds(1)
        let tried = examples.test.map(session.evaluateBest)
        let result = TrainingResult(
            parameters: session.parameterCount, steps: session.step,
            bestStep: session.best?.step ?? 0, devLoss: session.best?.evaluation.loss,
            devExact: session.best?.evaluation.exact, testLoss: tried?.loss,
            testExact: tried?.exact, learningRate: settings.learningRate, seconds: seconds,
            output: folder)
        say(json ? try burrow.json(result) : result.text)
    }
}

/// The examples of the command line.
struct ReadExamples {
    let training: TrainingExamples
    let test: [TrainingSequence]?
}

/// What came of training.
struct TrainingResult: Encodable {
    var parameters: Int
    var steps: Int
    var bestStep: Int
    var devLoss: Double?
    var devExact: Double?
    var testLoss: Double?
    var testExact: Double?
    var learningRate: Double
    var seconds: Double
    var output: String

    var text: String {
        var lines = [
            "parameters  \(parameters)",
            "steps       \(steps) in \(HumanText.duration(seconds)), the best after \(bestStep)",
        ]
        for (name, loss, exact) in [("dev ", devLoss, devExact), ("test", testLoss, testExact)] {
            guard let loss, let exact else { continue }
            lines.append(
                String(format: "\(name)        loss %.4f, %.1f %% exact", loss, 100 * exact))
        }
        return (lines + ["written     \(output)"]).joined(separator: "\n")
    }
}

/// Runs `body`; its error becomes a message and exit code 1.
func orComplainOfTraining(_ body: () throws -> Void) throws {
    do {
        try orComplain(body)
    } catch let error as TrainingError {
        complain(error.description)
        throw ExitCode.failure
    } catch let error as TokenizationError {
        complain(error.description)
        throw ExitCode.failure
    }
}
