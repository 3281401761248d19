// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Hosting
import Inference
import ManifestLoading
import MoLE
import ModelLoading
import PolicyKit
import Training

struct TrainGate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gate", abstract: "Train what weighs the experts of a mixture.",
        discussion: """
            Writes mole_config.json and mole_gate.safetensors, which the policy mole-gate reads. They \
            are for these experts in this order and with these very weights. With --format x-lora it \
            writes the classifier of an X-LoRA adapter, as PEFT and the policy x-lora-gate read it.
            """)

    @Argument(help: "The manifest, or the base model's folder.")
    var source: String

    @Option(help: "A mixture of the manifest, whose experts are meant.")
    var mixture: String?

    @Option(
        help: ArgumentHelp(
            "The experts in their order, separated by commas.",
            discussion: "Adapters of the manifest or of --adapters; instead of --mixture."))
    var experts: String?

    @Option(help: "The folder with the experts' folders. Default: the manifest's adapters.")
    var adapters: String?

    @OptionGroup(title: "Gate") var gate: GateOptions

    @OptionGroup(title: "Training") var options: TrainingOptions

    func validate() throws {
        guard (mixture == nil) != (experts == nil) else {
            throw ValidationError("give either --mixture or --experts")
        }
    }

    private var choice: TrainedMixture.Choice {
        if let mixture { return .mixture(mixture) }
        return .named((experts ?? "").split(separator: ",").map(String.init))
    }

    func run() throws {
        try orComplainOfTraining {
            let began = ContinuousClock.now
            let mixture = try TrainedMixture(
                source: source, adapters: adapters.map(WorkingFolder.absolute), choice)
            let model = try ModelWeights.open(folder: mixture.model)
            let weights = try mixture.experts.map {
                try AdapterWeights.open(folder: $0.path, name: $0.name, for: model.configuration)
            }
            var configuration = try gate.configuration(mixture, weights, model)
            let classifier =
                gate.format == .xLoRA
                ? try XLoRAFiles(configuration, of: weights, for: model.configuration) : nil
            var settings = options.settings(learningRate: 2e-2)
            settings.alpha = gate.alpha
            settings.whitening = gate.whitening
            settings.whitensByToken = gate.whitenByToken
            let examples = try options.examples(for: model, folder: mixture.model)
            let session = try TrainingSession(
                gate: configuration, of: weights, over: model,
                on: examples.training, settings,
                threads: options.threads ?? availableProcessors())
            try options.run(session)
            configuration.training = try notes(session, settings)
            if let classifier {
                try classifier.write(
                    session.bestTensors, folders: mixture.experts.map(\.path), to: options.folder)
            } else {
                try TrainedFiles.writeGate(configuration, session.bestTensors, to: options.folder)
            }
            options.removeCheckpoint()
            try options.report(session, examples, settings, began: began)
        }
    }

    private func notes(
        _ session: TrainingSession, _ settings: TrainingSettings
    ) throws -> [String: FileValue] {
        var notes: [String: FileValue] = [
            "steps": .number(Double(session.step)), "batch": .number(Double(settings.batch)),
            "learning_rate": .number(settings.learningRate), "alpha": .number(settings.alpha),
            "whitening": .number(settings.whitening),
            "whitens_by_token": .boolean(settings.whitensByToken),
            "weight_decay": .number(settings.weightDecay),
            "warm_up": .number(Double(settings.warmUp)),
            "seed": .string(String(settings.seed)),
            "data_sha256": .string(
                try SHA256.digest(ofFile: WorkingFolder.absolute(options.data))),
        ]
        if let best = session.best {
            notes["best_step"] = .number(Double(best.step))
            notes["dev_loss"] = .number(best.evaluation.loss)
            notes["dev_exact"] = .number(best.evaluation.exact)
        }
        return notes
    }
}

/// The processors that this process may use.
func availableProcessors() -> Int { min(1024, max(1, ThreadTeam.processors.count)) }

/// What a gate computes.
struct GateOptions: ParsableArguments {
    @Option(help: "What the balance of the experts counts beside the loss.")
    var alpha = 0.005

    @Option(
        help: ArgumentHelp(
            "Train in coordinates in which features spread evenly, to within this.",
            discussion:
                "0 for their own, in which tokens that the model hardly tells apart are hard to learn."
        ))
    var whitening = 1e-3

    @Flag(help: "Let each token count once in those coordinates, however often it occurs.")
    var whitenByToken = false

