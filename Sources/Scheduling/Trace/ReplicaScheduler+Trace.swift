// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// A policy as a recording finds it.
package struct RecordedPolicy: Sendable {
    package var name: String

    /// What it knows; `nil` where it exports nothing.
    package var state: PolicyState?

    /// How often it had been asked and told before.
    package var calls: Int
}

// Recording what policies are asked, answer and are told. Nobody pays for it who does not record.
extension ReplicaScheduler {
    package var isRecording: Bool { recorder != nil }

    /// Records from now on, and has policies give their reasons.
    ///
    /// - Returns: the batching and the fairness policy as they stand.
    package mutating func startRecording() -> (batching: RecordedPolicy, fairness: RecordedPolicy) {
        recorder = DecisionRecorder()
        wantsReasons = true
        return (
            RecordedPolicy(
                name: batching.status.name, state: batching.chosen?.exportState(),
                calls: batching.status.calls),
            RecordedPolicy(
                name: fairness.status.name, state: fairness.chosen?.exportState(),
                calls: fairness.status.calls)
        )
    }

    package mutating func stopRecording() {
        recorder = nil
        wantsReasons = false
    }

    /// What was recorded since the last call.
    ///
    /// - Returns: `nil` where records were lost, as nobody took them for too long.
    package mutating func takeRecords() -> [DecisionRecord]? {
        recorder?.isOverfull == true ? nil : recorder?.take() ?? []
    }

    /// Ends the record of a decision with what was handed out.
    mutating func endDecision(_ plan: StepPlan?) {
        guard recorder != nil else { return }
        guard let plan, let step = inFlight.last, step.number == plan.number else {
            recorder?.end(nil)
            return
        }
        var decided = DecidedStep(number: plan.number, mode: plan.mode)
        decided.shares = plan.entries.map { .init(request: $0.id, tokens: $0.tokens) }
        decided.displaced = step.displaced.map(\.id)
        decided.advanced = step.advanced.map(\.id)
        recorder?.end(decided)
    }

    mutating func record(
        _ exchange: PolicyExchange<FairnessContext, FairnessArrangement>,
        _ fault: (PolicyFault, String)?
    ) {
        recorder?.note { decision in
            decision.fairness = exchange
            decision.fairness?.fault = fault?.0
            decision.fairness?.message = fault?.1 ?? ""
            if fault?.0 == .threw { decision.fairness?.answer = nil }
        }
    }

    mutating func record(
        _ exchange: PolicyExchange<BatchingContext, BatchPlan>, _ fault: (PolicyFault, String)?
    ) {
        recorder?.note { decision in
            decision.batching = exchange
            decision.batching?.fault = fault?.0
            decision.batching?.message = fault?.1 ?? ""
            if fault?.0 == .threw { decision.batching?.answer = nil }
        }
    }
}
