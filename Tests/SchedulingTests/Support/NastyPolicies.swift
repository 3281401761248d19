// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import TestSupport

/// Breaks a rule of the batching contract in most calls, each time another one.
final class NastyBatching: BatchingPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(type: "nasty-batching", version: "1.0.0", summary: "Breaks the rules.")
    }

    private var random: SeededRandom

    init(parameters: NoParameters = NoParameters(), seed: UInt64) {
        random = SeededRandom(seed: seed)
    }

    func plan(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) throws(PolicyError) {
        let some = random.below(max(1, requests.count))
        switch random.below(12) {
        case 0: throw PolicyError("no")
        case 1: plan.entries = [.init(index: some, tokens: 1), .init(index: some, tokens: 1)]
        case 2: plan.entries = [.init(index: requests.count, tokens: 1)]
        case 3: plan.entries = [.init(index: -1, tokens: 1), .init(index: .min, tokens: 1)]
        case 4: break
        case 5: plan.entries = [.init(index: some, tokens: .max), .init(index: 0, tokens: .max)]
        case 6: plan.entries = [.init(index: some, tokens: [0, -1, .min][random.below(3)])]
        case 7: plan.mode = .merged(AdapterID(rawValue: .max))
        case 8: plan.mode = .mixed(.base)
        case 9: plan.entries = (0..<requests.count).map { .init(index: $0, tokens: 1) }
        default: planSomething(requests, in: context, into: &plan)
        }
    }

    /// Perhaps a good plan: some requests, some tokens, some mode.
    private func planSomething(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) {
        for index in requests.indices where random.chance(30) && requests[index].pendingTokens > 0 {
            let tokens = 1 + random.below(requests[index].pendingTokens)
            plan.entries.append(.init(index: index, tokens: tokens))
        }
        guard let first = plan.entries.first, random.chance(30) else { return }
        let adapter = requests[first.index].adapter
        plan.mode = random.chance(50) ? .merged(adapter) : .mixed(adapter)
    }

    func observe(_ step: StepObservation) { _ = random.next() }
}

/// Breaks the fairness contract in most calls.
final class NastyFairness: FairnessPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(type: "nasty-fairness", version: "1.0.0", summary: "Breaks the rules.")
    }

    private var random: SeededRandom

    init(parameters: NoParameters = NoParameters(), seed: UInt64) {
        random = SeededRandom(seed: seed)
    }

    func arrange(
        _ requests: Span<RequestSnapshot>, in context: FairnessContext,
        into arrangement: inout FairnessArrangement
    ) throws(PolicyError) {
        switch random.below(8) {
        case 0: throw PolicyError("no")
        case 1: arrangement.order.removeLast()
        case 2: arrangement.order.append(0)
        case 3: arrangement.order[0] = [-1, .max, .min, requests.count][random.below(4)]
        case 4: arrangement.order = Array(repeating: 0, count: requests.count)
        case 5: arrangement.order = []
        default:
            arrangement.order.shuffle(using: &random)
            arrangement.mustServe = (0..<random.below(4)).map { AdapterID(rawValue: UInt32($0)) }
            arrangement.mustServe += arrangement.mustServe
            arrangement.notMergeable = [AdapterID(rawValue: 1), AdapterID(rawValue: .max)]
        }
    }
}

/// Keeps every rule, and always puts who has got furthest at the back, where it is preempted.
final class SpitefulFairness: FairnessPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(type: "spiteful-fairness", version: "1.0.0", summary: "Helps nobody.")
    }

    init(parameters: NoParameters = NoParameters(), seed: UInt64 = 0) {}

    func arrange(
        _ requests: Span<RequestSnapshot>, in context: FairnessContext,
        into arrangement: inout FairnessArrangement
    ) throws(PolicyError) {
        let progress = requests.indices.map { requests[$0].computedTokens }
        arrangement.order.sort { (progress[$0], $0) < (progress[$1], $1) }
    }
}

/// Keeps every rule, and runs only the first who can, with what fits.
final class SpitefulBatching: BatchingPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(type: "spiteful-batching", version: "1.0.0", summary: "Helps nobody.")
    }

    init(parameters: NoParameters = NoParameters(), seed: UInt64 = 0) {}

    func plan(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) throws(PolicyError) {
        for index in requests.indices where requests[index].isAdapterResident {
            var tokens = min(requests[index].pendingTokens, context.limits.tokens)
            while tokens > 0,
                requests[index].newPages(computing: tokens, pageTokens: context.limits.pageTokens)
                    > context.limits.freePages
            {
                tokens -= 1
            }
            guard tokens > 0 else { continue }
            plan.entries = [.init(index: index, tokens: tokens)]
            return
        }
    }
}

/// Names adapters that it was not shown, or throws.
final class NastyResidency: ResidencyPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(type: "nasty-residency", version: "1.0.0", summary: "Breaks the rules.")
    }

    private var random: SeededRandom

    init(parameters: NoParameters = NoParameters(), seed: UInt64) {
        random = SeededRandom(seed: seed)
    }

    func evict(
        from candidates: Span<AdapterSnapshot>, at now: Instant
    ) throws(PolicyError) -> AdapterID {
        switch random.below(4) {
        case 0: throw PolicyError("no")
        case 1: return .base
        case 2: return AdapterID(rawValue: .max)
        default: return candidates[random.below(candidates.count)].id
        }
    }
}

/// Names replicas that there are not, or throws.
final class NastyDispatch: DispatchPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(type: "nasty-dispatch", version: "1.0.0", summary: "Breaks the rules.")
    }

    private var random: SeededRandom

    init(parameters: NoParameters = NoParameters(), seed: UInt64) {
        random = SeededRandom(seed: seed)
    }

    func choose(
        for request: RequestSnapshot, among replicas: Span<ReplicaSnapshot>, at now: Instant
    ) throws(PolicyError) -> ReplicaID {
        switch random.below(5) {
        case 0: throw PolicyError("no")
        case 1: return ReplicaID(rawValue: [-1, .max, .min, replicas.count][random.below(4)])
        default: return replicas[random.below(replicas.count)].id
        }
    }
}