    @Option(help: "Which tokens count: \(names(MoLEConfiguration.Pooling.self)).")
    var pooling = MoLEConfiguration.Pooling.prompt

    @Option(
        help: "Which tokens a causal pool is over: \(names(MoLEConfiguration.PoolSpan.self)).")
    var poolSpan = MoLEConfiguration.PoolSpan.sequence

    @Option(
        help:
            "What pooled sums are divided by: \(names(MoLEConfiguration.PoolDivisor.self)).")
    var poolDivisor = MoLEConfiguration.PoolDivisor.rootCount

    @Option(help: "What the gate sees of a token: \(names(MoLEConfiguration.Reading.self)).")
    var reading = MoLEConfiguration.Reading.blockInput

    @Option(help: "What has weights of its own: \(names(MoLEConfiguration.Granularity.self)).")
    var granularity = MoLEConfiguration.Granularity.network

    @Option(help: "Experts of each token at most that have a weight; 0 for all.")
    var topK = 0

    @Option(
        help: ArgumentHelp(
            "What a gate that reads ranks sees of experts that a request leaves out: "
                + "\(names(MoLEConfiguration.Mask.self)).",
            discussion: "All, so that the others keep their proportions, or nothing."))
    var mask = MoLEConfiguration.Mask.redistribute

    @Option(help: "The files to write: \(names(GateFormat.self)).")
    var format = GateFormat.mole

    @Option(help: "The block at which the only gate of a network reads.")
    var layer = 0

    @Option(help: "What features are divided by: \(names(MoLEConfiguration.Normalisation.self)).")
    var normalisation = MoLEConfiguration.Normalisation.rms

    @Option(help: "Units of the hidden layer; 0 for none.")
    var hidden = 0

    @Flag(help: "Let weights also go to an expert that adds nothing.")
    var nullExpert = false

    func validate() throws {
        guard (0...MoLEConfiguration.maximumHidden).contains(hidden) else {
            throw ValidationError(
                "--hidden must be from 0 to \(MoLEConfiguration.maximumHidden)")
        }
        guard (0...65_535).contains(layer) else {
            throw ValidationError("--layer must be from 0 to 65535")
        }
        guard (0...MixtureDescription.maximumExperts).contains(topK) else {
            throw ValidationError(
                "--top-k must be from 0 to \(MixtureDescription.maximumExperts)")
        }
    }

    func configuration(
        _ mixture: TrainedMixture, _ weights: [AdapterWeights], _ model: ModelWeights
    ) throws -> MoLEConfiguration {
        var configuration = MoLEConfiguration(
            experts: try zip(mixture.experts, weights).map { expert, weights in
                MoLEConfiguration.Expert(
                    name: expert.name,
                    sha256: try SHA256.digest(
                        ofFile: "\(expert.path)/\(AdapterWeights.weightsFile)"),
                    rank: weights.maximumRank)
            })
        // A digest of several files would be one of our own making.
        if model.files.count == 1, let file = model.files.first {
            configuration.baseDigest = try SHA256.digest(ofFile: file.path)
        }
        configuration.pooling = pooling
        configuration.poolSpan = poolSpan
        configuration.poolDivisor = poolDivisor
        configuration.reading = reading
        configuration.granularity = granularity
        configuration.layer = layer
        configuration.normalisation = normalisation
        configuration.hidden = hidden
        configuration.hasNullExpert = nullExpert
        configuration.topK = min(topK, configuration.experts.count)
        configuration.mask = mask
        return configuration
    }
}

/// Whose files a gate is written as.
enum GateFormat: String, CaseIterable, ExpressibleByArgument {
    case mole
    case xLoRA = "x-lora"
}

private func names<Choice: CaseIterable & RawRepresentable>(_: Choice.Type) -> String
where Choice.RawValue == String {
    Choice.allCases.map(\.rawValue).joined(separator: ", ")
}

extension MoLEConfiguration.Pooling: ExpressibleByArgument {}
extension MoLEConfiguration.Mask: ExpressibleByArgument {}
extension MoLEConfiguration.PoolSpan: ExpressibleByArgument {}
extension MoLEConfiguration.PoolDivisor: ExpressibleByArgument {}
extension MoLEConfiguration.Reading: ExpressibleByArgument {}
extension MoLEConfiguration.Granularity: ExpressibleByArgument {}
extension MoLEConfiguration.Normalisation: ExpressibleByArgument {}
