// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// The scalings of X-LoRA: of every token, from its final hidden state, for every linear layer.
final class ClassifierGate: Gate {
    let traits: GateTraits
    private let configuration: XLoRAConfiguration
    private let classifier: XLoRAClassifier
    private let experts: Int

    /// Where the weights of each of the classifier's layers go; one where all layers share them.
    private let sets: [Int]

    init(
        _ configuration: XLoRAConfiguration, _ classifier: XLoRAClassifier,
        places: [MatrixPlace], of mixture: MixtureDescription
    ) {
        let point =
            configuration.isLayerwise
            ? GatePoint(.finalHidden, coveringLayers: mixture.layers) : GatePoint(.finalHidden)
        traits = GateTraits(points: [point])
        self.configuration = configuration
        self.classifier = classifier
        experts = mixture.experts.count
        sets = configuration.isLayerwise ? places.map(point.set(of:)) : [0]
        stride = point.matrices * mixture.experts.count
    }

    /// Weights of one row.
    private let stride: Int

    func weigh(
        at point: Int, features: Span<Float>, rows: Span<GateRow>,
        states: inout MutableSpan<Float>, weights: inout MutableSpan<Float>
    ) throws(PolicyError) {
        let width = classifier.inputs
        guard features.count == rows.count * width, weights.count == rows.count * stride else {
            throw PolicyError(
                "\(features.count) features of \(rows.count) rows, not \(width) of each")
        }
        for index in weights.indices { weights[index] = 0 }
        var (logits, scratch): ([Float], [Float]) = ([], [])
        for row in rows.indices {
            classifier.classify(
                features.extracting(row * width..<(row + 1) * width),
                hasReLU: configuration.hasReLU, into: &logits, scratch: &scratch)
            for (layer, set) in sets.enumerated() {
                weigh(
                    logits.span.extracting(layer * experts..<(layer + 1) * experts),
                    masked: rows[row].masked, into: &weights, at: row * stride + set * experts)
            }
        }
    }

    /// The weights at one layer.
    private func weigh(
        _ logits: Span<Float>, masked: UInt64, into weights: inout MutableSpan<Float>, at start: Int
    ) {
        if configuration.hasSoftmax {
            ExpertSoftmax(temperature: configuration.temperature).weigh(
                logits, experts: experts, masked: masked, into: &weights, at: start)
        } else {
            for expert in 0..<experts where masked >> UInt64(expert) & 1 == 0 {
                weights[start + expert] = logits[expert]
            }
        }
        var dropped = masked
        if configuration.top > 0 { dropped |= drop(from: masked, &weights, at: start) }
        if configuration.hasTopSoftmax {
            let chosen = (0..<experts).map { weights[start + $0] }
            ExpertSoftmax().weigh(
                chosen.span, experts: experts, masked: dropped, into: &weights, at: start)
        }
        for expert in 0..<experts { weights[start + expert] *= configuration.globalWeight }
    }

    /// Sets all but the highest weights to 0, without any compensation, and says which.
    private func drop(
        from masked: UInt64, _ weights: inout MutableSpan<Float>, at start: Int
    ) -> UInt64 {
        var (kept, dropped): (UInt64, UInt64) = (0, 0)
        for _ in 0..<configuration.top {
            var best: Int?
            for expert in 0..<experts where (masked | kept) >> UInt64(expert) & 1 == 0 {
                guard let higher = best else {
                    best = expert
                    continue
                }
                if weights[start + expert] > weights[start + higher] { best = expert }
            }
            guard let best else { break }
            kept |= 1 << UInt64(best)
        }
        for expert in 0..<experts where kept >> UInt64(expert) & 1 == 0 {
            weights[start + expert] = 0
            dropped |= 1 << UInt64(expert)
        }
        return dropped
    }
}
