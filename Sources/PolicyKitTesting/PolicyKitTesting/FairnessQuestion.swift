// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// A random state of a replica, for a fairness policy to arrange.
struct FairnessQuestion: PolicyQuestion {
    var requests: [RequestSnapshot]
    var context: FairnessContext

    init(requests: [RequestSnapshot], context: FairnessContext) {
        self.requests = requests
        self.context = context
    }

    init(_ size: QuestionSize, from generator: inout SeededGenerator) {
        let now = generator.instant()
        requests = generator.requests(count: size.count(from: &generator), at: now)
        context = FairnessContext(now: now, limits: generator.limits())
        context.currentMode = generator.mode(among: requests)
        context.costs = generator.costs()
        context.wantsReason = generator.chance(oneIn: 4)
    }

    func ask(_ subject: any FairnessPolicy) throws(PolicyError) -> FairnessArrangement {
        var arrangement = FairnessArrangement(order: Array(requests.indices))
        try subject.arrange(requests.span, in: context, into: &arrangement)
        return arrangement
    }

    func violation(of arrangement: FairnessArrangement) -> String? {
        guard arrangement.order.sorted() == Array(requests.indices) else {
            return "the order is not a permutation of the \(requests.count) requests"
        }
        let adapters = Set(requests.map(\.adapter))
        guard Set(arrangement.mustServe).count == arrangement.mustServe.count else {
            return "an adapter must be served twice"
        }
        for adapter in arrangement.mustServe + arrangement.notMergeable.sorted()
        where !adapters.contains(adapter) {
            return "names adapter \(adapter.rawValue), of which there is no request"
        }
        return arrangement.violationOfAborts(among: requests.span)?.description
    }

    func report(
        _ arrangement: FairnessArrangement, to subject: any FairnessPolicy,
        from generator: inout SeededGenerator
    ) {
        let inOrder = arrangement.order.filter(requests.indices.contains).map { requests[$0] }
        let most = context.limits.requests
        var step = StepObservation(
            start: context.now, stepTime: generator.duration(upToMicroseconds: 50_000),
            mode: generator.mode(among: requests), served: Array(inOrder.prefix(most)))
        step.servedTokens = step.served.map { generator.integer(1...max(1, $0.pendingTokens)) }
        step.mergeTime = generator.duration(upToMicroseconds: 20_000)
        step.promptTokens = generator.integer(0...context.limits.tokens)
        step.decodeTokens = generator.integer(0...step.served.count)
        let displaced = requests.prefix(most).filter { _ in generator.chance(oneIn: 3) }
        let advanced = step.served.filter { _ in generator.chance(oneIn: 3) }
        subject.settle(
            ServiceSettlement(
                now: context.now.advanced(by: step.stepTime), step: step,
                displaced: Array(displaced), advanced: advanced))
    }

    func shortened(stillFails: (FairnessQuestion) -> Bool) -> FairnessQuestion {
        func with(_ requests: [RequestSnapshot]) -> FairnessQuestion {
            FairnessQuestion(requests: requests, context: context)
        }
        return with(PolicyKitTesting.shortened(requests) { stillFails(with($0)) })
    }

    var text: String { listing([context.limits.text] + requests.map(\.text)) }

    static func policy(_ subject: any FairnessPolicy) -> any Policy { subject }
}
