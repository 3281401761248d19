// SPDX-License-Identifier: Apache-2.0

import ModelLoading
import Testing

@testable import Inference

struct StepValidationTests {
    private static let limits = ExecutorConfiguration(
        pageCount: 8, maximumTokens: 40, maximumSequences: 3, contextLength: 64, threads: 1)

    private func executor() throws -> Executor {
        try Executor(model: AwkwardModel.packed(.bf16), configuration: Self.limits)
    }

    private static func chunk(
        _ count: Int, at position: Int = 0, pages: [Int32], token: Int32 = 1,
        logitRows: Int? = nil
    ) -> SequenceChunk {
        SequenceChunk(
            tokens: Array(repeating: token, count: count), position: position, pages: pages,
            logitRows: logitRows ?? min(count, 1))
    }

    private static let faulty: [(String, [SequenceChunk], InferenceError.Code)] = [
        ("no tokens", [chunk(0, pages: [0])], .invalidStep),
        ("more logits than tokens", [chunk(2, pages: [0], logitRows: 3)], .invalidStep),
        ("negative logits", [chunk(2, pages: [0], logitRows: -1)], .invalidStep),
        ("negative token", [chunk(1, pages: [0], token: -1)], .invalidStep),
        ("token past the vocabulary", [chunk(1, pages: [0], token: 203)], .invalidStep),
        ("negative position", [chunk(1, at: -1, pages: [0])], .invalidStep),
        ("position overflows", [chunk(2, at: .max, pages: [0])], .invalidStep),
        ("context exceeded", [chunk(1, at: 64, pages: [0, 1, 2, 3, 4])], .invalidStep),
        ("too few pages", [chunk(17, pages: [0])], .invalidStep),
        ("no pages", [chunk(1, pages: [])], .invalidStep),
        ("negative page", [chunk(1, pages: [-1])], .invalidStep),
        ("page out of range", [chunk(1, pages: [8])], .invalidStep),
        ("too many tokens", [chunk(41, pages: [0, 1, 2])], .tooLarge),
        (
            "too many tokens together",
            [chunk(30, pages: [0, 1]), chunk(11, pages: [2])], .tooLarge
        ),
        ("too many chunks", (0..<4).map { chunk(1, pages: [$0]) }, .tooLarge),
        ("one page written twice", [chunk(1, pages: [0]), chunk(1, pages: [0])], .invalidStep),
        ("one page twice in a chunk", [chunk(17, pages: [3, 3])], .invalidStep),
        (
            "a page read that another writes",
            [chunk(1, at: 16, pages: [0, 1]), chunk(1, pages: [0])], .invalidStep
        ),
        (
            "a fault in the second chunk",
            [chunk(1, pages: [0]), chunk(1, at: 5, pages: [9])], .invalidStep
        ),
    ]

    @Test(arguments: faulty)
    func aFaultyStepIsRefused(
        name: String, chunks: [SequenceChunk], code: InferenceError.Code
    ) throws {
        let executor = try executor()
        let error = #expect(throws: InferenceError.self) {
            try executor.run(ExecutorStep(chunks: chunks))
        }
        #expect(error?.code == code, "\(name): \(error?.description ?? "")")
        // The executor goes on.
        let output = try executor.run(ExecutorStep(chunks: [Self.chunk(3, pages: [5])]))
        #expect(output.rows == [0..<1])
    }

    @Test func adaptersOfAnotherModelAndBadFactorsAreRefused() throws {
        let executor = try executor()
        let own = try AwkwardModel.adapter(rank: 2, for: executor.model)
        let strange = try AwkwardModel.adapter(rank: 2, for: AwkwardModel.packed(.bf16))
        let merged = try MergedModel.build(
            base: strange.model, adapter: strange, team: ThreadTeam(members: 1))
        func code(_ weights: StepWeights, _ uses: [AdapterUse]) -> InferenceError.Code? {
            var chunk = Self.chunk(1, pages: [0])
            chunk.adapters = uses
            let step = ExecutorStep(weights: weights, chunks: [chunk])
            return #expect(throws: InferenceError.self) { try executor.run(step) }?.code
        }
        #expect(code(.base, [AdapterUse(strange)]) == .wrongModel)
        #expect(code(.merged(merged), []) == .wrongModel)
        #expect(code(.base, [AdapterUse(own, factor: .nan)]) == .invalidStep)
        let many = Array(repeating: AdapterUse(own), count: StepValidation.maximumUses + 1)
        #expect(code(.base, many) == .invalidStep)
    }

    @Test func anEmptyStepDoesNothing() throws {
        let output = try executor().run(ExecutorStep(chunks: []))
        #expect(output.rows.isEmpty && output.tokenCount == 0)
    }

    @Test func readOnlyPagesMayBeShared() throws {
        let executor = try executor()
        let prompt = AwkwardModel.prompt(17, seed: 4)
        func chunk(_ tokens: ArraySlice<Int32>, at position: Int, _ pages: [Int32])
            -> SequenceChunk
        {
            SequenceChunk(tokens: Array(tokens), position: position, pages: pages)
        }
        let whole = try executor.run(ExecutorStep(chunks: [chunk(prompt[...], at: 0, [6, 7])]))
        let expected = whole.logits.withRow(0) { Array($0) }
        _ = try executor.run(ExecutorStep(chunks: [chunk(prompt[..<16], at: 0, [2])]))
        let shared = try executor.run(
            ExecutorStep(chunks: [
                chunk(prompt[16...], at: 16, [2, 0]), chunk(prompt[16...], at: 16, [2, 4]),
            ]))
        for row in 0..<2 {
            #expect(shared.logits.withRow(row) { Array($0) } == expected)
        }
    }

    @Test func outputsThatAreStillHeldAreNotWritten() throws {
        let executor = try executor()
        let held = try executor.run(ExecutorStep(chunks: [Self.chunk(1, pages: [0])]))
        let before = held.logits.withRow(0) { Array($0) }
        for token in 2..<9 {
            _ = try executor.run(
                ExecutorStep(chunks: [Self.chunk(1, pages: [0], token: Int32(token))]))
        }
        #expect(held.logits.withRow(0) { Array($0) } == before)
    }

    @Test(
        arguments: [
            (0, 1, 1, 1, 1), (1, 0, 1, 1, 1), (1, 1, 0, 1, 1), (1, 1, 2, 1, 1), (1, 1, 1, 0, 1),
            (1, 1, 1, 1025, 1), (1, 1, 1, 1, 0), (1, .max, 1, 1, 1), (.max, 1, 1, 1, 1),
        ])
    func aConfigurationOutOfRangeIsRefused(_ sizes: (Int, Int, Int, Int, Int)) throws {
        let configuration = ExecutorConfiguration(
            pageCount: sizes.0, maximumTokens: sizes.1, maximumSequences: sizes.2,
            contextLength: sizes.3, threads: sizes.4)
        let model = try AwkwardModel.packed(.bf16)
        let error = #expect(throws: InferenceError.self) {
            try Executor(model: model, configuration: configuration)
        }
        #expect(error?.code == .invalidConfiguration)
    }
}
