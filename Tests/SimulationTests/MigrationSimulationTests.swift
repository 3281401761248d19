// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Simulation
import Testing
import Workloads

/// Requests that move between simulated replicas.
struct MigrationSimulationTests {
    /// Sends everything to the first replica.
    private final class FirstReplica: DispatchPolicy {
        static var descriptor: PolicyDescriptor {
            PolicyDescriptor(type: "first-replica", version: "1.0.0", summary: "Knows one only.")
        }

        init(parameters: NoParameters = NoParameters(), seed: UInt64 = 0) {}

        func choose(
            for request: RequestSnapshot, among replicas: Span<ReplicaSnapshot>, at now: Instant
        ) throws(PolicyError) -> ReplicaID { replicas[0].id }
    }

    /// Every half of a second, half of the busiest replica's requests go to the idlest.
    private final class HalfOver: MigrationPolicy {
        static var descriptor: PolicyDescriptor {
            PolicyDescriptor(type: "half-over", version: "1.0.0", summary: "Halves loads.")
        }

        private var next = Instant(nanoseconds: 0)
        private let solves: Bool

        init(solves: Bool) { self.solves = solves }
        init(parameters: NoParameters, seed: UInt64) { solves = false }

        func isDue(among replicas: Span<ReplicaSnapshot>, at now: Instant) -> Bool { now >= next }

        func propose(for fleet: FleetSnapshot) throws(PolicyError) -> MigrationProposal {
            next = fleet.now.advanced(by: .milliseconds(500))
            let source = ReplicaID(rawValue: 0)
            let target = ReplicaID(rawValue: 1)
            let here = fleet.requests.filter { $0.replica == source }
            let plan = MigrationPlan(
                requests: here.suffix(here.count / 2).map {
                    RequestMove($0.request.id, from: source, to: target)
                })
            return solves
                ? .solve { () throws(PolicyError) -> MigrationPlan in plan } : .plan(plan)
        }
    }

    private static func policies(moving: Bool, solves: Bool = false) -> SimulationPolicies {
        var fleet = FleetPolicies(
            dispatch: NamedPolicy(name: "first", policy: FirstReplica()))
        if moving { fleet.migration = NamedPolicy(name: "half", policy: HalfOver(solves: solves)) }
        return SimulationPolicies(fleet: fleet)
    }

    /// In one process pages change hands, between machines they are sent or computed again; plans come
    /// at once or after a while.
    @Test(
        arguments: [
            (true, nil, false), (false, nil, false), (false, 1e-6, false), (true, nil, true),
        ] as [(Bool, Double?, Bool)])
    func movingRequestsHelpsAndLosesNone(
        isOneProcess: Bool, handover: Double?, solves: Bool
    ) {
        var setup = SimulationSetup.a800(replicas: 2)
        setup.sharesAdapters = isOneProcess
        setup.costs.handoverSecondsPerToken = handover
        setup.costs.solveSeconds = solves ? 0.05 : 0
        let workload = Workload.fixture(rate: 40, count: 600)
        let still = Transcript(setup, workload, policies: Self.policies(moving: false))
        let moved = Transcript(
            setup, workload, policies: Self.policies(moving: true, solves: solves))
        #expect(moved.requests.map(\.index).sorted() == Array(0..<600))
        #expect(moved.summary.requests.completed == 600)
        #expect(moved.requests.allSatisfy { $0.outputTokens == $0.requestedTokens })
        let counters = moved.summary.migration
        #expect(counters.moved > 0 && counters.waiting > 0)
        #expect((counters.handedOver > 0) == (isOneProcess || handover != nil))
        #expect((counters.recomputed > 0) == (!isOneProcess && handover == nil))
        #expect(moved.requests.reduce(0) { $0 + $1.migrations } == counters.moved)
        #expect(moved.summary.replicas[1].movedIn == counters.moved)
        func latency(_ request: SimulatedRequest) -> Double? {
            request.lastToken.map { request.arrival.duration(to: $0).inSeconds }
        }
        #expect(moved.mean(latency) < 0.8 * still.mean(latency))
        let again = Transcript(
            setup, workload, policies: Self.policies(moving: true, solves: solves))
        #expect(again == moved)
    }

    @Test func outputsMayEndBeforeWhatIsAskedFor() {
        var setup = SimulationSetup.a800(replicas: 2)
        let workload = Workload.fixture(rate: 20)
        let known = Transcript(setup, workload)
        setup.requestedTokens = 512
        let unknown = Transcript(setup, workload)
        #expect(unknown.summary.requests.completed == 400)
        #expect(unknown.requests.allSatisfy { $0.outputTokens == $0.requestedTokens })
        #expect(
            unknown.requests.map(\.outputTokens).reduce(0, +)
                == known.requests.map(\.outputTokens).reduce(0, +))
        #expect(known.summary.replicas.allSatisfy { $0.wastedTokens == 0 })
    }

    // MARK: - Samples

    @Test func samplesAreBoundedAndAddUp() {
        let setup = SimulationSetup.a800(replicas: 3)
        let workload = Workload.fixture(rate: 2, count: 1_500)
        let transcript = Transcript(setup, workload)
        let samples = transcript.summary.samples
        let end = transcript.summary.makespan.inSeconds
        #expect(samples.samples.count <= FleetSamples.mostSamples)
        #expect(samples.samples.count > FleetSamples.mostSamples / 4)
        let covered = samples.interval.inSeconds * Double(samples.samples.count)
        #expect(abs(covered - end) < 2 * samples.interval.inSeconds, "\(covered) of \(end) s")
        #expect(samples.samples.allSatisfy { $0.waiting.count == 3 && $0.running.count == 3 })
        #expect(samples.samples.contains { $0.running.contains { $0 > 0 } })
        // Nobody's adapters leave, so in the end each lies somewhere nearly all of the time.
        for row in samples.placement {
            #expect(row.reduce(0, +) / samples.weight > 0.5)
            #expect(row.allSatisfy { $0 / samples.weight <= 1.000_001 })
        }
    }

    @Test(arguments: [1, 63, 64, 65, 1_000])
    func groupsCoverAllOnce(count: Int) {
        let samples = FleetSamples(replicas: count, adapters: count)
        #expect(samples.replicaGroups.count == min(count, FleetSamples.mostGroups))
        #expect(samples.replicaGroups.flatMap { Array($0) } == Array(0..<count))
    }

    @Test func quantilesOfAHistogramAscendToTheMaximum() {
        var histogram = LatencyHistogram()
        #expect(histogram.quantiles(10).isEmpty)
        for value in 1...1_000 { histogram.add(seconds: Double(value)) }
        let quantiles = histogram.quantiles(10)
        #expect(quantiles.count == 10 && quantiles == quantiles.sorted())
        for (index, value) in quantiles.enumerated() {
            #expect(abs(value - Double(index + 1) * 100) <= 0.01 * value)
        }
        #expect(quantiles.last == histogram.quantile(1))
    }
}
