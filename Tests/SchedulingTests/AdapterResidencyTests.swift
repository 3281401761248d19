// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Testing

struct AdapterResidencyTests {
    /// A replica with a budget of 10 bytes and adapters 1, 2, … of these sizes.
    private func replicaWith(
        _ sizes: [Int], pinned: Set<Int> = [], policy: (any ResidencyPolicy)? = nil
    ) -> ReplicaScheduler {
        var configuration = ReplicaConfiguration(
            id: replica(0), batchRequests: 8, batchTokens: 64, pages: 64, adapterBytes: 10)
        configuration.adapterPatience = .seconds(1)
        var policies = ReplicaPolicies()
        policies.residency = policy.map { NamedPolicy(name: "residency", policy: $0) }
        var scheduler = ReplicaScheduler(configuration, policies: policies, clock: { .start })
        for (index, bytes) in sizes.enumerated() {
            let description = AdapterDescription(
                id: AdapterID(rawValue: UInt32(index + 1)), bytes: bytes, rank: 8,
                isPinned: pinned.contains(index + 1))
            #expect(scheduler.register(description, at: .start) == nil)
        }
        return scheduler
    }

    private func submit(
        _ id: UInt64, on adapterNumber: UInt32, to scheduler: inout ReplicaScheduler,
        at seconds: Double = 0
    ) -> Refusal? {
        scheduler.submit(
            NewRequest(
                id: request(id), adapter: adapter(adapterNumber), arrival: .seconds(seconds),
                promptTokens: 4), at: .seconds(seconds))
    }

    private func load(
        _ id: UInt32, bytes: Int, in scheduler: inout ReplicaScheduler, at seconds: Double = 0
    ) -> [RequestID] {
        scheduler.adapterLoaded(
            adapter(id), bytes: bytes, time: .milliseconds(5), at: .seconds(seconds))
    }

    private func isRunnable(_ id: UInt64, _ scheduler: ReplicaScheduler) -> Bool {
        scheduler.snapshot(of: request(id))?.isAdapterResident == true
    }

    /// Notes what it is shown and takes the first.
    private final class Noting: ResidencyPolicy {
        static var descriptor: PolicyDescriptor {
            PolicyDescriptor(type: "noting", version: "1.0.0", summary: "Notes what it sees.")
        }

        var seen: [AdapterSnapshot] = []

        init(parameters: NoParameters = NoParameters(), seed: UInt64 = 0) {}

        func evict(
            from candidates: Span<AdapterSnapshot>, at now: Instant
        ) throws(PolicyError) -> AdapterID {
            for index in candidates.indices { seen.append(candidates[index]) }
            return candidates[0].id
        }
    }

    @Test
    func policiesSeeWhenAnAdapterWasLoadedAndUsed() {
        let policy = Noting()
        var scheduler = replicaWith([6, 6], policy: policy)
        #expect(submit(1, on: 1, to: &scheduler) == nil)
        #expect(load(1, bytes: 6, in: &scheduler, at: 3) == [])
        let planned = scheduler.planStep(at: .seconds(5))
        #expect(planned?.entries.count == 1)
        let outcome = StepOutcome(number: planned?.number ?? 0, stepTime: .milliseconds(1))
        #expect(scheduler.complete(outcome, at: .seconds(6)) == [])
        #expect(scheduler.finish(request(1), at: .seconds(7)) == .now)
        #expect(submit(2, on: 2, to: &scheduler, at: 8) == nil)
        #expect(policy.seen.map(\.id) == [adapter(1)])
        #expect(policy.seen.first?.loadedAt == .seconds(3))
        #expect(policy.seen.first?.lastUse == .seconds(5))
        #expect(policy.seen.first?.uses == 1)
    }

    @Test
    func theFirstRequestLoadsAndLaterOnesHit() {
        var scheduler = replicaWith([4])
        #expect(submit(1, on: 1, to: &scheduler) == nil)
        #expect(scheduler.takeActions() == [.load(adapter(1))])
        #expect(submit(2, on: 1, to: &scheduler) == nil)
        #expect(scheduler.takeActions() == [])
        #expect(!isRunnable(1, scheduler))
        #expect(load(1, bytes: 4, in: &scheduler) == [])
        #expect(isRunnable(1, scheduler) && isRunnable(2, scheduler))
        #expect(submit(3, on: 1, to: &scheduler) == nil)
        let counters = scheduler.residency.counters
        #expect((counters.loads, counters.hits, counters.misses) == (1, 1, 2))
    }

