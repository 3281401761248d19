// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Simulation
import Testing
import Workloads

/// Fleets that do not begin empty.
struct SimulationStartTests {
    private static func run(
        _ setup: SimulationSetup, _ requests: [PlannedRequest]
    ) -> (events: [SimulatedEvent], over: [SimulatedRequest], fleet: Fleet) {
        let log = Log()
        var simulation = Simulation(setup)
        simulation.onEvent = { event, _ in log.events.append(event) }
        _ = simulation.run(requests) { log.over.append($0) }
        return (log.events, log.over, simulation.fleet)
    }

    private final class Log {
        var events: [SimulatedEvent] = []
        var over: [SimulatedRequest] = []
    }

    private static func request(_ milliseconds: Int, adapter: Int = 0) -> PlannedRequest {
        PlannedRequest(
            arrival: .milliseconds(milliseconds), adapter: adapter, promptTokens: 16,
            outputTokens: 4)
    }

    @Test func residentsAreThereWithTheirCopies() {
        var setup = SimulationSetup.a800(replicas: 2)
        setup.start.residents = [.init(adapter: 3, replica: 1, isMerged: true)]
        let fleet = Self.run(setup, []).fleet
        let id = SimulationSetup.id(ofAdapter: 3)
        #expect(fleet.replicas[1].residency.state(of: id) == .resident)
        #expect(fleet.replicas[0].residency.state(of: id) == .absent)
        #expect(fleet.replicas[1].copies.ready == [id])
        #expect(fleet.inconsistencies().isEmpty)
    }

    @Test func whatDoesNotFitIsLeftOut() {
        var setup = SimulationSetup.a800()
        setup.replica.adapterBytes = 150 << 20
        setup.start.residents = [
            .init(adapter: 0, replica: 0), .init(adapter: 1, replica: 0),
            .init(adapter: 99, replica: 0), .init(adapter: 2, replica: 7),
        ]
        let fleet = Self.run(setup, []).fleet
        #expect(fleet.inconsistencies().isEmpty)
        #expect(fleet.replicas[0].residency.usedBytes <= 150 << 20)
    }

    @Test func whoComesAtOneMomentIsThereBeforeTheFirstDecision() {
        for gathers in [true, false] {
            var setup = SimulationSetup.a800()
            setup.start.gathersArrivals = gathers
            setup.start.residents = [.init(adapter: 0, replica: 0)]
            let events = Self.run(setup, [Self.request(5), Self.request(5)]).events
            let first = events.compactMap { event in
                if case .planned(let plan) = event { plan.requests } else { nil }
            }.first
            #expect(first == (gathers ? [0, 1] : [0]))
        }
    }

    @Test func aRequestWithTokensGoesOnAndLeavesNothingBehind() {
        var setup = SimulationSetup.a800()
        setup.start.details = [SimulationStart.Details()]
        setup.start.details[0].generatedTokens = 3
        let result = Self.run(setup, [Self.request(0)])
        #expect(result.over.first?.outcome == .completed && result.over.first?.outputTokens == 4)
        let plans = result.events.filter { if case .planned = $0 { true } else { false } }
        #expect(plans.count == 1, "only the last token was left")
        #expect(result.fleet.inconsistencies().isEmpty)
        #expect(result.fleet.replicas[0].pages.usedPages == 0)
    }

    @Test func theClockStopsIt() {
        var setup = SimulationSetup.a800()
        setup.start.end = Instant(nanoseconds: 1_000_000)
        let result = Self.run(setup, [Self.request(0), Self.request(900)])
        #expect(result.over.map(\.outcome) == [.stuck], "the second has not come")
    }

    @Test func whatReplicasKnowFromTheStartIsWhatThingsCost() {
        var setup = SimulationSetup.a800()
        setup.start.measured = (1..<40).map { rows in
            var work = StepWork()
            work.decodeTokens = rows
            work.promptTokens = rows * rows
            return work
        }
        let costs = Self.run(setup, []).fleet.replicas[0].costs
        var work = StepWork()
        work.decodeTokens = 16
        let seconds = costs.estimates.seconds(of: work) ?? 0
        #expect(abs(seconds - setup.costs.seconds(of: work)) < 0.001)
    }
}
