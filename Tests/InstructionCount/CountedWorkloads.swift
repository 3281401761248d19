// SPDX-License-Identifier: Apache-2.0

import Inference
import ModelLoading

/// Steps of a small fixed model on one thread.
struct CountedWorkloads {
    /// Is given each workload's name and a step that is like the one before it.
    typealias Count = (_ name: String, _ step: () throws -> Void) throws -> Void

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
        merged = try MergedModel.build(base: model, adapter: adapters[0], team: executor.team)
        self.type = type
    }

    /// Gives every workload to `count`.
    func run(_ count: Count) throws {
        func give(
            _ name: String, _ chunks: [SequenceChunk], weights: StepWeights = .base
        ) throws {
            let step = ExecutorStep(weights: weights, chunks: chunks)
            // The first one makes the memory that later ones use again; the runtime makes types
            // when they are first used.
            for _ in 0..<2 { _ = try executor.run(step) }
            try count("\(type.rawValue) \(name)") { _ = try executor.run(step) }
        }
        try give("prefill 64", [prompt(adapter: nil)])
        try give("prefill 64, 1 adapter", [prompt(adapter: 0)])
        try give("decode 1", decoding(1, adapters: 0))
        try give("decode 1, 1 adapter", decoding(1, adapters: 1))
        try give("decode 8", decoding(8, adapters: 0))
        try give("decode 8, 8 adapters", decoding(8, adapters: 8))
        try give("decode 8, merged", decoding(8, adapters: 0), weights: .merged(merged))
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
