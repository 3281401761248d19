// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// A dispatch policy in a process of its own.
package final class RemoteDispatchPolicy: DispatchPolicy, ConnectedPolicy {
    let connection: PolicyConnection

    package init(parameters: NoParameters, seed: UInt64) throws(PolicyError) {
        throw Self.unmade
    }

    init(_ connection: PolicyConnection) { self.connection = connection }

    package func exportState() -> PolicyState? { connection.exportState() }

    package func importState(_ state: PolicyState) throws(PolicyError) {
        try connection.importState(state)
    }

    package func choose(
        for request: RequestSnapshot, among replicas: Span<ReplicaSnapshot>, at now: Instant
    ) throws(PolicyError) -> ReplicaID {
        var question = Question(.choose, capacity: 256 + 160 * replicas.count)
        question.frame.put(request)
        question.frame.put(replicas)
        question.frame.put(now)
        return try connection.ask(question)
    }

    /// As the process said when it was started.
    package var placementInterval: Duration? { connection.greeting.placementInterval }

    package func place(in fleet: FleetSnapshot) throws(PolicyError) -> [AdapterMove] {
        var question = Question(.place)
        question.frame.put(fleet)
        return try connection.ask(question)
    }
}
