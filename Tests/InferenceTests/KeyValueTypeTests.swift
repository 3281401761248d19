// SPDX-License-Identifier: Apache-2.0

import CKernels
import Foundation
import ModelLoading
import TestSupport
import Testing

@testable import Inference

/// Keys and values kept in bf16.
struct KeyValueTypeTests {
    private func executor(
        _ model: PackedModel, _ type: KeyValueType, _ kernels: TestedKernels, threads: Int = 2
    ) throws -> Executor {
        var configuration = ExecutorConfiguration(
            pageCount: 512, maximumTokens: 1024, maximumSequences: 32, contextLength: 1024,
            threads: threads)
        configuration.keyValueType = type
        return try kernels.executor(model, configuration)
    }

    private let requests = [3, 17, 40, 700].map {
        TestRequest(prompt: AwkwardModel.prompt($0, seed: UInt64($0)), count: 3)
    }

    @Test(arguments: TestedKernels.all)
    func aRequestGetsTheSameBitsAloneAndAmongOthers(kernels: TestedKernels) throws {
        let model = try AwkwardModel.packed(.bf16)
        let together = try GreedyDriver(executor: executor(model, .bf16, kernels), chunk: 90)
            .run(requests)
        let executor = try executor(model, .bf16, kernels, threads: 1)
        for (request, batched) in zip(requests, together) {
            let alone = try GreedyDriver(executor: executor).run([request], seed: 9)
            #expect(alone[0].logits == batched.logits, "prompt of \(request.prompt.count)")
        }
    }

    @Test(arguments: TestedKernels.all)
    func roundingMovesTheLogitsALittle(kernels: TestedKernels) throws {
        let model = try AwkwardModel.packed(.f32)
        let exact = try GreedyDriver(executor: executor(model, .f32, kernels)).run(requests)
        let rounded = try GreedyDriver(executor: executor(model, .bf16, kernels)).run(requests)
        for (left, right) in zip(exact, rounded) {
            let difference = zip(left.logits[0], right.logits[0]).map { abs($0 - $1) }.max() ?? 0
            let scale = left.logits[0].map(abs).max() ?? 0
            #expect(difference > 0 && difference < 0.02 * scale)
        }
    }

    @Test func halfTheMemoryIsTaken() throws {
        let model = try AwkwardModel.packed(.f32)
        let bytes = try KeyValueType.allCases.map {
            try executor(model, $0, TestedKernels.all[0]).cacheBytes
        }
        // A head of 22 elements is padded to 32 either way.
        #expect(bytes[1] * 2 == bytes[0])
        let pages = KeyValueType.allCases.map {
            ExecutorConfiguration.pageBytes(of: model.configuration, as: $0) * 512
        }
        #expect(pages == bytes)
    }

    /// The attention of one query over some keys and values, computed in double precision from what
    /// bf16 keeps of them.
    @Test(arguments: TestedKernels.all, [2, 16, 22, 32, 64, 80])
    func attentionIsRightForEachHeadSize(kernels: TestedKernels, headSize: Int) throws {
        let table = try kernels.kernels()
        for type in KeyValueType.allCases {
            var generator = SeededRandom(seed: UInt64(headSize))
            let bench = try AttentionCase(
                headSize: headSize, tokens: 37, type: type, random: &generator)
            let result = bench.attend(table)
            let worst = zip(result, bench.expected()).map { abs(Double($0) - $1) }.max() ?? 1
            #expect(worst < 2e-6, "\(type), head of \(headSize)")
        }
    }
}

/// One head with random keys and values in pages of a cache, and one query.
private struct AttentionCase {
    let headSize: Int
    let tokens: Int
    let type: KeyValueType
    let query: [Float]
    let keys: [[Float]]
    let values: [[Float]]
    private let memory: AlignedMemory
    private let cache: KernelCache
    private let pages: [Int32] = [2, 0, 1]

    init(
        headSize: Int, tokens: Int, type: KeyValueType, random: inout SeededRandom
    ) throws {
        func vector() -> [Float] {
            (0..<headSize).map { _ in Float.random(in: -1...1, using: &random) }
        }
        self.headSize = headSize
        self.tokens = tokens
        self.type = type
        query = vector()
        keys = (0..<tokens).map { _ in vector() }
        values = (0..<tokens).map { _ in vector() }
        let stride = type.valueStride(headSize: headSize)
        let (keyPage, valuePage) = (headSize * 16, stride * 16)
        memory = try AlignedMemory(byteCount: 3 * (keyPage + valuePage) * 4 + 4096, for: "a test")
        cache = KernelCache(
            type: type.kernelType, keys: memory.base, values: memory.base + 3 * keyPage * 4,
            key_page_stride: keyPage, value_page_stride: valuePage, key_head_stride: keyPage,
            value_head_stride: valuePage, value_stride: stride)
    }

    func attend(_ kernels: KernelTable) -> [Float] {
        // Position 0 does not rotate, so that keys come out as they went in.
        let angles = (0..<headSize).map { Float($0 < headSize / 2 ? 1 : 0) }
        for token in 0..<tokens {
            var row = query + keys[token] + values[token]
            row.withUnsafeMutableBufferPointer { row in
                angles.withUnsafeBufferPointer { angles in
                    var rope = KernelRope(
                        row: row.baseAddress, key_column: headSize, value_column: 2 * headSize,
                        heads: 1, kv_heads: 1, head_size: headSize, query_norm: nil,
                        key_norm: nil, epsilon: 0, angles: angles.baseAddress, cache: cache,
                        page: pages[token / 16], slot: token % 16)
                    kernels.rope(&rope)
                }
            }
        }
        let stateStride = 32 + headSize.roundedUp(to: 32)
        var scratch = [Float](repeating: 0, count: headSize + 2 * stateStride)
        var out = [Float](repeating: 0, count: headSize)
        scratch.withUnsafeMutableBufferPointer { scratch in
            out.withUnsafeMutableBufferPointer { out in
                query.withUnsafeBufferPointer { query in
                    pages.withUnsafeBufferPointer { pages in
                        guard let base = scratch.baseAddress else { return }
                        var attention = KernelAttention(
                            cache: cache, head: 0, pages: pages.baseAddress,
                            q: query.baseAddress, q_stride: headSize, scale: 0.5, rows: 1,
                            group: 1, head_size: headSize, position: tokens - 1,
                            first_token: 0, end_token: tokens, queries: base,
                            state: base + headSize, segment_state: base + headSize + stateStride,
                            state_stride: stateStride, out: out.baseAddress, out_stride: headSize)
                        kernels.attend(&attention)
                    }
                }
            }
        }
        return out
    }

    func expected() -> [Double] {
        func kept(_ x: Float) -> Double {
            guard type == .bf16 else { return Double(x) }
            let bits = x.bitPattern
            return Double(Float(bitPattern: (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000))
        }
        let weights = keys.map { key in
            exp(zip(query, key).reduce(0) { $0 + Double($1.0) * kept($1.1) } * 0.5)
        }
        let sum = weights.reduce(0, +)
        return (0..<headSize).map { d in
            zip(weights, values).reduce(0) { $0 + $1.0 * kept($1.1[d]) } / sum
        }
    }
}
