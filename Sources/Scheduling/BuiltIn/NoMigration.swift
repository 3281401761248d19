// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// Moves nothing.
package final class NoMigration: MigrationPolicy {
    package static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "none", version: "1.0.0",
            summary: "Requests stay on the replica that they were dispatched to.")
    }

    package init(parameters: NoParameters = NoParameters(), seed: UInt64 = 0) {}

    package func isDue(among replicas: Span<ReplicaSnapshot>, at now: Instant) -> Bool { false }

    package func propose(
        for fleet: FleetSnapshot
    ) throws(PolicyError) -> MigrationProposal { .none }
}