    @Test
    func anIdleAdapterLeavesForAnother() {
        var scheduler = replicaWith([6, 6])
        _ = submit(1, on: 1, to: &scheduler)
        _ = load(1, bytes: 6, in: &scheduler)
        #expect(scheduler.cancel(request(1), at: .start) == .now)
        _ = scheduler.takeActions()
        _ = submit(2, on: 2, to: &scheduler)
        #expect(scheduler.takeActions() == [.unload(adapter(1)), .load(adapter(2))])
        #expect(scheduler.residency.counters.evictions == 1)
    }

    @Test
    func anAdapterInUseStays() {
        var scheduler = replicaWith([6, 6])
        _ = submit(1, on: 1, to: &scheduler)
        _ = load(1, bytes: 6, in: &scheduler)
        _ = scheduler.takeActions()
        _ = submit(2, on: 2, to: &scheduler)
        #expect(scheduler.takeActions() == [])
        #expect(scheduler.cancel(request(1), at: .start) == .now)
        #expect(scheduler.takeActions() == [.unload(adapter(1)), .load(adapter(2))])
    }

    @Test
    func whoWaitedLongEnoughIsNotOvertaken() {
        var scheduler = replicaWith([6, 6])
        _ = submit(1, on: 1, to: &scheduler)
        _ = load(1, bytes: 6, in: &scheduler)
        _ = submit(2, on: 2, to: &scheduler, at: 1)
        _ = submit(3, on: 1, to: &scheduler, at: 1.9)
        #expect(isRunnable(3, scheduler), "within its patience adapter 2 may be overtaken")
        _ = submit(4, on: 1, to: &scheduler, at: 2)
        #expect(!isRunnable(4, scheduler), "after it may not")
        _ = scheduler.takeActions()
        _ = scheduler.cancel(request(1), at: .seconds(2.1))
        _ = scheduler.cancel(request(3), at: .seconds(2.2))
        #expect(scheduler.takeActions() == [.unload(adapter(1)), .load(adapter(2))])
        _ = load(2, bytes: 6, in: &scheduler, at: 2.3)
        _ = scheduler.cancel(request(2), at: .seconds(2.4))
        #expect(scheduler.takeActions() == [.unload(adapter(2)), .load(adapter(1))])
        _ = load(1, bytes: 6, in: &scheduler, at: 2.5)
        #expect(isRunnable(4, scheduler))
    }

    @Test
    func smallAdaptersFillTheRoomThatALargeOneCannotUse() {
        var scheduler = replicaWith([6, 6, 3])
        _ = submit(1, on: 1, to: &scheduler)
        _ = submit(2, on: 2, to: &scheduler)
        _ = submit(3, on: 3, to: &scheduler)
        #expect(scheduler.takeActions() == [.load(adapter(1)), .load(adapter(3))])
    }

