// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// A migration policy in a process of its own.
package final class RemoteMigrationPolicy: MigrationPolicy, ConnectedPolicy {
    let connection: PolicyConnection
    private var fault: PolicyError?

    package init(parameters: NoParameters, seed: UInt64) throws(PolicyError) {
        throw Self.unmade
    }

    init(_ connection: PolicyConnection) { self.connection = connection }

    package func exportState() -> PolicyState? { connection.exportState() }

    package func importState(_ state: PolicyState) throws(PolicyError) {
        try connection.importState(state)
    }

    /// Where the process does not answer, a proposal is due: only that can fail, and so be counted.
    package func isDue(among replicas: Span<ReplicaSnapshot>, at now: Instant) -> Bool {
        var question = Question(.isDue, capacity: 64 + 160 * replicas.count)
        question.frame.put(replicas)
        question.frame.put(now)
        do throws(PolicyError) {
            return try connection.ask(question)
        } catch {
            fault = error
            return true
        }
    }

    package func propose(for fleet: FleetSnapshot) throws(PolicyError) -> MigrationProposal {
        if let fault {
            self.fault = nil
            throw fault
        }
        var question = Question(.propose)
        question.frame.put(fleet)
        switch try connection.ask(question, as: SentProposal.self) {
        case .none: return .none
        case .plan(let plan): return .plan(plan)
        case .solve:
            let connection = connection
            return .solve { () throws(PolicyError) in
                try connection.ask(
                    Question(.solve), within: connection.settings.solvingDeadline)
            }
        }
    }

    package func observe(_ outcome: MigrationOutcome, at now: Instant) {
        var question = Question(.observeMigration)
        question.frame.put(outcome)
        question.frame.put(now)
        connection.tell(question)
    }
}
