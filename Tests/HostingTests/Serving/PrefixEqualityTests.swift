// SPDX-License-Identifier: Apache-2.0

import Inference
import PolicyKit
import Scheduling
import TestSupport
import Testing

/// Sharing pages does not change one bit of any answer.
struct PrefixEqualityTests {
    private struct Run {
        var answers: [RequestID: ReplicaRun.Answer]
        var counters: ReplicaCounters
    }

    /// Asks the questions a few at a time while earlier ones are answered.
    private func run(
        _ questions: [ReplicaRun.Question], _ run: ReplicaRun, seed: UInt64
    ) throws -> Run {
        var run = run
        var random = SeededRandom(seed: seed)
        for (index, question) in questions.enumerated() {
            run.ask(question, as: RequestID(rawValue: UInt64(index)))
            for _ in 0..<random.below(12) { _ = try run.step() }
            #expect(run.scheduler.inconsistencies() == [], "seed \(seed)")
        }
        while try run.step() {}
        #expect(run.scheduler.counters.finished == questions.count, "seed \(seed)")
        return Run(answers: run.answers, counters: run.scheduler.counters)
    }

    @Test(arguments: WeightType.allCases, 0..<6 as Range<UInt64>)
    func answersAreTheSameBitsWithAndWithoutSharing(type: WeightType, seed: UInt64) throws {
        let model = try SmallModel(type)
        var random = SeededRandom(seed: seed)
        let questions = model.questions(24, &random)
        // Fourteen pages: little more than the longest request needs.
        let shared = try run(
            questions, ReplicaRun(model, pages: 14, sharesPrefixes: true), seed: seed)
        let apart = try run(
            questions, ReplicaRun(model, pages: 14, sharesPrefixes: false), seed: seed)
        let (on, off) = (shared.counters, apart.counters)
        print(
            """
            \(type), seed \(seed): \(on.prefixHitTokens) of \(on.prefixQueryTokens) prompt tokens shared, \
            \(on.promptTokens) computed instead of \(off.promptTokens), \(on.preemptions) and \
            \(off.preemptions) preemptions
            """)
        #expect(shared.answers == apart.answers, "seed \(seed)")
        #expect(on.prefixHitTokens > 0 && off.prefixHitTokens == 0, "seed \(seed)")
        #expect(on.promptTokens < off.promptTokens, "seed \(seed)")
    }

    @Test
    func theseTestsDoPreempt() throws {
        let model = try SmallModel()
        var preemptions = 0
        for seed in 0..<4 as Range<UInt64> {
            var random = SeededRandom(seed: seed)
            let questions = model.questions(24, &random)
            preemptions += try run(
                questions, ReplicaRun(model, pages: 14, sharesPrefixes: true), seed: seed
            ).counters.preemptions
        }
        #expect(preemptions > 0)
    }

    /// Merged and mixed steps give slightly other numbers; they must not get into the answer of a
    /// request that runs unmerged.
    @Test(arguments: 0..<8 as Range<UInt64>)
    func unmergedAnswersDoNotDependOnMergedStepsBefore(seed: UInt64) throws {
        let model = try SmallModel()
        var random = SeededRandom(seed: seed)
        let questions = model.questions(30, &random)
        let wandering = NamedPolicy<any BatchingPolicy>(
            name: "wandering", policy: Wandering(seed: seed))
        let mixed = try run(
            questions,
            ReplicaRun(model, pages: 40, sharesPrefixes: true, batching: wandering), seed: seed)
        let plain = try run(
            questions, ReplicaRun(model, pages: 40, sharesPrefixes: false), seed: seed)
        let unmerged = mixed.answers.filter(\.value.isUnmerged)
        print(
            """
            seed \(seed): \(unmerged.count) of \(questions.count) ran unmerged, \
            \(mixed.counters.prefixHitTokens) tokens were shared
            """)
        for (id, answer) in unmerged {
            #expect(answer == plain.answers[id], "seed \(seed), request \(id.rawValue)")
        }
        #expect(unmerged.count > 3 && unmerged.count < questions.count, "seed \(seed)")
        #expect(mixed.counters.prefixHitTokens > 0, "seed \(seed)")
    }
}

/// Plans as the built-in default does, and now and then merges for a while.
private final class Wandering: BatchingPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(type: "wandering", version: "1.0.0", summary: "Changes modes.")
    }

    private var random: SeededRandom
    private var stepsLeft = 0
    private var isMerging = false

    init(parameters: NoParameters = NoParameters(), seed: UInt64) {
        random = SeededRandom(seed: seed)
    }

    func plan(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) throws(PolicyError) {
        try FirstComeFirstServedBatching().plan(requests, in: context, into: &plan)
        if stepsLeft == 0 {
            isMerging.toggle()
            stepsLeft = isMerging ? 1 + random.below(6) : 10 + random.below(40)
        }
        stepsLeft -= 1
        let adapters = plan.entries.map { requests[$0.index].adapter }.filter { !$0.isBase }
        guard isMerging, let adapter = adapters.randomElement(using: &random) else { return }
        if random.chance(30) {
            plan.mode = .mixed(adapter)
        } else {
            plan.mode = .merged(adapter)
            plan.entries.removeAll { requests[$0.index].adapter != adapter }
        }
    }
}
