// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import TestSupport
import Testing

/// Whole replicas with `dlora-batching` and `credit-fairness`, as the host drives them.
struct FairServiceTests {
    private let policies: BuiltPolicies

    init() throws { policies = try BuiltPolicies() }

    private static let starvation = Duration.milliseconds(200)

    private func replica(isFair: Bool, coldAdapters: Int, seed: UInt64) throws -> SkewedReplica {
        var chosen = ReplicaPolicies()
        chosen.batching = NamedPolicy(
            name: "switch", policy: try policies.batching("dlora-batching"))
        if isFair {
            let values: [String: ParameterValue] = [
                "starvation": .duration(Self.starvation), "recovery": .duration(.milliseconds(100)),
            ]
            chosen.fairness = NamedPolicy(
                name: "credits", policy: try policies.fairness("credit-fairness", values))
        }
        return SkewedReplica(policies: chosen, coldAdapters: coldAdapters, seed: seed)
    }

    /// 24 requests of one adapter stand in the replica all the time, of which it runs 8; each of the
    /// others has one now and then. A request waits for its turn at most, for `starvation`, and for
    /// as long as the other starving ones run.
    @Test(arguments: [1, 3, 6], [1, 2] as [UInt64])
    func everyRequestOfEveryAdapterEndsInTime(coldAdapters: Int, seed: UInt64) throws {
        var replica = try replica(isFair: true, coldAdapters: coldAdapters, seed: seed)
        for _ in 0..<2_000 { replica.step() }
        let bound = Self.starvation + SkewedReplica.longestTurn * 2
        #expect(replica.longestLife < bound, "seed \(seed)")
        #expect(replica.oldestAge < bound, "seed \(seed)")
        #expect(replica.endedCold > 10)
        let counters = replica.scheduler.counters
        #expect(counters.mergedSteps > 100, "it does merge, seed \(seed)")
        #expect(replica.scheduler.policyStatuses.allSatisfy { $0.strikes == 0 })
    }

    /// The same without credits: what makes the test above one that can fail.
    @Test func withoutCreditsAnAdapterIsPassedOverForEver() throws {
        var replica = try replica(isFair: false, coldAdapters: 3, seed: 1)
        for _ in 0..<2_000 { replica.step() }
        #expect(replica.oldestAge > .seconds(8))
    }

    /// Going back and forth between the base and a ready copy needs one merge.
    @Test func readyCopiesAreUsedAgain() throws {
        var replica = try replica(isFair: true, coldAdapters: 3, seed: 4)
        for _ in 0..<2_000 { replica.step() }
        let counters = replica.scheduler.counters
        #expect(counters.switches > 4)
        #expect(counters.merges == 1)
        #expect(counters.unmergedInstead == 0, "nothing was planned merged without its copy")
    }
}

/// A replica with one adapter that is always in demand and some that seldom are, on a clock of its
/// own.
private struct SkewedReplica {
    private static let hot = AdapterID(rawValue: 1)
    private static let hotRequests = 24
    private static let batch = 8
    private static let longestOutput = 16

    /// How long first come, first served takes at most until a request that comes has ended: all in
    /// front of it and itself, in batches, with iterations of 9 ms and their prompts.
    static var longestTurn: Duration {
        let waves = (hotRequests + 6) / batch + 2
        return .milliseconds(9) * (waves * (longestOutput + 2))
    }

    private(set) var scheduler: ReplicaScheduler
    private(set) var now = Instant(nanoseconds: 0)
    private(set) var longestLife = Duration.zero
    private(set) var endedCold = 0

    private struct Job {
        var adapter: AdapterID
        var arrival: Instant
    }

    private var jobs: [RequestID: Job] = [:]
    private var count: UInt64 = 0
    private var random: SeededRandom
    private var copies: [(id: AdapterID, isReadyAt: Instant)] = []
    private var handedOut: [StepPlan] = []
    private let cold: [AdapterID]

    init(policies: ReplicaPolicies, coldAdapters: Int, seed: UInt64) {
        var configuration = ReplicaConfiguration(
            id: ReplicaID(rawValue: 0), batchRequests: Self.batch, batchTokens: 64, pages: 200,
            adapterBytes: 1_000)
        configuration.mergedCopies = 1
        // Time is the test's own, so no call of a policy takes any.
        let start = now
        scheduler = ReplicaScheduler(configuration, policies: policies, clock: { start })
        random = SeededRandom(seed: seed)
        cold = (0..<coldAdapters).map { AdapterID(rawValue: UInt32($0) + 2) }
        for id in [Self.hot] + cold {
            _ = scheduler.register(AdapterDescription(id: id, bytes: 10, rank: 8), at: now)
        }
    }

    /// The age of the oldest request that is there.
    var oldestAge: Duration {
        jobs.values.map { $0.arrival.duration(to: now) }.max() ?? .zero
    }

    mutating func step() {
        arrive()
        for case .load(let id) in scheduler.takeActions() {
            _ = scheduler.adapterLoaded(id, bytes: 10, time: .milliseconds(1), at: now)
        }
        if handedOut.isEmpty, let plan = scheduler.planStep(at: now) { handedOut.append(plan) }
        if random.chance(50), let next = scheduler.planAhead(at: now) { handedOut.append(next) }
        for case .build(let id) in scheduler.takeMergeActions() {
            copies.append((id, now.advanced(by: .milliseconds(20))))
        }
        guard !handedOut.isEmpty else { return }
        let plan = handedOut.removeFirst()
        let time = Self.time(of: plan)
        now = now.advanced(by: time)
        for id in scheduler.complete(StepOutcome(number: plan.number, stepTime: time), at: now) {
            end(id)
        }
        for copy in copies where copy.isReadyAt <= now {
            scheduler.copyBuilt(copy.id, bytes: 100, time: .milliseconds(20), at: now)
        }
        copies.removeAll { $0.isReadyAt <= now }
    }

    private mutating func arrive() {
        let hot = jobs.values.count { $0.adapter == Self.hot }
        for _ in hot..<max(hot, Self.hotRequests) { submit(Self.hot) }
        for id in cold where !jobs.values.contains(where: { $0.adapter == id }) {
            if random.chance(2) { submit(id) }
        }
    }

    private mutating func submit(_ adapter: AdapterID) {
        count += 1
        var new = NewRequest(
            id: RequestID(rawValue: count), adapter: adapter, arrival: now,
            promptTokens: 1 + random.below(8))
        new.maximumTokens = 1 + random.below(Self.longestOutput)
        #expect(scheduler.submit(new, at: now) == nil)
        jobs[new.id] = Job(adapter: adapter, arrival: now)
    }

    private mutating func end(_ id: RequestID) {
        guard let job = jobs.removeValue(forKey: id) else { return }
        longestLife = max(longestLife, job.arrival.duration(to: now))
        if job.adapter != Self.hot { endedCold += 1 }
    }

    /// 5 ms, 100 µs for each token, and 300 µs for each row with a LoRA path: at most 9 ms or so.
    private static func time(of plan: StepPlan) -> Duration {
        let tokens = plan.entries.reduce(0) { $0 + $1.tokens }
        let paths = plan.entries.count { $0.adapter != plan.mode.mergedAdapter }
        return .microseconds(5_000 + 100 * min(tokens, 16) + 300 * paths)
    }
}
