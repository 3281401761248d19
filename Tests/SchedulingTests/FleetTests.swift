// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Testing

/// Admission and dispatch.
struct FleetTests {
    private func fleet(
        replicas count: Int = 2, queue: Int = 4, dispatch: (any DispatchPolicy)? = nil,
        adapterBytes: [Int] = [10, 10]
    ) -> Fleet {
        let replicas = (0..<count).map { index in
            ReplicaScheduler(
                ReplicaConfiguration(
                    id: replica(index), batchRequests: 2, batchTokens: 16, pages: 8,
                    adapterBytes: adapterBytes[index % adapterBytes.count]),
                clock: { .start })
        }
        return Fleet(
            replicas: replicas,
            policies: FleetPolicies(
                dispatch: dispatch.map { .init(name: "dispatch", policy: $0) }),
            limits: FleetLimits(queue: queue, contextLength: 100), clock: { .start })
    }

    private func submit(
        _ id: UInt64, prompt: Int = 4, most: Int = 16, on number: UInt32 = 0,
        to fleet: inout Fleet, at seconds: Double = 0
    ) -> Admission {
        var new = NewRequest(
            id: request(id), adapter: adapter(number), arrival: .seconds(seconds),
            promptTokens: prompt)
        new.maximumTokens = most
        return fleet.submit(new, at: .seconds(seconds))
    }

    private func step(_ fleet: inout Fleet, on index: Int, at seconds: Double, took: Duration) {
        guard let plan = fleet.planStep(on: replica(index), at: .seconds(seconds)) else { return }
        _ = fleet.complete(
            StepOutcome(number: plan.number, stepTime: took), on: replica(index),
            at: .seconds(seconds))
    }

    @Test(arguments: [
        (0, 1, Refusal.emptyPrompt), (1, 0, .nothingToGenerate),
        (99, 2, .contextTooLong(limit: 100)), (.max, 1, .contextTooLong(limit: 100)),
        (.max, .max, .contextTooLong(limit: 100)), (.min, .min, .emptyPrompt),
    ])
    func whatCanNeverBeServedIsRefused(prompt: Int, most: Int, refusal: Refusal) {
        var fleet = fleet()
        #expect(submit(1, prompt: prompt, most: most, to: &fleet) == .refused(refusal))
        #expect(fleet.counters.unservable == 1)
        #expect(fleet.inconsistencies() == [])
    }

