// SPDX-License-Identifier: Apache-2.0

package import PolicyKit
package import Scheduling

/// How a simulated fleet stands when its clock starts, and when it stops, where it does not begin
/// empty and serve all there is.
package struct SimulationStart: Sendable, Equatable {
    /// An adapter that lies in a replica's memory from the start.
    package struct Resident: Sendable, Equatable {
        /// Its index, and the position of the replica.
        package var adapter: Int
        package var replica: Int

        /// Whether the replica has a merged copy of it too.
        package var isMerged: Bool

        package init(adapter: Int, replica: Int, isMerged: Bool = false) {
            self.adapter = adapter
            self.replica = replica
            self.isMerged = isMerged
        }
    }

    /// What a request has that a workload does not say.
    package struct Details: Sendable, Equatable {
        package var tenant = TenantID(rawValue: 0)
        package var tenantWeight = 1.0
        package var firstTokenTarget: Duration?

        /// The most tokens that it asks for, where that is more than it gets.
        package var mostTokens = 0

        /// How many of its tokens it has when it comes.
        package var generatedTokens = 0

        package init() {}
    }

    /// What the clock shows first: requests that came before wait until then.
    package var clock = Instant(nanoseconds: 0)

    /// Nothing that would happen later does.
    package var end = Instant(nanoseconds: .max)

    /// After so many iterations, or so many events, nothing more happens.
    package var mostSteps = Int.max
    package var mostEvents = Int.max

    package var residents: [Resident] = []

    /// Iterations that each replica believes to have measured, by their costs.
    package var measured: [StepWork] = []

    /// By the position of the request in the workload; those behind the last have none.
    package var details: [Details] = []

    /// Whether requests that come at the same moment are all there before anything is decided.
    package var gathersArrivals = false

    package init() {}
}

/// Something that a simulated fleet has decided or done, told as it happens.
package enum SimulatedEvent: Sendable, Equatable {
    /// A request came to a replica.
    case dispatched(request: Int, replica: Int)
    case planned(SimulatedPlan)
    case loaded(adapter: Int, replica: Int)
    case unloaded(adapter: Int, replica: Int)
    case moved(request: Int, from: Int, to: Int, way: CompletedMove.Way)
}

/// An iteration as it was decided.
package struct SimulatedPlan: Sendable, Equatable {
    package var replica: Int

    /// Counts the iterations of the replica, from 1.
    package var number: Int
    package var mode: BatchMode

    /// When it was decided.
    package var time: Instant

    /// The requests that run, by their positions in the workload, in the order of the plan.
    package var requests: [Int]
}

extension Simulation {
    /// Puts adapters and copies where they are from the start; those that have no room are left out.
    mutating func settleIn() {
        for resident in setup.start.residents {
            let replica = ReplicaID(rawValue: resident.replica)
            let id = SimulationSetup.id(ofAdapter: resident.adapter)
            guard replicas.indices.contains(resident.replica),
                setup.adapters.indices.contains(resident.adapter),
                fleet.preload(id, on: replica, at: now)
            else { continue }
            let bytes = setup.adapters[resident.adapter].bytes
            for action in fleet.takeActions(of: replica) where action == .load(id) {
                holders[resident.adapter] += 1
                _ = fleet.adapterLoaded(
                    id, bytes: bytes, time: setup.costs.loadTime(bytes: bytes), on: replica, at: now
                )
            }
            guard resident.isMerged else { continue }
            fleet.premerge(id, on: replica, at: now)
            for action in fleet.takeMergeActions(of: replica) where action == .build(id) {
                fleet.copyBuilt(
                    id, bytes: setup.costs.mergedBytes, time: setup.costs.mergeTime, on: replica,
                    at: now)
            }
        }
        for replica in replicas.indices {
            for work in setup.start.measured {
                let time = Duration.simulated(seconds: setup.costs.seconds(of: work))
                fleet.learn(work, took: time, on: ReplicaID(rawValue: replica), at: now)
            }
        }
    }

    /// Whether the clock, or what may happen, is at its end before something at `time`.
    func isOver(before time: Int64) -> Bool {
        time > setup.start.end.nanoseconds || summary.steps >= setup.start.mostSteps
            || happened >= setup.start.mostEvents
    }

    /// Tells of an iteration that begins.
    func tell(_ plan: StepPlan, on replica: Int) {
        guard let onEvent else { return }
        let requests = plan.entries.compactMap { live.request($0.id)?.index }
        onEvent(
            .planned(
                SimulatedPlan(
                    replica: replica, number: plan.number, mode: plan.mode, time: now,
                    requests: requests)), now)
    }
}

extension SimulatedCosts {
    /// What loading an adapter of so many bytes takes.
    func loadTime(bytes: Int) -> Duration {
        .simulated(seconds: loadLatency + loadSecondsPerByte * Double(bytes))
    }
}
