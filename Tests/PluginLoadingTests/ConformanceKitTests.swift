// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import PolicyKitTesting
import Testing

/// A batching policy that does what a test says.
private final class ScriptedBatching: BatchingPolicy {
    typealias Plan = (Span<RequestSnapshot>, BatchingContext, inout BatchPlan) throws(PolicyError)
        ->
        Void

    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(type: "scripted-batching", version: "1.0.0", summary: "A test.")
    }
    var script: Plan = { _, _, _ in }
    var state: PolicyState?
    var takesAnyState = false

    init(parameters: NoParameters, seed: UInt64) throws(PolicyError) {}
    init(_ script: @escaping Plan) { self.script = script }

    func plan(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) throws(PolicyError) {
        try script(requests, context, &plan)
    }
    func exportState() -> PolicyState? { state }
    func importState(_ state: PolicyState) throws(PolicyError) {
        guard takesAnyState || state.schema == self.state?.schema else {
            throw PolicyError("unknown layout")
        }
    }

    /// One resident request, chosen by `choose` among those that can compute a token.
    static func one(
        where choose: @escaping (RequestSnapshot, BatchingContext) -> Bool = { _, _ in true }
    ) -> Plan {
        { requests, context, plan in
            var pick: Int?
            for index in requests.indices {
                let request = requests[index]
                let room = request.pendingTokens(
                    withinNewPages: context.limits.freePages,
                    pageTokens: context.limits.pageTokens)
                if request.isAdapterResident, room > 0, choose(request, context), pick == nil {
                    pick = index
                }
            }
            if let pick { plan.entries = [BatchPlan.Entry(index: pick, tokens: 1)] }
        }
    }
}

private struct ScriptedFailure: Error {}

/// Each fault of a policy is found, named, and shown on a small input.
struct ConformanceKitTests {
    private let kit = PolicyConformance(seed: 5, rounds: 200)

    private func batching(_ script: @escaping ScriptedBatching.Plan) -> [Violation] {
        kit.batching { _ in ScriptedBatching(script) }
    }

    private func expect(
        _ violations: [Violation], rule: String, saying words: String,
        location: SourceLocation = #_sourceLocation
    ) {
        let violation = violations.first { $0.rule == rule }
        #expect(violation != nil, "\(violations)", sourceLocation: location)
        #expect(
            violation?.detail.contains(words) == true, "\(violations)", sourceLocation: location)
        #expect(violation?.seed == kit.seed, sourceLocation: location)
    }

    @Test func oneRequestAtATimeConforms() {
        #expect(batching(ScriptedBatching.one()) == [])
    }

    // MARK: - Plans

    @Test func aPolicyThatRunsAllIsShownOneRequest() {
        let found = batching { requests, _, plan in
            for index in requests.indices {
                plan.entries.append(
                    BatchPlan.Entry(index: index, tokens: requests[index].pendingTokens))
            }
        }
        expect(found, rule: "total", saying: "the plan ")
        #expect(found.first?.input.split(separator: "\n").count == 5, "\(found)")
    }

    @Test func anAbsentAdapterIsFoundOnOneRequest() {
        let found = batching { requests, context, plan throws(PolicyError) in
            for index in requests.indices where requests[index].phase == .decoding {
                guard context.limits.freePages > 0 else { return }
                plan.entries = [BatchPlan.Entry(index: index, tokens: 1)]
            }
        }
        let violation = found.first { $0.detail.contains("not resident") }
        #expect(violation?.input.split(separator: "\n").count == 5, "\(found)")
    }

    @Test func aForbiddenMergeIsFound() {
        let found = batching { requests, context, plan throws(PolicyError) in
            try ScriptedBatching.one { request, _ in !request.adapter.isBase }(
                requests, context, &plan)
            guard let entry = plan.entries.first else { return }
            plan.mode = .merged(requests[entry.index].adapter)
        }
        expect(found, rule: "valid", saying: "which fairness forbids")
    }

    @Test func throwingOnNothingIsFound() {
        let found = batching { requests, _, _ throws(PolicyError) in
            if requests.isEmpty { throw PolicyError("no requests") }
        }
        expect(found, rule: "total", saying: "no requests")
    }

    @Test func chanceWithoutTheSeedIsFound() {
        let found = batching { requests, context, plan throws(PolicyError) in
            if Bool.random() { try ScriptedBatching.one()(requests, context, &plan) }
        }
        expect(found, rule: "deterministic", saying: "same seed")
    }

    @Test func aSecondInstanceThatSharesStateIsFound() {
        let shared = Counter()
        let found = batching { requests, context, plan throws(PolicyError) in
            shared.count += 1
            if shared.count % 3 != 0 { try ScriptedBatching.one()(requests, context, &plan) }
        }
        expect(found, rule: "deterministic", saying: "same seed")
    }

    // MARK: - Whole runs

    @Test func holdingBackForEverIsFound() {
        let found = batching(ScriptedBatching.one { request, _ in request.promptTokens > 5 })
        expect(found, rule: "serves everyone", saying: "plan is empty")
        let input = found.first { $0.rule == "serves everyone" }?.input ?? ""
        #expect(input.split(separator: "\n").count == 2, "\(input)")
    }

    @Test func takingPagesFromThoseWhoMustFinishIsFound() {
        let found = batching { requests, context, plan in
            var pages = context.limits.freePages
            for index in requests.indices.reversed() {
                let request = requests[index]
                let room = request.pendingTokens(
                    withinNewPages: pages, pageTokens: context.limits.pageTokens)
                let isFull =
                    plan.entries.count >= min(context.limits.requests, context.limits.tokens)
                guard request.isAdapterResident, room > 0, !isFull else { continue }
                plan.entries.append(BatchPlan.Entry(index: index, tokens: 1))
                pages -= request.newPages(computing: 1, pageTokens: context.limits.pageTokens)
            }
        }
        expect(found, rule: "serves everyone", saying: "unserved for ever")
    }

    @Test func ignoringTheUrgentIsFound() {
        let found = batching { requests, context, plan throws(PolicyError) in
            try ScriptedBatching.one { request, _ in request.adapter.rawValue != 2 }(
                requests, context, &plan)
            if plan.entries.isEmpty {
                try ScriptedBatching.one()(requests, context, &plan)
            }
        }
        expect(found, rule: "serves whom it must", saying: "after fairness put it first")
    }

    // MARK: - State and making

    @Test func takingUnknownStateIsFound() {
        let found = kit.batching { _ in
            let policy = ScriptedBatching(ScriptedBatching.one())
            policy.takesAnyState = true
            return policy
        }
        expect(found, rule: "state", saying: "unknown layout")
    }

    @Test func stateThatIsLostIsFound() {
        let instances = Counter()
        let found = kit.batching { _ in
            let policy = ScriptedBatching(ScriptedBatching.one())
            instances.count += 1
            policy.state = PolicyState(schema: "count/1", bytes: [UInt8(instances.count % 256)])
            return policy
        }
        expect(found, rule: "state", saying: "other state")
    }

    @Test func aPolicyThatCannotBeMadeIsReported() {
        let found = kit.batching { _ throws -> ScriptedBatching in throw ScriptedFailure() }
        expect(found, rule: "makeable", saying: "ScriptedFailure")
    }
}

private final class Counter {
    var count = 0
}
