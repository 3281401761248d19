// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Testing

extension ReplicaScheduler {
    /// Builds what is to be built, at once.
    mutating func buildCopies() {
        for case .build(let id) in takeMergeActions() {
            copyBuilt(id, bytes: 100, time: .milliseconds(5), at: .start)
        }
    }
}

/// When merged copies are built and dropped, and what runs meanwhile.
struct MergingTests {
    /// Runs the first request of an adapter, merged on it.
    private final class Merging: BatchingPolicy {
        static var descriptor: PolicyDescriptor {
            PolicyDescriptor(type: "merging", version: "1.0.0", summary: "Merges as told.")
        }

        var wanted = AdapterID(rawValue: 1)

        init(parameters: NoParameters = NoParameters(), seed: UInt64 = 0) {}

        func plan(
            _ requests: Span<RequestSnapshot>, in context: BatchingContext,
            into plan: inout BatchPlan
        ) throws(PolicyError) {
            for index in requests.indices where requests[index].adapter == wanted {
                plan.mode = .merged(wanted)
                plan.entries = [.init(index: index, tokens: 1)]
                return
            }
        }
    }

    /// A replica with a request for each of three adapters, all resident.
    private struct Bench {
        let policy = Merging()
        var scheduler: ReplicaScheduler

        init(copies: Int) {
            var configuration = ReplicaConfiguration(
                id: replica(0), batchRequests: 4, batchTokens: 16, pages: 64, adapterBytes: 30)
            configuration.mergedCopies = copies
            var policies = ReplicaPolicies()
            policies.batching = .init(name: "merging", policy: policy)
            scheduler = ReplicaScheduler(configuration, policies: policies, clock: { .start })
            for id in 1...3 as ClosedRange<UInt32> {
                _ = scheduler.register(
                    AdapterDescription(id: adapter(id), bytes: 5, rank: 8), at: .start)
                let new = NewRequest(
                    id: request(UInt64(id)), adapter: adapter(id), arrival: .start,
                    promptTokens: 40)
                _ = scheduler.submit(new, at: .start)
            }
            for case .load(let id) in scheduler.takeActions() {
                _ = scheduler.adapterLoaded(id, bytes: 5, time: .milliseconds(1), at: .start)
            }
        }

        /// The mode of a step that wants to run merged on an adapter, and what it sets going.
        mutating func step(on id: UInt32) -> (BatchMode?, [MergedCopies.Action]) {
            policy.wanted = adapter(id)
            let plan = scheduler.planStep(at: .start)
            if let plan {
                _ = scheduler.complete(
                    StepOutcome(number: plan.number, stepTime: .milliseconds(1)), at: .start)
            }
            return (plan?.mode, scheduler.takeMergeActions())
        }

        mutating func built(_ id: UInt32) {
            scheduler.copyBuilt(adapter(id), bytes: 100, time: .milliseconds(5), at: .start)
        }
    }

    @Test func stepsGoOnUnmergedUntilTheCopyIsReady() {
        var bench = Bench(copies: 1)
        #expect(bench.step(on: 1) == (.unmerged, [.build(adapter(1))]))
        #expect(bench.scheduler.copies.state(of: adapter(1)) == .building)
        #expect(bench.step(on: 1) == (.unmerged, []))
        bench.built(1)
        #expect(bench.scheduler.copies.state(of: adapter(1)) == .ready)
        #expect(bench.step(on: 1) == (.merged(adapter(1)), []))
        #expect(bench.scheduler.counters.unmergedInstead == 2)
        #expect(bench.scheduler.counters.unmergedSteps == 2)
        #expect(bench.scheduler.counters.mergedSteps == 1)
        #expect(bench.scheduler.counters.merges == 1)
    }

    @Test func oneCopyIsBuiltAtATimeAndTheLastUsedOneStays() {
        var bench = Bench(copies: 2)
        _ = bench.step(on: 1)
        #expect(bench.step(on: 2) == (.unmerged, []), "another one is being built")
        bench.built(1)
        #expect(bench.step(on: 2) == (.unmerged, [.build(adapter(2))]))
        #expect(bench.step(on: 1) == (.merged(adapter(1)), []), "it stays meanwhile")
        bench.built(2)
        #expect(bench.step(on: 2) == (.merged(adapter(2)), []))
        #expect(bench.step(on: 1) == (.merged(adapter(1)), []))
        #expect(bench.step(on: 3) == (.unmerged, [.drop(adapter(2)), .build(adapter(3))]))
        bench.built(3)
        #expect(bench.scheduler.copies.ready == [adapter(1), adapter(3)])
    }

