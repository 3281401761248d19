// SPDX-License-Identifier: Apache-2.0

import CallgrindRequests
import Inference
import ModelLoading

/// Steps of a small fixed model on one thread, counted by callgrind while this runs under it.
struct CountedWorkloads {
    /// Small, but every panel is full and every size is that of a real model in proportion.
    private static let configuration = ModelConfiguration(
        family: .llama, hiddenSize: 128, intermediateSize: 320, layerCount: 2, headCount: 4,
        kvHeadCount: 2, headSize: 32, vocabularySize: 256, contextLength: 256,
        tiedEmbeddings: true)
    private static let batch = 8
    private static let pages = ExecutorConfiguration.pages(for: 128)

    private let executor: Executor
    private let adapters: [PackedAdapter]
    private let merged: MergedModel
    private let type: WeightType

    init(_ type: WeightType) throws {
        let weights = try ModelWeights.synthetic(Self.configuration, name: "small", seed: 1)
        let model = try PackedModel(weights, type: type)
        adapters = try (0..<Self.batch).map { index in
            try PackedAdapter(
                AdapterWeights.synthetic(
                    name: "\(index)", rank: 8, seed: UInt64(index), for: Self.configuration),
                for: model)
        }
        executor = try Executor(
            model: model,
            configuration: ExecutorConfiguration(
                pageCount: Self.batch * Self.pages, maximumTokens: 64,
                maximumSequences: Self.batch, contextLength: 128, threads: 1))
        merged = try MergedModel(base: model, adapter: adapters[0], team: executor.team)
        self.type = type
    }

    /// Runs everything once.
    func run() throws {
        try count("prefill 64", [prompt(adapter: nil)])
        try count("prefill 64, 1 adapter", [prompt(adapter: 0)])
        try count("decode 1", decoding(1, adapters: 0))
        try count("decode 1, 1 adapter", decoding(1, adapters: 1))
        try count("decode 8", decoding(8, adapters: 0))
        try count("decode 8, 8 adapters", decoding(8, adapters: 8))
        try count("decode 8, merged", decoding(8, adapters: 0), weights: .merged(merged))
    }

    /// Counts the second of two equal steps: the first one fills what later ones use again.
    private func count(
        _ name: String, _ chunks: [SequenceChunk], weights: StepWeights = .base
    ) throws {
        let step = ExecutorStep(weights: weights, chunks: chunks)
        _ = try executor.run(step)
        callgrind_begin()
        _ = try executor.run(step)
        callgrind_end("\(type.rawValue) \(name)")
    }

    private func prompt(adapter: Int?) -> SequenceChunk {
        SequenceChunk(
            tokens: (0..<64).map { Int32($0 * 7 % 256) }, position: 0,
            pages: (0..<Self.pages).map(Int32.init),
            adapters: adapter.map { [AdapterUse(adapters[$0])] } ?? [])
    }

    private func decoding(_ batch: Int, adapters count: Int) -> [SequenceChunk] {
        (0..<batch).map { index in
            SequenceChunk(
                tokens: [Int32(index * 31)], position: 64,
                pages: (0..<Self.pages).map { Int32(index * Self.pages + $0) },
                adapters: count == 0 ? [] : [AdapterUse(adapters[index % count])])
        }
    }
}
