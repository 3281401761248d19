// SPDX-License-Identifier: Apache-2.0

import Inference
import ModelLoading
import TestSupport
import Testing

@testable import Composition

/// What the capture sees of the sample model.
struct LinearInputCaptureTests {
    private static let folder = Repository.path(of: "Samples/model")

    private let model: PackedModel
    private let weights: ModelWeights

    init() throws {
        weights = try ModelWeights.open(folder: Self.folder)
        model = try PackedModel(weights, type: .bf16, threads: 2)
    }

    private func adapter(_ name: String, weight: Double = 1) throws -> WeightedAdapter {
        WeightedAdapter(
            try AdapterWeights.open(
                folder: Repository.path(of: "Samples/adapters/\(name)"), name: name,
                for: weights.configuration), weight: weight)
    }

    private func examples(_ task: String, _ count: Int) throws -> [TokenizedExample] {
        try TokenizedExample.all(
            Array(
                Example.read(path: Repository.path(of: "Samples/eval/\(task).jsonl")).prefix(count)),
            modelFolder: Self.folder, endToken: weights.configuration.endTokens.first)
    }

    private func captured(
        _ adapters: [WeightedAdapter], _ examples: [[TokenizedExample]], share: Double = 1
    ) throws -> LinearInputs {
        try LinearInputCapture(model: model, threads: 2).inputs(
            of: adapters, on: examples, correlationShare: share)
    }

    /// The first layer reads normed embeddings, whatever the adapter: a root mean square of one times
    /// the norm's weight.
    @Test func theFirstInputsAreTheNormedEmbeddings() throws {
        let examples = try examples("roman", 2)
        let tokens = examples.flatMap(\.input)
        let inputs = try captured([adapter("roman")], [examples])
        let size = weights.configuration.hiddenSize
        let embedding = weights.embedding.floats()
        let norm = try #require(weights.norm(layer: 0, .input)).floats().map(Double.init)
        var x = Matrix(zeros: tokens.count, size)
        for (row, token) in tokens.enumerated() {
            let values = embedding[Int(token) * size..<(Int(token) + 1) * size].map(Double.init)
            let square = values.reduce(0) { $0 + $1 * $1 } / Double(size)
            let factor = 1 / (square + Double(weights.configuration.normEpsilon)).squareRoot()
            for column in 0..<size { x[row, column] = values[column] * factor * norm[column] }
        }
        let expected = LinearAlgebra.product(x, x, transposingA: true)
        var found = try inputs.moments(at: AdapterSite(layer: 0, linear: .k))[0]
        // What the solution's uniqueness asks for on the diagonal is small beside the moments.
        found.add(expected, times: -1)
        #expect(found.norm <= 1e-4 * expected.norm)
    }

    /// Behind the first adapted layer inputs depend on the adapter and on its weight.
    @Test func laterInputsAreThoseWithTheAdapter() throws {
        let examples = try examples("roman", 2)
        let site = AdapterSite(layer: 2, linear: .down)
        let moments = try captured(
            [adapter("roman"), adapter("roman", weight: 0), adapter("roman")],
            [examples, examples, examples]
        ).moments(at: site)
        #expect(moments[0] == moments[2])
        #expect(moments[0].distance(to: moments[1]) > 0.01 * moments[0].norm)
    }

    /// The mean of two adapters that was fitted to what they do answers more like each of them, on
    /// that one's task, than their sum and than their average.
    @Test func theFusionServesBothTasksBetterThanSums() throws {
        let adapters = [try adapter("roman"), try adapter("date")]
        let examples = [try examples("roman", 30), try examples("date", 30)]
        let inputs = try captured(
            adapters, examples, share: LinearInputs.usualCorrelationShare)
        let unseen = try ["roman", "date"].map { task in
            try ExampleLoss(
                TokenizedExample.all(
                    Array(
                        Example.read(path: Repository.path(of: "Samples/eval/\(task).jsonl"))
                            .dropFirst(100).prefix(12)),
                    modelFolder: Self.folder, endToken: weights.configuration.endTokens.first),
                model: model, threads: 2)
        }
        func loss(_ method: CompositionMethod, weight: Double) throws -> Double {
            let composed = try AdapterComposition(
                adapters.map { WeightedAdapter($0.adapter, weight: weight) }, by: method,
                for: weights.configuration
            ).run(name: "both")
            let use = AdapterUse(try PackedAdapter(composed.adapter, for: model))
            return try unseen.reduce(0) { $0 + (try $1.value(with: [use])) } / 2
        }
        let fused = try loss(.regressionMean(inputs), weight: 1)
        let (sum, average) = (
            try loss(.concatenate, weight: 1), try loss(.concatenate, weight: 0.5)
        )
        #expect(fused < sum && fused < average, "\(fused), sum \(sum), average \(average)")
    }

    @Test func everyAdapterNeedsExamplesThatFit() throws {
        let long = TokenizedExample(
            prompt: Array(repeating: 1, count: weights.configuration.contextLength + 1),
            completion: [1])
        for examples in [[], [long]] {
            let error = #expect(throws: CompositionError.self) {
                try captured([adapter("roman")], [examples])
            }
            #expect(error?.code == .invalidExamples)
        }
    }
}
