// SPDX-License-Identifier: Apache-2.0

import Inference
import ModelLoading
import Testing

@testable import Hosting

/// Steps as a compute thread runs them, one ahead of the other.
struct StepWorkerTests {
    private static let configuration = ModelConfiguration(
        family: .llama, hiddenSize: 32, intermediateSize: 64, layerCount: 2, headCount: 2,
        kvHeadCount: 1, headSize: 16, vocabularySize: 97, contextLength: 256,
        tiedEmbeddings: true)

    private func worker() throws -> StepWorker {
        let model = try PackedModel(
            ModelWeights.synthetic(Self.configuration, name: "small", seed: 5), type: .f32,
            threads: 1)
        let executor = try Executor(
            model: model,
            configuration: ExecutorConfiguration(
                pageCount: 8, maximumTokens: 16, maximumSequences: 4, contextLength: 128,
                threads: 1))
        return StepWorker(executor: .success(executor))
    }

    private func sampler(endTokens: [Int32] = []) throws -> SequenceSampler {
        var parameters = SamplingParameters()
        parameters.temperature = 0
        parameters.endTokens = endTokens
        return SequenceSampler(
            try Sampler(
                parameters, prompt: [], vocabularySize: Self.configuration.vocabularySize,
                fallbackSeed: 1))
    }

    private func prompt(_ sampler: SequenceSampler, page: Int32 = 0) -> StepRow {
        StepRow(
            chunk: SequenceChunk(tokens: [3, 1, 4], position: 0, pages: [page]), sampler: sampler)
    }

    private func next(_ sampler: SequenceSampler, page: Int32 = 0) -> StepRow {
        var row = StepRow(
            chunk: SequenceChunk(tokens: [], position: 3, pages: [page]), sampler: sampler)
        row.endsWithDrawn = true
        return row
    }

    private func job(_ number: Int, isAhead: Bool = false, _ rows: [StepRow]) -> StepJob {
        var job = StepJob(number: number, isAhead: isAhead)
        job.rows = rows
        return job
    }

    private func tokens(_ result: StepResult) throws -> [Int32?] {
        try result.output.get().drawn.map { try $0?.get().first?.sampled.token }
    }

    @Test
    func aRowGoesOnWithTheTokenThatTheStepBeforeDrew() throws {
        var worker = try worker()
        let sampler = try sampler()
        let first = try tokens(worker.run(job(1, [prompt(sampler)]), nearlyDone: {}))
        let ahead = try tokens(
            worker.run(job(2, isAhead: true, [next(sampler)]), nearlyDone: {}))

        let known = try self.sampler()
        let whole = SequenceChunk(
            tokens: [3, 1, 4, try #require(first[0])], position: 0, pages: [1])
        let again = try tokens(
            worker.run(job(3, [StepRow(chunk: whole, sampler: known)]), nearlyDone: {}))
        #expect(ahead == again)
    }

    @Test
    func aTextThatHasEndedIsLeftOutOfTheStepAhead() throws {
        var worker = try worker()
        let free = try sampler()
        let token = try #require(
            tokens(worker.run(job(1, [prompt(free)]), nearlyDone: {}))[0])
        let ending = try sampler(endTokens: [token])
        let other = try sampler()
        let rows = [prompt(ending, page: 1), prompt(other, page: 2)]
        #expect(try tokens(worker.run(job(2, rows), nearlyDone: {})) == [token, token])
        let result = worker.run(
            job(3, isAhead: true, [next(ending, page: 1), next(other, page: 2)]), nearlyDone: {})
        #expect(try result.output.get().dropped == [0])
        #expect(try tokens(result)[0] == nil && tokens(result)[1] != nil)
    }

    @Test
    func aStepAheadIsWithdrawnWhenTheOneBeforeFails() throws {
        var worker = try worker()
        let sampler = try sampler()
        var bad = prompt(sampler)
        bad.chunk.pages = [99]
        var reached = 0
        let failed = worker.run(job(1, [bad]), nearlyDone: { reached += 1 })
        #expect(throws: InferenceError.self) { try failed.output.get() }
        let withdrawn = worker.run(
            job(2, isAhead: true, [prompt(sampler)]), nearlyDone: { reached += 1 })
        #expect(throws: InferenceError.withdrawn) { try withdrawn.output.get() }
        let next = worker.run(job(3, [prompt(sampler)]), nearlyDone: { reached += 1 })
        #expect(try tokens(next).count == 1)
        #expect(reached == 1)
    }
}
