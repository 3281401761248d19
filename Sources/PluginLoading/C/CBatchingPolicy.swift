// SPDX-License-Identifier: Apache-2.0

import CPolicy
import PolicyKit

/// A batching policy in C.
final class CBatchingPolicy: BatchingPolicy, ForeignPolicy {
    let instance: CInstance
    private let requests = CScratch<burrow_request>()
    private let entries = CScratch<burrow_entry>()
    private let reason = CScratch<CChar>()
    private let ready = CScratch<UInt32>()
    private let urgent = CScratch<UInt32>()
    private let unmergeable = CScratch<UInt32>()
    private let steps = CStepMemory()

    init(parameters: NoParameters, seed: UInt64) throws(PolicyError) { throw Self.unmade }

    init(_ instance: CInstance) { self.instance = instance }

    func plan(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) throws(PolicyError) {
        guard let decide = instance.policy.batching?.pointee.plan else { return }
        var limits = burrow_limits(context.limits)
        var costs = burrow_costs(context.costs)
        let text = reason.text()
        var answer = burrow_batching_answer(
            size: size(of: burrow_batching_answer.self), mode: BURROW_UNMERGED.rawValue,
            merged_adapter: AdapterID.base.rawValue, prepares: AdapterID.base.rawValue,
            entry_capacity: UInt64(requests.count), entry_count: 0,
            entries: entries.reserve(requests.count), reason: text,
            reason_capacity: UInt64(CScratch<CChar>.textCapacity))
        var question = question(context)
        question.requests = self.requests.requests(requests)
        try instance.call { policy, error in
            withUnsafePointer(to: &limits) { limits in
                withUnsafePointer(to: &costs) { costs in
                    question.limits = limits
                    question.costs = costs
                    return decide(policy, &question, &answer, error)
                }
            }
        }
        try read(answer, into: &plan)
        plan.reason = CScratch<CChar>.reason(text, isWanted: context.wantsReason)
    }

    private func question(_ context: BatchingContext) -> burrow_batching_question {
        let (mode, adapter) = context.currentMode.inC
        var question = burrow_batching_question()
        question.size = size(of: burrow_batching_question.self)
        question.wants_reason = context.wantsReason ? 1 : 0
        question.now_ns = context.now.nanoseconds
        question.current_mode = mode
        question.current_adapter = adapter
        question.copy_capacity = Int64(context.copies.capacity)
        question.ready_copies = ready.adapters(context.copies.ready)
        question.building_copy = (context.copies.building ?? .base).rawValue
        question.must_serve = urgent.adapters(context.mustServe)
        question.not_mergeable = unmergeable.adapters(context.notMergeable.sorted())
        return question
    }

    private func read(
        _ answer: burrow_batching_answer, into plan: inout BatchPlan
    ) throws(PolicyError) {
        guard answer.entry_count <= answer.entry_capacity else {
            throw PolicyError(
                "the plan has \(answer.entry_count) entries, there is room for "
                    + "\(answer.entry_capacity)")
        }
        plan.mode = try BatchMode(mode: answer.mode, adapter: answer.merged_adapter)
        plan.prepares =
            answer.prepares == AdapterID.base.rawValue
            ? nil : AdapterID(rawValue: answer.prepares)
        let planned = UnsafeBufferPointer(
            start: entries.reserve(0), count: Int(answer.entry_count))
        plan.entries = planned.map { entry in
            BatchPlan.Entry(index: Int(clamping: entry.index), tokens: Int(entry.tokens))
        }
    }

    func observe(_ step: StepObservation) {
        guard let observe = instance.policy.batching?.pointee.observe else { return }
        var observation = steps.step(step)
        observe(instance.pointer, &observation)
    }
}
