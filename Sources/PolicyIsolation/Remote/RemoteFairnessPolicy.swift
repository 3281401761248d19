// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// A fairness policy in a process of its own.
package final class RemoteFairnessPolicy: FairnessPolicy, ConnectedPolicy {
    let connection: PolicyConnection

    package init(parameters: NoParameters, seed: UInt64) throws(PolicyError) {
        throw Self.unmade
    }

    init(_ connection: PolicyConnection) { self.connection = connection }

    package func exportState() -> PolicyState? { connection.exportState() }

    package func importState(_ state: PolicyState) throws(PolicyError) {
        try connection.importState(state)
    }

    package func arrange(
        _ requests: Span<RequestSnapshot>, in context: FairnessContext,
        into arrangement: inout FairnessArrangement
    ) throws(PolicyError) {
        var question = Question(.arrange, capacity: 512 + 128 * requests.count)
        question.frame.put(requests)
        question.frame.put(context)
        arrangement = try connection.ask(question)
    }

    package func settle(_ settlement: ServiceSettlement) {
        var question = Question(.settle, capacity: 1024 + 136 * settlement.step.served.count)
        question.frame.put(settlement)
        connection.tell(question)
    }
}
