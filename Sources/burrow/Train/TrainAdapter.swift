// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ModelLoading
import Training

struct TrainAdapter: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "adapter", abstract: "Train a LoRA adapter and write it as PEFT does.")

    @Argument(help: "The base model's folder.")
    var model: String

    @Option(help: "The adapter's rank.")
    var rank = 8

    @Option(help: "The adapter counts this over its rank. Default: twice the rank.")
    var adapterAlpha: Double?

    @Option(
        parsing: .upToNextOption,
        help: "The linear layers it acts on: q k v o gate up down. Default: all.")
    var targets: [String] = []

    @OptionGroup(title: "Training") var options: TrainingOptions

    func validate() throws {
        for target in targets where LinearKind(rawValue: target) == nil {
            throw ValidationError(
                "--targets: '\(target)' is none of "
                    + LinearKind.allCases.map(\.rawValue).joined(separator: " "))
        }
    }

    func run() throws {
        try orComplainOfTraining {
            let began = ContinuousClock.now
            let folder = WorkingFolder.absolute(model)
            let weights = try ModelWeights.open(folder: folder)
            let wanted = Set(targets.compactMap(LinearKind.init(rawValue:)))
            let shape = AdapterShape(
                rank: rank, alpha: adapterAlpha ?? Double(2 * rank),
                targets: LinearKind.allCases.filter { wanted.isEmpty || wanted.contains($0) })
            var settings = options.settings(learningRate: 1e-3)
            settings.alpha = 0
            let examples = try options.examples(for: weights, folder: folder)
            let session = try TrainingSession(
                adapter: shape, over: weights,
                on: examples.training, settings,
                threads: options.threads ?? availableProcessors())
            try options.run(session)
            try TrainedFiles.writeAdapter(
                shape, of: weights, session.bestTensors, to: options.folder)
            options.removeCheckpoint()
            try options.report(session, examples, settings, began: began)
        }
    }
}
