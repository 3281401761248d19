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

    @Option(help: "The folder to write; it is made if need be.")
    var output: String

    @Option(help: "Steps, unless --patience ends it earlier.")
    var steps = 1000

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

    /// Both files as tokens.
    func examples(for model: ModelWeights, folder: String) throws -> TrainingExamples {
        let tokenizer = try Tokenizer.load(folder: folder)
        guard let end = Self.endToken(of: model.configuration, tokenizer) else {
            throw TrainingError(
                .invalidSettings, "the model names no token that ends an answer", at: folder)
        }
        let reader = ExampleReader(
            tokenizer, endToken: end, contextLength: model.configuration.contextLength,
            vocabularySize: model.configuration.vocabularySize)
        return TrainingExamples(
            train: try reader.examples(path: WorkingFolder.absolute(data)),
            dev: try reader.examples(path: WorkingFolder.absolute(dev)))
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

    /// What came out, for people or programs.
    func say(_ session: TrainingSession, settings: TrainingSettings, began: ContinuousClock.Instant)
        throws
    {
        let result = TrainingResult(
            parameters: session.parameterCount, steps: session.step,
            bestStep: session.best?.step ?? 0, devLoss: session.best?.evaluation.loss,
            devExact: session.best?.evaluation.exact, learningRate: settings.learningRate,
            seconds: (ContinuousClock.now - began) / .seconds(1), output: folder)
        burrow.say(json ? try burrow.json(result) : result.text)
    }
}

/// What came of training.
struct TrainingResult: Encodable {
    var parameters: Int
    var steps: Int
    var bestStep: Int
    var devLoss: Double?
    var devExact: Double?
    var learningRate: Double
    var seconds: Double
    var output: String

    var text: String {
        func digits(_ number: Double?, _ format: String) -> String {
            number.map { String(format: format, $0) } ?? "–"
        }
        return """
            parameters  \(parameters)
            steps       \(steps) in \(HumanText.duration(seconds)), the best after \(bestStep)
            dev loss    \(digits(devLoss, "%.4f"))
            dev exact   \(digits(devExact.map { 100 * $0 }, "%.1f")) %
            written     \(output)
            """
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
