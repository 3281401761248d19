// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// Puts questions that came as frames to a policy, and writes its answers.
struct PolicyAnswering {
    /// State beyond this is left where it is: it would slow each answer that it comes with.
    private static let mostStateBytes = 256 << 10

    let policy: any Policy
    private var solve: (() throws(PolicyError) -> MigrationPlan)?

    init(_ policy: any Policy) { self.policy = policy }

    var placementInterval: Duration? { (policy as? any DispatchPolicy)?.placementInterval }

    /// The answer to a question, or `nil` where none is waited for.
    mutating func reply(to bytes: [UInt8]) -> FrameWriter? {
        var frame = FrameReader(bytes)
        var answer = FrameWriter(capacity: 4096)
        var wantsState = false
        do throws(PolicyError) {
            guard let kind = QuestionKind(rawValue: try frame.integer()) else {
                throw PolicyError("this is no question that a policy can be asked")
            }
            wantsState = try frame.value()
            answer.put(true)
            try ask(kind, &frame, &answer)
            if kind.isNotice { return nil }
        } catch {
            answer = FrameWriter()
            answer.put(false)
            answer.put(error.description)
        }
        answer.put(wantsState ? smallState : nil)
        return answer
    }

    private var smallState: PolicyState? {
        guard let state = policy.exportState(), state.bytes.count <= Self.mostStateBytes else {
            return nil
        }
        return state
    }

    private mutating func ask(
        _ kind: QuestionKind, _ frame: inout FrameReader, _ answer: inout FrameWriter
    ) throws(PolicyError) {
        switch kind {
        case .make: throw PolicyError("the policy is made already")
        case .exportState: answer.put(policy.exportState())
        case .importState: try policy.importState(try frame.value())
        case .plan, .observeStep:
            try ask(kind, try expect((any BatchingPolicy).self), &frame, &answer)
        case .arrange, .settle:
            try ask(kind, try expect((any FairnessPolicy).self), &frame, &answer)
        case .choose, .place:
            try ask(kind, try expect((any DispatchPolicy).self), &frame, &answer)
        case .isDue, .propose, .solve, .observeMigration:
            try ask(kind, try expect((any MigrationPolicy).self), &frame, &answer)
        case .evict:
            let policy = try expect((any ResidencyPolicy).self)
            let candidates: [AdapterSnapshot] = try frame.value()
            answer.put(try policy.evict(from: candidates.span, at: try frame.value()))
        }
    }

    private func expect<Kind>(_ kind: Kind.Type) throws(PolicyError) -> Kind {
        guard let policy = policy as? Kind else {
            throw PolicyError("the policy is of another kind than the question")
        }
        return policy
    }

    private func ask(
        _ kind: QuestionKind, _ policy: any BatchingPolicy, _ frame: inout FrameReader,
        _ answer: inout FrameWriter
    ) throws(PolicyError) {
        guard kind == .plan else { return policy.observe(try frame.value()) }
        let requests: [RequestSnapshot] = try frame.value()
        var plan = BatchPlan()
        try policy.plan(requests.span, in: try frame.value(), into: &plan)
        answer.put(plan)
    }

    private func ask(
        _ kind: QuestionKind, _ policy: any FairnessPolicy, _ frame: inout FrameReader,
        _ answer: inout FrameWriter
    ) throws(PolicyError) {
        guard kind == .arrange else { return policy.settle(try frame.value()) }
        let requests: [RequestSnapshot] = try frame.value()
        var arrangement = FairnessArrangement(order: Array(requests.indices))
        try policy.arrange(requests.span, in: try frame.value(), into: &arrangement)
        answer.put(arrangement)
    }

    private func ask(
        _ kind: QuestionKind, _ policy: any DispatchPolicy, _ frame: inout FrameReader,
        _ answer: inout FrameWriter
    ) throws(PolicyError) {
        guard kind == .choose else { return answer.put(try policy.place(in: try frame.value())) }
        let request: RequestSnapshot = try frame.value()
        let replicas: [ReplicaSnapshot] = try frame.value()
        answer.put(
            try policy.choose(for: request, among: replicas.span, at: try frame.value()))
    }

    private mutating func ask(
        _ kind: QuestionKind, _ policy: any MigrationPolicy, _ frame: inout FrameReader,
        _ answer: inout FrameWriter
    ) throws(PolicyError) {
        switch kind {
        case .isDue:
            let replicas: [ReplicaSnapshot] = try frame.value()
            answer.put(policy.isDue(among: replicas.span, at: try frame.value()))
        case .propose:
            switch try policy.propose(for: try frame.value()) {
            case .none: answer.put(SentProposal.none)
            case .plan(let plan): answer.put(SentProposal.plan(plan))
            case .solve(let closure):
                solve = closure
                answer.put(SentProposal.solve)
            @unknown default: throw PolicyError("the proposal is of an unknown sort")
            }
        case .solve:
            guard let solve else { throw PolicyError("there is nothing to solve") }
            self.solve = nil
            answer.put(try solve())
        default:
            let outcome: MigrationOutcome = try frame.value()
            policy.observe(outcome, at: try frame.value())
        }
    }
}
