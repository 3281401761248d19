// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Testing

/// Whatever happens and whatever policies answer, the promises of a fleet hold.
struct FleetPropertyTests {
    @Test(arguments: RandomFleet.Policies.allCases, 0..<30 as Range<UInt64>)
    func nothingIsLostAndEverythingEnds(policies: RandomFleet.Policies, seed: UInt64) {
        var random = RandomFleet(seed: seed, policies: policies)
        for step in 0..<400 {
            random.happen()
            if !random.problems.isEmpty {
                Issue.record("seed \(seed), event \(step): \(random.problems)")
                return
            }
        }
        let isDrained = random.drain(rounds: 20_000)
        #expect(
            isDrained, "seed \(seed): \(random.witness.live.count) requests starve")
        #expect(random.problems == [], "seed \(seed)")
        for replica in random.fleet.replicas {
            #expect(replica.pages.freePages == replica.pages.totalPages)
            #expect(replica.backlog.requests == 0)
            #expect(replica.pages.cachedPages == 0 || replica.configuration.sharesPrefixes)
        }
    }

    @Test(arguments: RandomFleet.Policies.allCases, 100..<105 as Range<UInt64>)
    func theSameEventsGiveTheSameActions(policies: RandomFleet.Policies, seed: UInt64) {
        var random = RandomFleet(seed: seed, policies: policies)
        for _ in 0..<300 { random.happen() }
        var twin = RandomFleet.twin(seed: seed, policies: policies)
        for (index, (event, now)) in random.events.enumerated() {
            let reaction = twin.react(to: event, at: now)
            guard reaction == random.reactions[index] else {
                Issue.record("seed \(seed), event \(index) \(event): \(reaction)")
                return
            }
        }
    }

    @Test
    func theseTestsMoveRequestsInEveryWay() {
        var moves: [CompletedMove.Way: Int] = [:]
        var counters = MigrationCounters()
        for seed in 0..<30 as Range<UInt64> {
            var random = RandomFleet(seed: seed, policies: .wandering)
            for _ in 0..<400 { random.happen() }
            moves.merge(random.witness.moves, uniquingKeysWith: +)
            let own = random.fleet.migrationCounters
            counters.skipped += own.skipped
            counters.rescued += own.rescued
            counters.stalePlans += own.stalePlans
            counters.placed += own.placed
        }
        print("moves in thirty runs: \(moves), \(counters)")
        #expect(CompletedMove.Way.allCases.allSatisfy { moves[$0, default: 0] > 0 })
        #expect(counters.skipped > 0 && counters.placed > 0)
    }

    @Test
    func prefixesAreSharedInTheseTests() {
        var (adopted, hits) = (0, 0)
        for seed in 0..<10 as Range<UInt64> {
            var random = RandomFleet(seed: seed, policies: .builtIn)
            for _ in 0..<400 { random.happen() }
            _ = random.drain(rounds: 20_000)
            adopted += random.witness.adopted
            hits += random.fleet.replicas.reduce(0) { $0 + $1.counters.prefixHitTokens }
        }
        print("tokens shared in ten runs: \(adopted), \(hits) of them at the first start")
        #expect(hits > 0 && adopted >= hits)
    }

    @Test
    func theseTestsPreemptPlanAheadWasteAndVerify() {
        var preemptions = 0
        var drafts = (computed: 0, accepted: 0)
        var ahead = 0
        var wasted = 0
        var whole = 0
        for seed in 0..<10 as Range<UInt64> {
            var random = RandomFleet(seed: seed, policies: .builtIn)
            for _ in 0..<400 { random.happen() }
            _ = random.drain(rounds: 20_000)
            whole += random.witness.whole
            for replica in random.fleet.replicas {
                preemptions += replica.counters.preemptions
                ahead += replica.counters.aheadSteps
                wasted += replica.counters.wastedTokens
                drafts.computed += replica.counters.draftTokens
                drafts.accepted += replica.counters.acceptedTokens
            }
        }
        print(
            """
            in ten runs: \(preemptions) preemptions, \(ahead) steps ahead, \(wasted) tokens \
            wasted, \(drafts.accepted) of \(drafts.computed) drafts accepted, \(whole) prompts \
            computed whole
            """)
        #expect(preemptions > 0 && ahead > 0 && wasted > 0 && whole > 0)
        #expect(drafts.accepted > 0 && drafts.accepted < drafts.computed)
    }
}
