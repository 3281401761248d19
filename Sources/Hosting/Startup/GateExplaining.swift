// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import HTTPServing
internal import Inference
package import Logging
internal import ManifestLoading
internal import ModelLoading
internal import PolicyKit
internal import Tokenization

/// Runs one prompt on a mixture and records what its gate gives, without a server.
package struct GateExplaining {
    private let loaded: LoadedManifest
    private let log: Logger

    package init(_ loaded: LoadedManifest, log: Logger) {
        self.loaded = loaded
        self.log = log
    }

    /// Computes the prompt in one piece, then the likeliest tokens one by one, to the end of the
    /// answer or `fields.maxTokens` of them. Takes as long as that takes.
    ///
    /// - Throws: `HostError` where the manifest or the prompt is at fault, or the gate fails.
    package func explain(
        _ name: String, _ fields: PromptFields
    ) throws(HostError) -> GateExplanation {
        let threads = ProcessInfo.processInfo.activeProcessorCount
        let opening = ModelOpening(loaded: loaded, threads: threads, created: 0)
        let model = try opening.model()
        let mixture = try mixture(named: name, opening, model)
        let prompt = try prompt(fields, model)
        let most = min(fields.maxTokens ?? .max, model.contextLength - prompt.count)
        guard most > 0 else {
            throw HostError(
                .badConfiguration,
                "the prompt has \(prompt.count) tokens, and the context \(model.contextLength)")
        }
        do throws(InferenceError) {
            var run = try GateRun(
                mixture, model: model, prompt: prompt, most: most, threads: threads)
            return try run.explanation()
        } catch {
            throw HostError(.cannotStart, "mixture '\(name)': \(error.description)")
        }
    }

    private func mixture(
        named name: String, _ opening: ModelOpening, _ model: ServedModel
    ) throws(HostError) -> OpenedMixture {
        let mixtures = try opening.mixtures(of: try opening.adapters(for: model), for: model)
        if let mixture = mixtures.first(where: { $0.name == name }) { return mixture }
        let known = mixtures.map(\.name).sorted().joined(separator: ", ")
        throw HostError(
            .badConfiguration,
            "the manifest has no mixture '\(name)'; "
                + (known.isEmpty ? "it has none" : "known: \(known)"))
    }

    private func prompt(
        _ fields: PromptFields, _ model: ServedModel
    ) throws(HostError) -> [Int32] {
        do throws(APIError) {
            let request = try OnePrompt.request(for: fields)
            let job = try JobResolution(model: model, catalog: AdapterCatalog())
                .job(for: request, tenant: TenantID(rawValue: 0))
            return job.prompts.first ?? []
        } catch {
            throw HostError(.badConfiguration, error.message)
        }
    }
}

/// A prompt that runs on an executor of its own.
private struct GateRun {
    let mixture: OpenedMixture
    let model: ServedModel
    let packed: PackedAdapter
    let executor: Executor
    let recorder: GateRecorder
    let promptCount: Int
    let pages: [Int32]
    var tokens: [Int32]
    let most: Int

    init(
        _ mixture: OpenedMixture, model: ServedModel, prompt: [Int32], most: Int, threads: Int
    ) throws(InferenceError) {
        self.mixture = mixture
        self.model = model
        self.most = most
        promptCount = prompt.count
        tokens = prompt
        let pageCount = ExecutorConfiguration.pages(for: prompt.count + most)
        pages = (0..<Int32(pageCount)).map { $0 }
        var configuration = ExecutorConfiguration(
            pageCount: pageCount, maximumTokens: prompt.count, maximumSequences: 1,
            contextLength: model.contextLength, threads: threads)
        configuration.gateStateFloats = mixture.stateFloats
        configuration.keepsScalingPass = mixture.needsScalingPass
        executor = try Executor(model: model.packed, configuration: configuration)
        packed = try PackedAdapter(
            mixture: mixture.name, experts: mixture.experts, gate: mixture.gate,
            for: model.packed, team: executor.team)
        recorder = GateRecorder()
        executor.gateRecorder = recorder
    }

    mutating func explanation() throws(InferenceError) -> GateExplanation {
        let ends = model.configuration.endTokens
        var computed = 0
        while computed < tokens.count {
            let next = try step(from: computed)
            computed = tokens.count
            guard tokens.count - promptCount < most, !ends.contains(next) else { break }
            tokens.append(next)
        }
        let answer = Array(tokens.dropFirst(promptCount))
        return GateExplanation(
            mixture: mixture.name, experts: mixture.source.names,
            tokens: tokens.enumerated().map { index, token in
                GateExplanation.Token(
                    id: Int(token), text: text(of: token), isPrompt: index < promptCount)
            },
            answer: model.tokenizer?.decode(answer, skipSpecialTokens: true) ?? "",
            depths: depths)
    }

    /// Computes the tokens from `position` on.
    ///
    /// - Returns: the likeliest token after them.
    private func step(from position: Int) throws(InferenceError) -> Int32 {
        let held = ExecutorConfiguration.pages(for: tokens.count)
        let chunk = SequenceChunk(
            tokens: Array(tokens[position...]), position: position,
            pages: Array(pages.prefix(held)), adapters: [AdapterUse(packed)],
            gating: ChunkGating(promptTokens: promptCount))
        let output = try executor.run(ExecutorStep(chunks: [chunk]))
        if let failure = output.gateFailures.first { throw failure }
        guard let row = output.rows[0].last else { return 0 }
        return output.logits.withRow(row) { logits in
            let best = logits.indices.max { logits[$0] < logits[$1] }
            return Int32(best ?? 0)
        }
    }

    private func text(of token: Int32) -> String {
        model.tokenizer?.tokenText(token) ?? "\(token)"
    }

    // MARK: - Depths

    /// Each point of the gate is a depth; one that covers all layers is one for each of these.
    private var depths: [GateExplanation.Depth] {
        let points = mixture.gate.traits.points
        return points.enumerated().flatMap { index, point in
            let entries = recorder.entries.filter { $0.point == index }
            let layers = max(1, point.coveredLayers)
            return (0..<layers).map { layer in
                let name: String
                if point.coveredLayers > 0 {
                    name = "block \(layer)"
                } else {
                    name = point.layer < 0 ? "all blocks" : "block \(point.layer)"
                }
                return GateExplanation.Depth(
                    name: name, reading: point.reading.word,
                    weights: weights(entries, part: layer, of: layers))
            }
        }
    }

    /// For each token the mean over a part of the sets of weights.
    private func weights(
        _ entries: [GateRecorder.Weights], part: Int, of parts: Int
    ) -> [[Double]] {
        let experts = mixture.experts.count
        var rows = Array(repeating: Array(repeating: 0.0, count: experts), count: tokens.count)
        for entry in entries where rows.indices.contains(entry.position) {
            let sets = entry.values.count / experts / parts
            for set in part * sets..<(part + 1) * sets {
                for expert in 0..<experts {
                    rows[entry.position][expert] +=
                        Double(entry.values[set * experts + expert]) / Double(sets)
                }
            }
        }
        return rows
    }
}

extension GateReading {
    /// What it is called in reports.
    fileprivate var word: String {
        switch self {
        case .tokens: "tokens"
        case .finalHidden: "finalHidden"
        case .blockInput: "blockInput"
        case .input(let group): "input of \(group)"
        case .shrunk(let group): "ranks of \(group)"
        }
    }
}
