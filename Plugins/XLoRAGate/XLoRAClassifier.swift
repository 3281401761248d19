// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// The linear layers of an X-LoRA classifier.
struct XLoRAClassifier: Sendable {
    private struct Layer {
        let weight: GateProjection
        let bias: [Float]

        func apply(to row: Span<Float>, into output: inout [Float]) {
            output.removeAll(keepingCapacity: true)
            output.append(contentsOf: bias)
            var sums = output.mutableSpan
            weight.add(row, scaledBy: 1, to: &sums, at: 0)
        }
    }

    private let layers: [Layer]

    var inputs: Int { layers[0].weight.inputs }
    var outputs: Int { layers[layers.count - 1].weight.outputs }

    /// Takes `….internal_xlora_classifier.layers.<n>.weight` and `.bias`; the numbers between those
    /// of the linear layers are those of activations.
    ///
    /// - Throws: ``PolicyError`` where there are more or fewer layers than the depth, or where their
    ///   sizes do not follow from one another.
    init(_ tensors: [String: GateTensor], depth: Int) throws(PolicyError) {
        var weights: [Int: GateTensor] = [:]
        var biases: [Int: GateTensor] = [:]
        for name in tensors.keys.sorted() {
            let words = name.split(separator: ".")
            guard let at = words.firstIndex(of: "internal_xlora_classifier"),
                words.count == at + 4, words[at + 1] == "layers", let number = Int(words[at + 2]),
                let tensor = tensors[name], tensor.values.allSatisfy(\.isFinite)
            else {
                throw PolicyError("the tensor '\(name)' is none of a classifier's, or not finite")
            }
            switch words[at + 3] {
            case "weight": weights[number] = tensor
            case "bias": biases[number] = tensor
            default: throw PolicyError("the tensor '\(name)' is none of a classifier's")
            }
        }
        guard weights.count == depth, biases.keys.allSatisfy({ weights[$0] != nil }) else {
            throw PolicyError(
                "the classifier has \(weights.count) linear layers; 'xlora_depth' is \(depth)")
        }
        var layers: [Layer] = []
        for (number, tensor) in weights.sorted(by: { $0.key < $1.key }) {
            let weight = try GateProjection(tensor)
            let bias = biases[number]?.values ?? Array(repeating: 0, count: weight.outputs)
            let width = layers.last?.weight.outputs ?? weight.inputs
            guard bias.count == weight.outputs, weight.inputs == width else {
                throw PolicyError(
                    "layer \(number) of the classifier has a shape \(tensor.shape) and \(bias.count) "
                        + "biases after a layer of \(width)")
            }
            layers.append(Layer(weight: weight, bias: bias))
        }
        self.layers = layers
    }

    /// The outputs for one hidden state.
    ///
    /// - Parameters:
    ///   - row: `[inputs]`.
    ///   - hasReLU: Whether negative values become 0 between the layers.
    ///   - output: Replaced; of any length before.
    ///   - scratch: As `output`.
    func classify(
        _ row: Span<Float>, hasReLU: Bool, into output: inout [Float], scratch: inout [Float]
    ) {
        layers[0].apply(to: row, into: &output)
        for layer in layers.dropFirst() {
            swap(&output, &scratch)
            if hasReLU { for index in scratch.indices { scratch[index] = max(0, scratch[index]) } }
            layer.apply(to: scratch.span, into: &output)
        }
    }
}
