// SPDX-License-Identifier: Apache-2.0

internal import Inference
internal import PolicyKit

/// A step that is run to see what it takes: some rows that decode, some chunks of prompts, with
/// adapters in turn.
nonisolated struct StepDesign: Hashable, Sendable {
    /// Rows that decode, and the tokens before each.
    var decodes = 0
    var context = 16

    /// Chunks of prompts, the tokens of each, and the tokens before it.
    var prompts = 0
    var promptTokens = 0
    var promptPosition = 0

    /// Distinct adapters that the rows and chunks use in turn; 0 is the base alone.
    var adapters = 0

    /// The page of the replica that its first sequence begins with.
    var firstPage = 0

    /// Whether it runs on a merged copy, of the adapter that all rows have.
    var isMerged = false

    /// Rows and chunks.
    var sequences: Int { decodes + prompts }

    var tokens: Int { decodes + prompts * promptTokens }

    /// Tokens whose keys and values are there before.
    var cachedTokens: Int { decodes * context + prompts * promptPosition }

    /// What it computes, as the scheduler counts it; `ranks` are those of the adapters.
    func work(ranks: [Int]) -> StepWork {
        var work = StepWork()
        work.decodeTokens = decodes
        work.promptTokens = prompts * promptTokens
        work.attendedTokens =
            decodes * (context + 1)
            + prompts * (promptTokens * promptPosition + promptTokens * (promptTokens + 1) / 2)
        work.isMerged = isMerged
        guard !isMerged, adapters > 0 else { return work }
        for index in 0..<sequences {
            work.addPath(
                rank: ranks[index % adapters], tokens: index < decodes ? 1 : promptTokens,
                isFirst: index < adapters)
        }
        return work
    }
}

/// What the steps of a calibration may be.
nonisolated struct DesignLimits: Sendable {
    var batch: Int
    var stepTokens: Int
    var contextLength: Int

    /// Tokens for which there are keys and values.
    var cachedTokens: Int
    var adapters: Int
    var merges: Bool

    /// The most tokens that a step attends to.
    static let mostCachedTokens = 4096

    /// Steps that write all keys and values that others attend to.
    var filling: [StepDesign] {
        let page = ExecutorConfiguration.pageTokens
        let tokens = min(256, stepTokens, contextLength - 1) / page * page
        guard tokens > 0 else { return [] }
        return stride(from: 0, to: cachedTokens + batch * page - tokens, by: tokens).map {
            StepDesign(prompts: 1, promptTokens: tokens, firstPage: $0 / page)
        }
    }

    /// Steps over batches, prompts, contexts and adapters; each once.
    var designs: [StepDesign] {
        var designs: [StepDesign] = []
        for count in Self.sizes(upTo: batch) { designs += decoding(count) }
        for tokens in Self.sizes(upTo: min(stepTokens, cachedTokens, contextLength - 1))
        where tokens >= 4 {
            designs += prompt(tokens)
        }
        var seen: Set<StepDesign> = []
        return designs.filter { fits($0) && seen.insert($0).inserted }
    }

    /// 1 to 8, 10, 12, 14, 16, 24, 32, 48 and so on, and `most`.
    private static func sizes(upTo most: Int) -> [Int] {
        let powers = (0..<24).flatMap { power in
            (power < 4 ? [4, 5, 6, 7] : [4, 6]).map { ($0 << power) / 4 }
        }
        return Set(powers + [most]).filter { $0 <= most }.sorted()
    }

    /// The longest context that so many rows can have.
    private func context(of rows: Int) -> Int {
        max(1, min(contextLength - 2, cachedTokens / max(1, rows) - 1))
    }

    private func decoding(_ count: Int) -> [StepDesign] {
        let (short, long) = (min(16, context(of: count)), context(of: count))
        let middle = min(128, long)
        func step(_ context: Int, adapters: Int = 0, isMerged: Bool = false) -> StepDesign {
            StepDesign(
                decodes: count, context: context, adapters: adapters, isMerged: isMerged)
        }
        return [
            step(short), step(middle), step(long), step(short, adapters: 1),
            step(middle, adapters: min(count, adapters)),
            step(long, adapters: min(count, adapters)),
            step(middle, adapters: min((count + 1) / 2, adapters)),
            step(middle, adapters: 1, isMerged: true), step(long, adapters: 1, isMerged: true),
        ]
    }

    private func prompt(_ tokens: Int) -> [StepDesign] {
        let middle = min(64, context(of: batch))
        let position = max(0, min(256, contextLength - tokens - 1, cachedTokens - tokens))
        func step(
            _ count: Int = 1, at position: Int = 0, beside decodes: Int = 0, adapters: Int = 0
        ) -> StepDesign {
            StepDesign(
                decodes: decodes, context: middle, prompts: count, promptTokens: tokens / count,
                promptPosition: position, adapters: min(adapters, self.adapters, decodes + count))
        }
        var steps = [
            step(), step(adapters: 1), step(at: position),
            step(beside: batch / 2, adapters: batch),
        ]
        // What takes long is varied less.
        guard tokens <= 64 else { return steps }
        steps += [
            step(2, adapters: 2), step(4, adapters: 4), step(beside: batch - 1),
            step(at: position, beside: min(2, batch - 1), adapters: 3),
        ]
        steps.append(StepDesign(prompts: 1, promptTokens: tokens, adapters: 1, isMerged: true))
        return steps
    }

    private func fits(_ step: StepDesign) -> Bool {
        step.sequences >= 1 && step.sequences <= batch && step.tokens <= stepTokens
            && step.adapters <= adapters && (step.prompts == 0 || step.promptTokens > 0)
            && (!step.isMerged || (merges && adapters > 0))
            && pageTokens(of: step) <= cachedTokens + batch * ExecutorConfiguration.pageTokens
            && step.promptPosition + step.promptTokens < contextLength
    }

    /// Tokens of the pages that so many tokens need.
    private static func whole(_ tokens: Int) -> Int {
        ExecutorConfiguration.pages(for: tokens) * ExecutorConfiguration.pageTokens
    }

    private func pageTokens(of step: StepDesign) -> Int {
        Self.whole(step.context + 1) * step.decodes
            + Self.whole(step.promptPosition + step.promptTokens) * step.prompts
    }
}
