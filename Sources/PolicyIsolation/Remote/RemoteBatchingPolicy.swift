// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// A batching policy in a process of its own.
package final class RemoteBatchingPolicy: BatchingPolicy, ConnectedPolicy {
    let connection: PolicyConnection

    package init(parameters: NoParameters, seed: UInt64) throws(PolicyError) {
        throw Self.unmade
    }

    init(_ connection: PolicyConnection) { self.connection = connection }

    package func exportState() -> PolicyState? { connection.exportState() }

    package func importState(_ state: PolicyState) throws(PolicyError) {
        try connection.importState(state)
    }

    package func plan(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) throws(PolicyError) {
        var question = Question(.plan, capacity: 512 + 128 * requests.count)
        question.frame.put(requests)
        question.frame.put(context)
        plan = try connection.ask(question)
    }

    package func observe(_ step: StepObservation) {
        var question = Question(.observeStep, capacity: 512 + 136 * step.served.count)
        question.frame.put(step)
        connection.tell(question)
    }
}
