// SPDX-License-Identifier: Apache-2.0

package import PluginLoading
internal import PolicyIsolation
package import PolicyKit
package import Scheduling

/// Asks the policies of a recorded trace again, one record after the other, and compares.
nonisolated package struct TraceReplay {
    /// What two answers disagree on.
    package struct Difference: Sendable, Equatable {
        package var decision: Int
        package var kind: PolicyKind
        package var recorded: String
        package var replayed: String
    }

    /// Records that were replayed, and answers that were compared.
    package private(set) var decisions = 0
    package private(set) var answers = 0

    /// Answers that the policies did not give, as they were set aside or passed over.
    package private(set) var standIns = 0
    package private(set) var differences = 0
    package private(set) var firstDifference: Difference?

    /// What may make answers differ through no fault of the policies.
    package private(set) var notes: [String] = []

    /// The time of each call of the policies.
    package private(set) var callTimes = CallTimes()

    /// `nil` where nobody is asked in its kind.
    private let batching: (any BatchingPolicy)?
    private let fairness: (any FairnessPolicy)?

    /// Asks policies that are there already, with what they know.
    init(batching: (any BatchingPolicy)?, fairness: (any FairnessPolicy)?) {
        self.batching = batching
        self.fairness = fairness
    }

    /// Makes the policies of the header from the registry, with what they knew.
    package init(_ header: TraceHeader, registry: PolicyRegistry) throws(TraceError) {
        let batching: any BatchingPolicy
        let fairness: any FairnessPolicy
        do throws(PluginError) {
            batching = try registry.checked(
                try Self.make(header.batching, registry) as? any BatchingPolicy,
                header.batching.type, .batching)
            fairness = try registry.checked(
                try Self.make(header.fairness, registry) as? any FairnessPolicy,
                header.fairness.type, .fairness)
        } catch {
            throw TraceError(error.description)
        }
        self.batching = batching
        self.fairness = fairness
        try restore(header.batching, into: batching)
        try restore(header.fairness, into: fairness)
    }

    private static func make(
        _ policy: TraceHeader.Policy, _ registry: PolicyRegistry
    ) throws(PluginError) -> any Policy {
        guard let memory = policy.isolatedMemory else {
            return try registry.make(policy.type, values: policy.parameters, seed: policy.seed)
        }
        return try registry.makeIsolated(
            policy.type, values: policy.parameters, seed: policy.seed, memory: memory,
            settings: .program(budget: nil))
    }

    private mutating func restore(
        _ recorded: TraceHeader.Policy, into policy: any Policy
    ) throws(TraceError) {
        if let state = recorded.state {
            do throws(PolicyError) {
                try policy.importState(state)
            } catch {
                throw TraceError(
                    "\(recorded.name) does not take the state that was recorded: \(error)")
            }
        } else if recorded.calls > 0 {
            notes.append(
                "\(recorded.name) exports no state, and had been asked \(recorded.calls) times "
                    + "before the recording: what it had learnt is not known")
        }
    }

    /// Replays one record.
    ///
    /// - Returns: what the policies disagree with themselves on.
    package mutating func replay(_ record: DecisionRecord) -> [Difference] {
        switch record {
        case .decision(let decision): return replay(decision)
        case .observation(let observation, let isBuiltIn):
            if !isBuiltIn { batching?.observe(observation) }
        case .settlement(let settlement, let isBuiltIn):
            if !isBuiltIn { fairness?.settle(settlement) }
        }
        return []
    }

    private mutating func replay(_ decision: Decision) -> [Difference] {
        decisions += 1
        var found: [Difference] = []
        if let fairness, let exchange = decision.fairness, !exchange.isBuiltIn {
            let recorded = text(of: exchange) { Self.text(of: $0) }
            let replayed = arrange(exchange, by: fairness)
            if let one = compare(recorded, replayed, .fairness, decision) { found.append(one) }
        }
        if let batching, let exchange = decision.batching, !exchange.isBuiltIn {
            let recorded = text(of: exchange) { Self.text(of: $0) }
            let replayed = plan(exchange, by: batching)
            if let one = compare(recorded, replayed, .batching, decision) { found.append(one) }
        }
        if decision.isStandIn { standIns += 1 }
        return found
    }

    private mutating func compare(
        _ recorded: String, _ replayed: String, _ kind: PolicyKind, _ decision: Decision
    ) -> Difference? {
        answers += 1
        guard recorded != replayed else { return nil }
        differences += 1
        let difference = Difference(
            decision: decision.number, kind: kind, recorded: recorded, replayed: replayed)
        if firstDifference == nil { firstDifference = difference }
        return difference
    }

    // MARK: - Asking

    private mutating func arrange(
        _ exchange: PolicyExchange<FairnessContext, FairnessArrangement>,
        by fairness: any FairnessPolicy
    ) -> String {
        var arrangement = FairnessArrangement(order: Array(exchange.requests.indices))
        let start = ThreadTime.nanoseconds
        defer { callTimes.note(since: start) }
        do throws(PolicyError) {
            try fairness.arrange(exchange.requests.span, in: exchange.context, into: &arrangement)
        } catch {
            return "throws \(error)"
        }
        return Self.text(of: arrangement)
    }

    private mutating func plan(
        _ exchange: PolicyExchange<BatchingContext, BatchPlan>, by batching: any BatchingPolicy
    ) -> String {
        var plan = BatchPlan()
        let start = ThreadTime.nanoseconds
        defer { callTimes.note(since: start) }
        do throws(PolicyError) {
            try batching.plan(exchange.requests.span, in: exchange.context, into: &plan)
        } catch {
            return "throws \(error)"
        }
        return Self.text(of: plan)
    }

    private func text<Context, Answer>(
        of exchange: PolicyExchange<Context, Answer>, _ describe: (Answer) -> String
    ) -> String {
        exchange.answer.map(describe) ?? "throws \(exchange.message)"
    }

    /// All of an arrangement but its reason.
    private static func text(of answer: FairnessArrangement) -> String {
        let order = answer.order == Array(answer.order.indices) ? "as they came" : "\(answer.order)"
        return "order \(order), must serve \(answer.mustServe.map(\.rawValue)), not mergeable "
            + "\(answer.notMergeable.map(\.rawValue).sorted()), gives up \(answer.aborts)"
    }

    /// All of a plan but its reason.
    private static func text(of plan: BatchPlan) -> String {
        let entries = plan.entries.map { "\($0.index):\($0.tokens)" }.joined(separator: " ")
        return "\(plan.mode.text) [\(entries)]"
            + (plan.prepares.map { ", prepares \($0.rawValue)" } ?? "")
    }
}

/// How long calls took, in processor time.
nonisolated package struct CallTimes: Codable, Sendable, Equatable {
    package private(set) var calls = 0
    package private(set) var seconds = 0.0
    package private(set) var longest = 0.0

    package init() {}

    init(calls: Int, seconds: Double, longest: Double) {
        self.calls = calls
        self.seconds = seconds
        self.longest = longest
    }

    mutating func note(since start: Int64) {
        let took = Double(max(0, ThreadTime.nanoseconds - start)) / 1e9
        calls += 1
        seconds += took
        longest = max(longest, took)
    }
}

nonisolated extension BatchMode {
    /// `unmerged`, `merged on 3`, `mixed on 3`.
    package var text: String {
        switch self {
        case .unmerged: "unmerged"
        case .merged(let adapter): "merged on \(adapter.rawValue)"
        case .mixed(let adapter): "mixed on \(adapter.rawValue)"
        }
    }
}
