// SPDX-License-Identifier: Apache-2.0

import Foundation
import Inference
import ModelLoading

/// The memory of a process that serves many adapters and long sequences.
enum MemoryInUse {
    /// Resident bytes while 16 sequences of 1,024 tokens decode, each on an adapter of its own; the
    /// model's files, or the random weights they stand for, are not held any more.
    static func measure(
        of open: () throws -> ModelWeights, type: WeightType, keys: KeyValueType, threads: Int,
        rank: Int
    ) throws -> Int {
        let (batch, context) = (16, 1024)
        let model = try PackedModel(open(), type: type, threads: threads)
        let configuration = model.configuration
        let adapters = try (0..<batch).map { index in
            try PackedAdapter(
                AdapterWeights.synthetic(
                    name: "synthetic-\(index)", rank: rank, seed: UInt64(index),
                    for: configuration),
                for: model)
        }
        let pages = ExecutorConfiguration.pages(for: context)
        var limits = ExecutorConfiguration(
            pageCount: batch * pages, maximumTokens: 512, maximumSequences: batch,
            contextLength: context, threads: threads)
        limits.keyValueType = keys
        let executor = try Executor(model: model, configuration: limits)
        var most = 0
        for start in stride(from: 0, through: context - 32, by: 32) {
            let last = start + 32 == context
            let chunks = (0..<batch).map { index in
                SequenceChunk(
                    tokens: [Int32](repeating: Int32(index), count: last ? 31 : 32),
                    position: start, pages: (0..<pages).map { Int32(index * pages + $0) },
                    adapters: [AdapterUse(adapters[index])])
            }
            _ = try executor.run(ExecutorStep(chunks: chunks))
            most = max(most, resident() ?? 0)
        }
        return most
    }

    private static func resident() -> Int? {
        let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = text?.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
    }
}
