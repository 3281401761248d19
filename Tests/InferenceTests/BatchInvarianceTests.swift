// SPDX-License-Identifier: Apache-2.0

import ModelLoading
import Testing

@testable import Inference

/// A request's logits are the same bits whatever runs beside it and however it is cut.
struct BatchInvarianceTests {
    private static let cases = TestedKernels.all.flatMap { kernels in
        WeightType.allCases.map { (kernels, $0) }
    }

    private func bits(_ generation: Generation) -> [[UInt32]] {
        generation.logits.map { $0.map(\.bitPattern) }
    }

    /// Nine requests: base, several ranks, the same adapter twice, two adapters at once.
    private func mixedRequests(_ model: PackedModel) throws -> [TestRequest] {
        let ranks = try [1, 3, 8, 17, 64].map { try AwkwardModel.adapter(rank: $0, for: model) }
        let uses: [[AdapterUse]] = [
            [AdapterUse(ranks[1])], [], [AdapterUse(ranks[0])], [AdapterUse(ranks[2])],
            [AdapterUse(ranks[3])], [AdapterUse(ranks[1])], [AdapterUse(ranks[4])],
            [AdapterUse(ranks[3], factor: -1), AdapterUse(ranks[1])], [],
        ]
        let lengths = [41, 5, 17, 16, 33, 1, 30, 20, 64]
        return zip(uses, lengths).enumerated().map { index, item in
            TestRequest(
                prompt: AwkwardModel.prompt(item.1, seed: UInt64(index)), adapters: item.0,
                count: 4)
        }
    }

    @Test(arguments: cases)
    func aRequestGetsTheSameBitsAloneAndAmongOthers(kernels: TestedKernels, type: WeightType) throws
    {
        let model = try AwkwardModel.packed(type)
        let requests = try mixedRequests(model)
        let executor = try GreedyDriver.executor(model, kernels: kernels)
        let together = try GreedyDriver(executor: executor).run(requests)
        for (request, batched) in zip(requests, together) {
            let alone = try GreedyDriver(executor: executor).run([request], seed: 99)
            #expect(bits(alone[0]) == bits(batched), "prompt of \(request.prompt.count)")
        }
        #expect(Set(together.map { $0.logits[0].map(\.bitPattern) }).count == together.count)
    }

    @Test(arguments: cases)
    func aPromptGetsTheSameBitsHoweverItIsCut(kernels: TestedKernels, type: WeightType) throws {
        let model = try AwkwardModel.packed(type)
        let request = try mixedRequests(model)[0]
        let executor = try GreedyDriver.executor(model, kernels: kernels)
        let whole = try GreedyDriver(executor: executor).run([request])
        for chunk in [1, 3, 16, 17] {
            let cut = try GreedyDriver(executor: executor, chunk: chunk).run([request], seed: 5)
            #expect(bits(cut[0]) == bits(whole[0]), "chunks of \(chunk)")
        }
    }

    /// As a guess is verified: the logits after each of the last tokens, in one step.
    @Test(arguments: cases)
    func eachRowOfAChunkGetsTheBitsOfAStepOfItsOwn(kernels: TestedKernels, type: WeightType) throws
    {
        let model = try AwkwardModel.packed(type)
        let requests = try Array(mixedRequests(model).prefix(5))
        let executor = try GreedyDriver.executor(model, kernels: kernels)
        let single = try GreedyDriver(executor: executor).run(requests)
        let chunks = zip(requests, single).enumerated().map { index, pair in
            SequenceChunk(
                tokens: pair.0.prompt + pair.1.tokens.dropLast(), position: 0,
                pages: (0..<8).map { Int32(index * 8 + $0) }, adapters: pair.0.adapters,
                logitRows: index == 4 ? 1 : 4)
        }
        let output = try executor.run(ExecutorStep(chunks: chunks))
        for (rows, expected) in zip(output.rows, single) {
            let found = rows.map { output.logits.withRow($0) { $0.map(\.bitPattern) } }
            #expect(found == Array(bits(expected).suffix(rows.count)))
        }
        #expect(output.rows.map(\.count) == [4, 4, 4, 4, 1])
    }

    @Test(arguments: cases)
    func aLongContextGetsTheSameBitsSharedOutOrNot(kernels: TestedKernels, type: WeightType) throws
    {
        let model = try AwkwardModel.packed(type)
        func executor(threads: Int) throws -> Executor {
            try kernels.executor(
                model,
                ExecutorConfiguration(
                    pageCount: 512, maximumTokens: 1024, maximumSequences: 32, contextLength: 1024,
                    threads: threads))
        }
        let long = TestRequest(prompt: AwkwardModel.prompt(700, seed: 3), count: 2)
        let others = (0..<24).map {
            TestRequest(prompt: AwkwardModel.prompt(6, seed: $0), count: 2)
        }
        let alone = try GreedyDriver(executor: executor(threads: 2)).run([long])
        let crowded = try GreedyDriver(executor: executor(threads: 1), chunk: 90)
            .run([long] + others)
        #expect(bits(alone[0]) == bits(crowded[0]))
    }

    @Test func theNumberOfThreadsDoesNotMatter() throws {
        let model = try AwkwardModel.packed(.bf16)
        let requests = try mixedRequests(model)
        let results = try [1, 2, 3].map { threads in
            try GreedyDriver(executor: GreedyDriver.executor(model, threads: threads))
                .run(requests).map(bits)
        }
        #expect(results[0] == results[1])
        #expect(results[0] == results[2])
    }
}
