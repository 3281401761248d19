// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// What passed between a scheduler and its policies, in the order of the calls.
package enum DecisionRecord: Sendable {
    case decision(Decision)

    /// The batching policy, or the built-in default in its place, was told of a step.
    case observation(StepObservation, isBuiltIn: Bool)

    /// The fairness policy, or the built-in default in its place, settled its accounts; the step is
    /// that of the observation before.
    case settlement(ServiceSettlement, isBuiltIn: Bool)
}

/// A question to a policy with its answer.
package struct PolicyExchange<Context: Sendable, Answer: Sendable>: Sendable {
    /// The requests as they were shown, in that order.
    package var requests: [RequestSnapshot]
    package var context: Context

    /// `nil` where it threw.
    package var answer: Answer?

    /// Why the answer was not used, where it was not.
    package var fault: PolicyFault?
    package var message = ""

    /// Whether the built-in default was asked, as the policy is set aside.
    package var isBuiltIn = false

    package init(requests: [RequestSnapshot], context: Context) {
        self.requests = requests
        self.context = context
    }
}

/// One decision: who runs next, and how it came to that.
package struct Decision: Sendable {
    /// Counts the decisions of a recording, from 1.
    package var number: Int
    package var now: Instant

    /// Whether a step was under way.
    package var isAhead = false

    /// Whether the policies were passed over, as they kept undoing each other's work.
    package var isForced = false
    package var fairness: PolicyExchange<FairnessContext, FairnessArrangement>?
    package var batching: PolicyExchange<BatchingContext, BatchPlan>?

    /// Whether the built-in default's plan was taken in place of the policy's.
    package var isStandIn = false

    /// `nil` where nothing was handed out.
    package var step: DecidedStep?

    package init(number: Int, now: Instant) {
        self.number = number
        self.now = now
    }
}

/// A step as it was handed out.
package struct DecidedStep: Sendable, Equatable {
    package struct Share: Sendable, Equatable {
        package var request: RequestID
        package var tokens: Int

        package init(request: RequestID, tokens: Int) {
            self.request = request
            self.tokens = tokens
        }
    }

    /// The number of the replica's step.
    package var number: Int

    /// The mode it runs in: unmerged where the copy that the plan wants is not ready.
    package var mode: BatchMode
    package var shares: [Share]

    /// Who would have run had requests been served as they came, and who runs in their place.
    package var displaced: [RequestID]
    package var advanced: [RequestID]

    package init(number: Int, mode: BatchMode) {
        self.number = number
        self.mode = mode
        shares = []
        displaced = []
        advanced = []
    }
}

/// Collects the records of a replica until somebody takes them.
struct DecisionRecorder: Sendable {
    /// More records than any event makes; beyond them recording has failed.
    static let mostRecords = 4096

    private(set) var records: [DecisionRecord] = []
    private(set) var isOverfull = false
    private var decisions = 0
    private var open: Decision?

    mutating func append(_ record: DecisionRecord) {
        guard records.count < Self.mostRecords else { return isOverfull = true }
        records.append(record)
    }

    mutating func take() -> [DecisionRecord] {
        defer { records.removeAll(keepingCapacity: true) }
        return records
    }

    mutating func begin(at now: Instant, isAhead: Bool, isForced: Bool) {
        decisions += 1
        open = Decision(number: decisions, now: now)
        open?.isAhead = isAhead
        open?.isForced = isForced
    }

    /// Adds to the decision that is being made.
    mutating func note(_ change: (inout Decision) -> Void) {
        if open != nil { change(&open!) }
    }

    mutating func end(_ step: DecidedStep?) {
        guard var decision = open else { return }
        open = nil
        decision.step = step
        append(.decision(decision))
    }
}
