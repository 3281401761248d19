// SPDX-License-Identifier: Apache-2.0

import CPolicy
import PolicyKit

/// A fairness policy in C.
final class CFairnessPolicy: FairnessPolicy, ForeignPolicy {
    let instance: CInstance
    private let requests = CScratch<burrow_request>()
    private let order = CScratch<UInt64>()
    private let urgent = CScratch<UInt32>()
    private let unmergeable = CScratch<UInt32>()
    private let aborts = CScratch<UInt64>()
    private let predictions = CScratch<Int64>()
    private let reason = CScratch<CChar>()
    private let steps = CStepMemory()
    private let displaced = CScratch<burrow_request>()
    private let advanced = CScratch<burrow_request>()

    init(parameters: NoParameters, seed: UInt64) throws(PolicyError) { throw Self.unmade }

    init(_ instance: CInstance) { self.instance = instance }

    func arrange(
        _ requests: Span<RequestSnapshot>, in context: FairnessContext,
        into arrangement: inout FairnessArrangement
    ) throws(PolicyError) {
        guard let decide = instance.policy.fairness?.pointee.arrange else { return }
        var limits = burrow_limits(context.limits)
        var costs = burrow_costs(context.costs)
        let count = requests.count
        let text = reason.text()
        var answer = burrow_fairness_answer(
            size: size(of: burrow_fairness_answer.self), reserved: 0,
            order: order.copy(of: arrangement.order.map(UInt64.init)),
            must_serve: urgent.reserve(count), must_serve_count: 0,
            not_mergeable: unmergeable.reserve(count), not_mergeable_count: 0,
            aborts: aborts.reserve(count), predicted_ns: predictions.filled(count, with: .max),
            abort_count: 0, reason: text, reason_capacity: UInt64(CScratch<CChar>.textCapacity))
        let (mode, adapter) = context.currentMode.inC
        var question = burrow_fairness_question()
        question.size = size(of: burrow_fairness_question.self)
        question.wants_reason = context.wantsReason ? 1 : 0
        question.now_ns = context.now.nanoseconds
        question.requests = self.requests.requests(requests)
        question.current_mode = mode
        question.current_adapter = adapter
        try instance.call { policy, error in
            withUnsafePointer(to: &limits) { limits in
                withUnsafePointer(to: &costs) { costs in
                    question.limits = limits
                    question.costs = costs
                    return decide(policy, &question, &answer, error)
                }
            }
        }
        try read(answer, of: count, into: &arrangement)
        arrangement.reason = CScratch<CChar>.reason(text, isWanted: context.wantsReason)
    }

    private func read(
        _ answer: burrow_fairness_answer, of count: Int, into arrangement: inout FairnessArrangement
    ) throws(PolicyError) {
        let room = UInt64(count)
        guard answer.must_serve_count <= room, answer.not_mergeable_count <= room,
            answer.abort_count <= room
        else {
            throw PolicyError("the arrangement names more than there are requests")
        }
        arrangement.order = UnsafeBufferPointer(start: order.reserve(0), count: count)
            .map { Int(clamping: $0) }
        arrangement.mustServe = Self.adapters(urgent, answer.must_serve_count)
        arrangement.notMergeable = Set(Self.adapters(unmergeable, answer.not_mergeable_count))
        arrangement.aborts = UnsafeBufferPointer(
            start: aborts.reserve(0), count: Int(answer.abort_count)
        ).map { Int(clamping: $0) }
        let predicted = UnsafeBufferPointer(
            start: predictions.reserve(0), count: Int(answer.abort_count))
        arrangement.predictedFirstTokens =
            predicted.allSatisfy { $0 == .max }
            ? [] : predicted.map { Instant(nanoseconds: $0) }
    }

    private static func adapters(_ memory: CScratch<UInt32>, _ count: UInt64) -> [AdapterID] {
        UnsafeBufferPointer(start: memory.reserve(0), count: Int(count))
            .map { AdapterID(rawValue: $0) }
    }

    func settle(_ settlement: ServiceSettlement) {
        guard let settle = instance.policy.fairness?.pointee.settle else { return }
        var step = steps.step(settlement.step)
        var account = burrow_settlement()
        account.size = size(of: burrow_settlement.self)
        account.now_ns = settlement.now.nanoseconds
        account.displaced = displaced.requests(settlement.displaced.span)
        account.advanced = advanced.requests(settlement.advanced.span)
        withUnsafePointer(to: &step) { step in
            account.step = step
            settle(instance.pointer, &account)
        }
    }
}
