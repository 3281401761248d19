// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import Inference
internal import ModelLoading

/// The cross-entropy of the answers of examples, each token given the right ones before it.
package final class ExampleLoss {
    package let examples: [TokenizedExample]
    package let model: PackedModel
    private let executor: Executor
    private let batches: [[SequenceChunk]]

    private static let maximumSequences = 64
    private static let maximumTokens = 4096
    /// Of one batch; bounds the memory of logits.
    private static let maximumLogits = 1 << 26

    /// - Throws: `invalidExamples` where one is longer than the context or there are none.
    package init(
        _ examples: [TokenizedExample], model: PackedModel, threads: Int
    ) throws(CompositionError) {
        self.examples = examples
        self.model = model
        let context = model.configuration.contextLength
        for example in examples where example.input.count > context {
            throw CompositionError(
                .invalidExamples,
                "an example has \(example.input.count) tokens, the model's context is \(context)")
        }
        guard let longest = examples.map(\.input.count).max() else {
            throw CompositionError(.invalidExamples, "there are none; give some with --data")
        }
        let layout = Self.batches(of: examples, vocabulary: model.configuration.vocabularySize)
        batches = layout.batches
        do {
            executor = try Executor(
                model: model,
                configuration: ExecutorConfiguration(
                    pageCount: layout.pageCount, maximumTokens: layout.tokenCount,
                    maximumSequences: batches.map(\.count).max() ?? 1, contextLength: longest,
                    threads: threads))
        } catch {
            throw CompositionError(error)
        }
    }

    /// Nats per token of the answers, with these adapters and factors.
    package func value(with adapters: [AdapterUse]) throws(CompositionError) -> Double {
        var sum = 0.0
        var count = 0
        var first = 0
        for batch in batches {
            let chunks = batch.map { chunk in
                var chunk = chunk
                chunk.adapters = adapters
                return chunk
            }
            let output: StepOutput
            do {
                output = try executor.run(ExecutorStep(chunks: chunks))
            } catch {
                throw CompositionError(error)
            }
            for (index, rows) in output.rows.enumerated() {
                for (row, token) in zip(rows, examples[first + index].completion) {
                    sum += output.logits.withRow(row) { Self.loss($0, Int(token)) }
                    count += 1
                }
            }
            first += batch.count
        }
        return sum / Double(count)
    }

    private static func loss(_ logits: UnsafeBufferPointer<Float>, _ token: Int) -> Double {
        let most = Double(logits.max() ?? 0)
        let total = logits.reduce(0.0) { $0 + exp(Double($1) - most) }
        return log(total) + most - Double(logits[token])
    }

    /// The examples in steps, in their order; each step begins with the first page again.
    private static func batches(
        of examples: [TokenizedExample], vocabulary: Int
    ) -> (batches: [[SequenceChunk]], pageCount: Int, tokenCount: Int) {
        var batches: [[SequenceChunk]] = []
        var (tokens, logits, pages) = (0, 0, 0)
        var (pageCount, tokenCount) = (0, 0)
        for example in examples {
            let input = example.input
            let wanted = example.completion.count * vocabulary
            let isFull =
                batches.last?.count == maximumSequences || tokens + input.count > maximumTokens
                || logits + wanted > maximumLogits
            if batches.isEmpty || isFull {
                batches.append([])
                (tokens, logits, pages) = (0, 0, 0)
            }
            let needed = ExecutorConfiguration.pages(for: input.count)
            batches[batches.count - 1].append(
                SequenceChunk(
                    tokens: input, position: 0,
                    pages: (pages..<pages + needed).map { Int32($0) },
                    logitRows: example.completion.count))
            tokens += input.count
            logits += wanted
            pages += needed
            pageCount = max(pageCount, pages)
            tokenCount = max(tokenCount, tokens)
        }
        return (batches, pageCount, tokenCount)
    }
}
