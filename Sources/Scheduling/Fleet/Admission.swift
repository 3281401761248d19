// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// What the fleet answers to a new request.
package enum Admission: Hashable, Sendable {
    case accepted(ReplicaID)
    case refused(Refusal)
}

/// What bounds the requests that a fleet takes.
package struct FleetLimits: Sendable, Equatable {
    /// The most requests that wait for their first iteration, over all replicas (`limits.queue`).
    package var queue: Int

    /// The most tokens of a prompt and its output (`limits.contextLength`).
    package var contextLength: Int

    package init(queue: Int, contextLength: Int) {
        self.queue = queue
        self.contextLength = contextLength
    }
}

/// What a fleet has admitted and refused since the start.
package struct FleetCounters: Sendable, Equatable {
    package var accepted = 0

    /// Refusals for a full queue, and for what the request itself asks.
    package var queueFull = 0
    package var unservable = 0

    /// Requests that the chosen replica could not serve and another took.
    package var redirected = 0

    package init() {}
}

/// The policies that look at all replicas; where one is missing the built-in default decides.
package struct FleetPolicies {
    package var dispatch: NamedPolicy<any DispatchPolicy>?
    package var migration: NamedPolicy<any MigrationPolicy>?

    package init(
        dispatch: NamedPolicy<any DispatchPolicy>? = nil,
        migration: NamedPolicy<any MigrationPolicy>? = nil
    ) {
        self.dispatch = dispatch
        self.migration = migration
    }
}

/// What a fleet keeps to besides its limits.
package struct FleetRules: Sendable, Equatable {
    package var containment = ContainmentRules()
    package var migration = MigrationRules()

    package init() {}
}