    @Test
    func tooLargeAndUnknownAdaptersAreRefused() {
        var scheduler = replicaWith([7, 4], pinned: [2])
        #expect(
            submit(1, on: 1, to: &scheduler) == .adapterTooLarge(bytes: 7, budget: 6))
        #expect(submit(2, on: 9, to: &scheduler) == .unknownAdapter(adapter(9)))
        let huge = AdapterDescription(id: adapter(3), bytes: .max, rank: .max)
        #expect(
            scheduler.register(huge, at: .start) == .adapterTooLarge(bytes: .max, budget: 6))
        let again = AdapterDescription(id: adapter(1), bytes: 1, rank: 1)
        #expect(scheduler.register(again, at: .start) == .duplicateAdapter(adapter(1)))
        #expect(scheduler.backlog.requests == 0)
    }

    @Test
    func aPinnedAdapterLoadsAtOnceAndNeverLeaves() {
        var scheduler = replicaWith([4, 6, 6], pinned: [1])
        #expect(scheduler.takeActions() == [.load(adapter(1))])
        _ = load(1, bytes: 4, in: &scheduler)
        _ = submit(1, on: 2, to: &scheduler)
        _ = load(2, bytes: 6, in: &scheduler)
        _ = scheduler.cancel(request(1), at: .start)
        _ = scheduler.takeActions()
        _ = submit(2, on: 3, to: &scheduler)
        #expect(scheduler.takeActions() == [.unload(adapter(2)), .load(adapter(3))])
        #expect(scheduler.residency.state(of: adapter(1)) == .resident)
    }

    @Test
    func aPinnedAdapterMayNotShutOutOneInUse() {
        var scheduler = replicaWith([6])
        _ = submit(1, on: 1, to: &scheduler)
        let pinned = AdapterDescription(id: adapter(2), bytes: 5, rank: 8, isPinned: true)
        #expect(
            scheduler.register(pinned, at: .start) == .adapterTooLarge(bytes: 5, budget: 4))
    }

    @Test
    func aFailedLoadEndsItsRequestsOnly() {
        var scheduler = replicaWith([4])
        _ = submit(1, on: 1, to: &scheduler)
        _ = submit(2, on: 0, to: &scheduler)
        _ = submit(3, on: 1, to: &scheduler)
        #expect(
            scheduler.adapterLoadFailed(adapter(1), at: .start) == [request(1), request(3)])
        #expect(scheduler.adapterLoadFailed(adapter(1), at: .start) == [])
        #expect(scheduler.backlog.requests == 1)
        #expect(scheduler.inconsistencies() == [])
        _ = scheduler.takeActions()
        _ = submit(4, on: 1, to: &scheduler)
        #expect(scheduler.takeActions() == [.load(adapter(1))], "the next request tries again")
    }

    @Test
    func aRetiredAdapterServesWhoHasItAndThenGoes() {
        var scheduler = replicaWith([4])
        _ = submit(1, on: 1, to: &scheduler)
        _ = load(1, bytes: 4, in: &scheduler)
        _ = scheduler.takeActions()
        scheduler.retire(adapter(1), at: .start)
        #expect(submit(2, on: 1, to: &scheduler) == .unknownAdapter(adapter(1)))
        #expect(scheduler.takeActions() == [])
        #expect(isRunnable(1, scheduler))
        _ = scheduler.cancel(request(1), at: .start)
        #expect(scheduler.takeActions() == [.unload(adapter(1))])
        #expect(scheduler.residency.description(of: adapter(1)) == nil)
    }

    @Test
    func anAdapterRetiredWhileLoadingGoesWhenItHasCome() {
        var scheduler = replicaWith([4])
        _ = submit(1, on: 1, to: &scheduler)
        _ = scheduler.cancel(request(1), at: .start)
        scheduler.retire(adapter(1), at: .start)
        _ = scheduler.takeActions()
        _ = load(1, bytes: 4, in: &scheduler)
        #expect(scheduler.takeActions() == [.unload(adapter(1))])
        #expect(scheduler.residency.usedBytes == 0)
    }

    @Test
    func whatTurnsOutLargerWaitsForItsRealRoom() {
        var scheduler = replicaWith([4, 4])
        _ = submit(1, on: 1, to: &scheduler)
        _ = submit(2, on: 2, to: &scheduler)
        _ = load(1, bytes: 4, in: &scheduler)
        _ = scheduler.takeActions()
        #expect(load(2, bytes: 8, in: &scheduler) == [])
        #expect(scheduler.takeActions() == [.unload(adapter(2))])
        #expect(!isRunnable(2, scheduler))
        #expect(scheduler.inconsistencies() == [])
        _ = scheduler.cancel(request(1), at: .start)
        #expect(scheduler.takeActions() == [.unload(adapter(1)), .load(adapter(2))])
        _ = load(2, bytes: 8, in: &scheduler)
        #expect(isRunnable(2, scheduler))
    }

    @Test(arguments: [11, Int.max])
    func whatTurnsOutTooLargeEndsItsRequests(bytes: Int) {
        var scheduler = replicaWith([4])
        _ = submit(1, on: 1, to: &scheduler)
        #expect(load(1, bytes: bytes, in: &scheduler) == [request(1)])
        #expect(scheduler.inconsistencies() == [])
        #expect(
            submit(2, on: 1, to: &scheduler) == .adapterTooLarge(bytes: 11, budget: 10))
    }

    @Test
    func aBadEvictionIsReplacedByTheDefault() {
        var scheduler = replicaWith([5, 5, 10], policy: NastyResidency(seed: 1))
        for id in 1...2 as ClosedRange<UInt32> {
            _ = submit(UInt64(id), on: id, to: &scheduler)
            _ = load(id, bytes: 5, in: &scheduler)
        }
        for id in 1...2 as ClosedRange<UInt64> { _ = scheduler.cancel(request(id), at: .start) }
        _ = scheduler.takeActions()
        _ = submit(3, on: 3, to: &scheduler)
        let actions = scheduler.takeActions()
        #expect(Set(actions.prefix(2)) == [.unload(adapter(1)), .unload(adapter(2))])
        #expect(actions.last == .load(adapter(3)))
        #expect(scheduler.residency.counters.evictions == 2)
    }
}
