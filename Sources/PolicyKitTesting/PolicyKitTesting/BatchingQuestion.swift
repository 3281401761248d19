// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// A random state of a replica, for a batching policy to plan on.
struct BatchingQuestion: PolicyQuestion {
    var requests: [RequestSnapshot]
    var context: BatchingContext

    init(requests: [RequestSnapshot], context: BatchingContext) {
        self.requests = requests
        self.context = context
    }

    init(_ size: QuestionSize, from generator: inout SeededGenerator) {
        let now = generator.instant()
        requests = generator.requests(count: size.count(from: &generator), at: now)
        context = BatchingContext(now: now, limits: generator.limits())
        context.currentMode = generator.mode(among: requests)
        context.copies = generator.copies(among: requests)
        context.costs = generator.costs()
        context.wantsReason = generator.chance(oneIn: 4)
        context.mustServe = generator.someAdapters(of: requests)
        context.notMergeable = Set(generator.someAdapters(of: requests))
        if generator.chance(oneIn: 3) { requests.shuffle(using: &generator) }
    }

    func ask(_ subject: any BatchingPolicy) throws(PolicyError) -> BatchPlan {
        var plan = BatchPlan()
        try subject.plan(requests.span, in: context, into: &plan)
        return plan
    }

    func violation(of plan: BatchPlan) -> String? {
        if let error = plan.violation(for: requests.span, under: context.limits) {
            return error.description
        }
        for adapter in [plan.mode.mergedAdapter, plan.prepares].compactMap({ $0 })
        where context.notMergeable.contains(adapter) {
            return "the plan merges adapter \(adapter.rawValue), which fairness forbids"
        }
        return nil
    }

    func report(
        _ plan: BatchPlan, to subject: any BatchingPolicy, from generator: inout SeededGenerator
    ) {
        guard !plan.entries.isEmpty else { return }
        subject.observe(observation(of: plan, from: &generator))
    }

    /// What an iteration of this plan might have been.
    func observation(
        of plan: BatchPlan, from generator: inout SeededGenerator
    ) -> StepObservation {
        let valid = plan.entries.filter { requests.indices.contains($0.index) }
        var step = StepObservation(
            start: context.now, stepTime: generator.duration(upToMicroseconds: 50_000),
            mode: plan.mode, served: valid.map { requests[$0.index] })
        step.mergeTime = generator.duration(upToMicroseconds: 20_000)
        for entry in valid {
            if requests[entry.index].phase == .decoding {
                step.decodeTokens += 1
            } else {
                step.promptTokens += entry.tokens
            }
        }
        return step
    }

    func shortened(stillFails: (BatchingQuestion) -> Bool) -> BatchingQuestion {
        func with(_ requests: [RequestSnapshot]) -> BatchingQuestion {
            BatchingQuestion(requests: requests, context: context)
        }
        return with(PolicyKitTesting.shortened(requests) { stillFails(with($0)) })
    }

    var text: String {
        let adapters = context.mustServe.map { "\($0.rawValue)" }.joined(separator: ", ")
        let unmergeable = context.notMergeable.sorted().map { "\($0.rawValue)" }
            .joined(separator: ", ")
        return listing(
            [
                context.limits.text, context.copies.text, context.costs.text,
                "  mode before \(context.currentMode), must serve [\(adapters)], not mergeable "
                    + "[\(unmergeable)]",
            ] + requests.map(\.text))
    }

    static func policy(_ subject: any BatchingPolicy) -> any Policy { subject }
}