    @Test func theOnlyCopyLeavesForTheNext() {
        var bench = Bench(copies: 1)
        _ = bench.step(on: 1)
        bench.built(1)
        #expect(bench.step(on: 2) == (.unmerged, [.drop(adapter(1)), .build(adapter(2))]))
        #expect(bench.step(on: 1) == (.unmerged, []))
    }

    @Test func withoutRoomStepsNeverRunMerged() {
        var bench = Bench(copies: 0)
        for id in 1...3 as ClosedRange<UInt32> {
            #expect(bench.step(on: id) == (.unmerged, []))
        }
        #expect(bench.scheduler.counters.unmergedInstead == 3)
        #expect(bench.scheduler.policyStatuses[0].strikes == 0, "the plans were good")
    }

    @Test func whatCannotBeBuiltIsNotTriedAgain() {
        var bench = Bench(copies: 1)
        _ = bench.step(on: 1)
        bench.scheduler.copyFailed(adapter(1), at: .start)
        #expect(bench.step(on: 1) == (.unmerged, []))
        #expect(bench.step(on: 2) == (.unmerged, [.build(adapter(2))]))
        #expect(bench.scheduler.counters.failedMerges == 1)
    }

    @Test func theAdapterStaysWhileItsCopyIsBuiltAndTakesItAlong() {
        var bench = Bench(copies: 1)
        _ = bench.step(on: 1)
        #expect(bench.scheduler.cancel(request(1), at: .start) == .now)
        bench.scheduler.retire(adapter(1), at: .start)
        #expect(bench.scheduler.takeActions() == [])
        bench.built(1)
        #expect(bench.scheduler.takeActions() == [.unload(adapter(1))])
        #expect(bench.scheduler.takeMergeActions() == [.drop(adapter(1))])
        #expect(bench.scheduler.copies.ready == [])
    }

    @Test func whatNobodyAskedForChangesNothing() {
        var bench = Bench(copies: 1)
        bench.built(1)
        bench.scheduler.copyFailed(adapter(2), at: .start)
        #expect(bench.scheduler.copies.ready == [])
        #expect(bench.scheduler.counters.merges == 0)
        #expect(bench.scheduler.counters.failedMerges == 0)
        #expect(bench.scheduler.inconsistencies() == [])
    }

    /// An adapter waits for the room of one that is being merged. Its request has its lease as soon as
    /// the copy is there, and may be cancelled before anything else happens.
    @Test
    func aLeaseThatAMergeHeldBackIsKnownAtOnce() {
        var configuration = ReplicaConfiguration(
            id: replica(0), batchRequests: 4, batchTokens: 64, pages: 64, adapterBytes: 5)
        configuration.mergedCopies = 1
        let policy = Merging()
        var policies = ReplicaPolicies()
        policies.batching = .init(name: "merging", policy: policy)
        var scheduler = ReplicaScheduler(configuration, policies: policies, clock: { .start })
        for id in 1...2 as ClosedRange<UInt32> {
            _ = scheduler.register(
                AdapterDescription(id: adapter(id), bytes: 5, rank: 8), at: .start)
        }
        func submit(_ id: UInt32) {
            let new = NewRequest(
                id: request(UInt64(id)), adapter: adapter(id), arrival: .start, promptTokens: 4)
            _ = scheduler.submit(new, at: .start)
        }
        submit(1)
        #expect(scheduler.takeActions() == [.load(adapter(1))])
        _ = scheduler.adapterLoaded(adapter(1), bytes: 5, time: .zero, at: .start)
        // The step asks for a copy, which holds the adapter, and its request ends.
        let plan = scheduler.planStep(at: .start)
        #expect(scheduler.takeMergeActions() == [.build(adapter(1))])
        let outcome = StepOutcome(
            number: plan?.number ?? 0, stepTime: .milliseconds(1), finished: [request(1)])
        #expect(scheduler.complete(outcome, at: .start) == [request(1)])
        submit(2)
        #expect(scheduler.takeActions().isEmpty)
        scheduler.copyBuilt(adapter(1), bytes: 100, time: .milliseconds(1), at: .start)
        #expect(scheduler.cancel(request(2), at: .start) == .now)
        #expect(scheduler.inconsistencies() == [])
    }
}