    @Test
    func theContextLimitIsReachable() {
        var fleet = fleet()
        #expect(submit(1, prompt: 84, most: 16, to: &fleet) == .accepted(replica(0)))
        #expect(
            submit(1, to: &fleet) == .refused(.duplicateRequest(request(1))))
    }

    @Test
    func requestsSpreadBeforeAnythingIsMeasured() {
        var fleet = fleet()
        let chosen = (1...4 as ClosedRange<UInt64>).map { submit($0, to: &fleet) }
        #expect(chosen == [0, 1, 0, 1].map { .accepted(replica($0)) })
        #expect(fleet[replica(0)].pendingTime == nil)
    }

    @Test
    func aFullQueueRefusesAndSaysWhenToComeBack() {
        var fleet = fleet(replicas: 1)
        for id in 1...4 as ClosedRange<UInt64> { _ = submit(id, to: &fleet) }
        #expect(
            submit(5, to: &fleet) == .refused(.queueFull(limit: 4, retryAfter: nil)))
        // Two requests begin per step, one step in half a second: four a second.
        step(&fleet, on: 0, at: 0.5, took: .milliseconds(500))
        #expect(fleet.waitingRequests == 2)
        for id in 6...7 as ClosedRange<UInt64> { _ = submit(id, to: &fleet, at: 0.5) }
        guard case .refused(.queueFull(4, let first?)) = submit(8, to: &fleet, at: 0.5),
            case .refused(.queueFull(4, let second?)) = submit(9, to: &fleet, at: 0.5)
        else {
            Issue.record("not refused with a time")
            return
        }
        #expect(first == .milliseconds(250))
        #expect(second == .milliseconds(500), "who is turned away later comes back later")
        #expect(fleet.counters.queueFull == 3)
    }

    @Test
    func theQueueCountsOnlyWhoHasNotBegun() {
        var fleet = fleet(replicas: 1)
        for id in 1...4 as ClosedRange<UInt64> { _ = submit(id, to: &fleet) }
        #expect(fleet.cancel(request(4), at: .start) == .now)
        #expect(fleet.waitingRequests == 3)
        #expect(submit(5, to: &fleet) == .accepted(replica(0)))
        #expect(fleet.replica(of: request(4)) == nil)
        #expect(fleet.replica(of: request(5)) == replica(0))
        #expect(fleet.cancel(request(4), at: .start) == .unknown)
    }

    @Test
    func aReplicaThatCannotServeARequestIsPassedOver() {
        var fleet = fleet(adapterBytes: [4, 10])
        let large = AdapterDescription(id: adapter(1), bytes: 6, rank: 8)
        #expect(fleet.register(large, at: .start) == nil)
        #expect(submit(1, on: 1, to: &fleet) == .accepted(replica(1)))
        #expect(fleet.counters.redirected == 1)
        let tooLarge = AdapterDescription(id: adapter(2), bytes: 11, rank: 8)
        #expect(
            fleet.register(tooLarge, at: .start) == .adapterTooLarge(bytes: 11, budget: 4))
        #expect(submit(2, on: 2, to: &fleet) == .refused(.unknownAdapter(adapter(2))))
    }

    @Test
    func dispatchSeesWhereTheAdapterIs() {
        var fleet = fleet()
        let description = AdapterDescription(id: adapter(1), bytes: 5, rank: 8)
        _ = fleet.register(description, at: .start)
        _ = submit(1, on: 1, to: &fleet)
        _ = fleet.takeActions(of: replica(0))
        _ = fleet.adapterLoaded(
            adapter(1), bytes: 5, time: .milliseconds(10), on: replica(0), at: .start)
        let seen = fleet.snapshots(for: adapter(1))
        #expect(seen.map(\.isAdapterResident) == [true, false])
        // The other replica has loaded nothing yet, and nothing tells that it would take long.
        #expect(seen.map(\.adapterLoadTime) == [.zero, .zero])
        #expect(fleet.snapshots(for: .base).map(\.isAdapterResident) == [true, true])
        fleet.retire(adapter(1), at: .start)
        #expect(fleet.cancel(request(1), at: .start) == .now)
        #expect(fleet.snapshots(for: adapter(1)).map(\.isAdapterResident) == [false, false])
    }

    @Test
    func pendingTimeGrowsWithWhatAReplicaHolds() {
        var fleet = fleet(queue: 100)
        _ = submit(1, to: &fleet)
        for tick in 0..<8 {
            step(&fleet, on: 0, at: Double(tick) * 0.1, took: .milliseconds(100))
        }
        let early = fleet.snapshots(for: .base)[0].pendingTime
        // About eight more steps of a tenth of a second.
        #expect(early > .milliseconds(400) && early < .milliseconds(1_600))
        for id in 2...9 as ClosedRange<UInt64> { _ = submit(id, to: &fleet, at: 1) }
        let seen = fleet.snapshots(for: .base)
        #expect(seen[0].pendingTime > early)
        #expect(seen[1].pendingTime > .zero, "judged by what the other has measured")
    }

    @Test
    func badDispatchIsReplacedByTheDefault() {
        var fleet = fleet(queue: 1_000, dispatch: NastyDispatch(seed: 2))
        for id in 1...200 as ClosedRange<UInt64> {
            guard case .accepted = submit(id, to: &fleet) else {
                Issue.record("request \(id) is lost")
                return
            }
        }
        #expect(fleet.dispatchStatus.strikes == 3)
        #expect(fleet.dispatchStatus.state == .fallenBack(until: .seconds(30)))
        #expect(fleet.inconsistencies() == [])
    }
}
