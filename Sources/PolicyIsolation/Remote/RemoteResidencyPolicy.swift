// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// A residency policy in a process of its own.
package final class RemoteResidencyPolicy: ResidencyPolicy, ConnectedPolicy {
    let connection: PolicyConnection

    package init(parameters: NoParameters, seed: UInt64) throws(PolicyError) {
        throw Self.unmade
    }

    init(_ connection: PolicyConnection) { self.connection = connection }

    package func exportState() -> PolicyState? { connection.exportState() }

    package func importState(_ state: PolicyState) throws(PolicyError) {
        try connection.importState(state)
    }

    package func evict(
        from candidates: Span<AdapterSnapshot>, at now: Instant
    ) throws(PolicyError) -> AdapterID {
        var question = Question(.evict, capacity: 64 + 56 * candidates.count)
        question.frame.put(candidates)
        question.frame.put(now)
        return try connection.ask(question)
    }
}
