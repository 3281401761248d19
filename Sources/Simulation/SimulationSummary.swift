// SPDX-License-Identifier: Apache-2.0

package import Scheduling

/// What a simulated fleet has done in all.
package struct SimulationSummary: Sendable, Equatable {
    /// From the start to the last event.
    package var makespan = Duration.zero
    package var requests = RequestCounts()
    package var steps = 0

    /// Time of iterations by mode, in all, for each replica, and over time.
    package var modes = ModeTimes()
    package var modesByReplica: [ModeTimes] = []
    package var timeline = ModeIntervals()
    package var fleet = FleetCounters()
    package var migration = MigrationCounters()
    package var samples = FleetSamples(replicas: 0, adapters: 0)
    package var replicas: [ReplicaCounters] = []
    package var residency: [AdapterResidency.Counters] = []

    /// Of every replica's policies and of dispatch: strikes show that a policy did not get on.
    package var policies: [PolicyStatus] = []

    package init() {}
}

/// Requests by outcome.
package struct RequestCounts: Sendable, Equatable {
    package var completed = 0
    package var refused = 0
    package var aborted = 0
    package var failed = 0
    package var stuck = 0

    package init() {}

    package var all: Int { completed + refused + aborted + failed + stuck }

    mutating func count(_ outcome: SimulatedRequest.Outcome) {
        switch outcome {
        case .completed: completed += 1
        case .refused: refused += 1
        case .aborted: aborted += 1
        case .failed: failed += 1
        case .stuck: stuck += 1
        }
    }
}
