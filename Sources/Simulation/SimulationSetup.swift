// SPDX-License-Identifier: Apache-2.0

package import PolicyKit
package import Scheduling

/// What is simulated: replicas, adapters, costs.
package struct SimulationSetup: Sendable {
    /// The limits of every replica; `id` is filled in.
    package var replica: ReplicaConfiguration

    /// How many replicas there are, at least 1.
    package var replicas = 1
    package var limits = FleetLimits(queue: 1 << 20, contextLength: 1 << 20)

    /// The adapters, by their index in the workload.
    package var adapters: [SimulatedAdapter] = []
    package var costs = SimulatedCosts()

    /// The most tokens that each request asks for, where its output ends before; `nil` where requests
    /// ask for what they get, so that everybody knows how long they are.
    package var requestedTokens: Int?

    /// Whether the replicas are one process, in which an adapter that one of them holds costs the
    /// others no time to load, and all loads pass through one thread.
    package var sharesAdapters = false

    /// Where the noise of iteration times begins; policies have seeds of their own.
    package var seed: UInt64 = 0
    package var start = SimulationStart()

    package init(replica: ReplicaConfiguration) { self.replica = replica }

    /// What the fleet keeps to: in one process pages change their owner, between machines keys and
    /// values are sent where that has a price.
    var fleetRules: FleetRules {
        var rules = FleetRules()
        rules.containment = replica.containment
        rules.migration.sharesPool = sharesAdapters
        rules.migration.handoverSecondsPerToken =
            sharesAdapters ? 0 : costs.handoverSecondsPerToken
        return rules
    }

    /// The identifier of the adapter with this index; -1 is the base.
    package static func id(ofAdapter index: Int) -> AdapterID {
        AdapterID(rawValue: UInt32(clamping: index + 1))
    }
}

/// An adapter that exists only in numbers.
package struct SimulatedAdapter: Sendable, Equatable {
    package var bytes: Int
    package var rank: Int
    package var isPinned = false
    package var weight = 1.0

    package init(bytes: Int, rank: Int) {
        self.bytes = bytes
        self.rank = rank
    }

    func description(index: Int) -> AdapterDescription {
        var description = AdapterDescription(
            id: SimulationSetup.id(ofAdapter: index), bytes: bytes, rank: rank, isPinned: isPinned)
        description.weight = weight
        return description
    }
}

/// The policies of a simulated fleet: one set per replica, as each keeps state of its own.
package struct SimulationPolicies {
    package var replicas: [ReplicaPolicies]
    package var fleet: FleetPolicies

    /// The built-in defaults where nothing is given.
    package init(replicas: [ReplicaPolicies] = [], fleet: FleetPolicies = FleetPolicies()) {
        self.replicas = replicas
        self.fleet = fleet
    }
}
