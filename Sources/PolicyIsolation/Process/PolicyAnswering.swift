// SPDX-License-Identifier: Apache-2.0

import CIsolation
import PolicyKit

/// Puts questions that came as frames to a policy, and writes its answers.
struct PolicyAnswering {
    /// State beyond this is left where it is: it would slow each answer that it comes with.
    private static let mostStateBytes = 256 << 10

    let policy: any Policy
    private var solve: (() throws(PolicyError) -> MigrationPlan)?

    /// Processor time when the policy was called last, and what it used.
    private var began: Int64 = 0
    private var used: Int64 = 0

    init(_ policy: any Policy) { self.policy = policy }

    var placementInterval: Duration? { (policy as? any DispatchPolicy)?.placementInterval }

    /// The answer to a question, or `nil` where none is waited for.
    mutating func reply(to bytes: [UInt8]) -> FrameWriter? {
        var frame = FrameReader(bytes)
        var answer = FrameWriter(capacity: 4096)
        var wantsState = false
        used = 0
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
        answer.put(used)
        answer.put(wantsState ? smallState : nil)
        return answer
    }

    private var smallState: PolicyState? {
        guard let state = policy.exportState(), state.bytes.count <= Self.mostStateBytes else {
            return nil
        }
        return state
    }

    /// What the policy is called with has been read: what follows is on its account.
    private mutating func begin() { began = burrow_isolation_processor_time() }

    private mutating func end() { used = burrow_isolation_processor_time() - began }

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
            let now: Instant = try frame.value()
            begin()
            let adapter = try policy.evict(from: candidates.span, at: now)
            end()
            answer.put(adapter)
        }
    }

    private func expect<Kind>(_ kind: Kind.Type) throws(PolicyError) -> Kind {
        guard let policy = policy as? Kind else {
            throw PolicyError("the policy is of another kind than the question")
        }
        return policy
    }

    private mutating func ask(
        _ kind: QuestionKind, _ policy: any BatchingPolicy, _ frame: inout FrameReader,
        _ answer: inout FrameWriter
    ) throws(PolicyError) {
        guard kind == .plan else { return policy.observe(try frame.value()) }
        let requests: [RequestSnapshot] = try frame.value()
        var plan = BatchPlan()
        let context: BatchingContext = try frame.value()
        begin()
        try policy.plan(requests.span, in: context, into: &plan)
        end()
        answer.put(plan)
    }

    private mutating func ask(
        _ kind: QuestionKind, _ policy: any FairnessPolicy, _ frame: inout FrameReader,
        _ answer: inout FrameWriter
    ) throws(PolicyError) {
        guard kind == .arrange else { return policy.settle(try frame.value()) }
        let requests: [RequestSnapshot] = try frame.value()
        var arrangement = FairnessArrangement(order: Array(requests.indices))
        let context: FairnessContext = try frame.value()
        begin()
        try policy.arrange(requests.span, in: context, into: &arrangement)
        end()
        answer.put(arrangement)
    }

    private mutating func ask(
        _ kind: QuestionKind, _ policy: any DispatchPolicy, _ frame: inout FrameReader,
        _ answer: inout FrameWriter
    ) throws(PolicyError) {
        guard kind == .choose else {
            let fleet: FleetSnapshot = try frame.value()
            begin()
            let moves = try policy.place(in: fleet)
            end()
            return answer.put(moves)
        }
        let request: RequestSnapshot = try frame.value()
        let replicas: [ReplicaSnapshot] = try frame.value()
        let now: Instant = try frame.value()
        begin()
        let replica = try policy.choose(for: request, among: replicas.span, at: now)
        end()
        answer.put(replica)
    }

    private mutating func ask(
        _ kind: QuestionKind, _ policy: any MigrationPolicy, _ frame: inout FrameReader,
        _ answer: inout FrameWriter
    ) throws(PolicyError) {
        switch kind {
        case .isDue:
            let replicas: [ReplicaSnapshot] = try frame.value()
            let now: Instant = try frame.value()
            begin()
            let isDue = policy.isDue(among: replicas.span, at: now)
            end()
            answer.put(isDue)
        case .propose:
            let fleet: FleetSnapshot = try frame.value()
            begin()
            let proposal = try policy.propose(for: fleet)
            end()
            switch proposal {
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
